/** Joins two streams until both directions are done, one fails, or silence lasts too long. */
import { EndedError, L7mpError, type Side, StreamError } from "../errors.ts";
import type { Step } from "../protocol.ts";
import { type Activity, type Flow, pump, type PumpOptions, type Tap } from "./pump.ts";
import { type Stream, type StreamKind, writingHalf } from "./stream.ts";
import { after, type Timer } from "./timer.ts";

/** What differs between the two directions. */
export interface DirectionOptions {
  readonly steps: readonly Step[];
  /** What comes out of the last step. */
  readonly payload: StreamKind;
  readonly tap?: Tap;
}

export interface RelayOptions {
  readonly ltr: DirectionOptions;
  readonly rtl: DirectionOptions;
  /** What is written to instead of `upstream`, and read from instead of it (see `detour.ts`); owned as the others are. */
  readonly detours?: { readonly ltr?: Stream; readonly rtl?: Stream };
  /** Read and kept up to date; absent: made by the relay. */
  readonly activity?: Activity;
  /** `ltr`: only from downstream to upstream; `rtl`: only back. */
  readonly direction: "both" | "ltr" | "rtl";
  /** Silence tolerated after one direction has ended, in ms; Infinity: for ever. */
  readonly lingerMs: number;
  /** The same after an end that the other side's `closeWrite` did not pass on (`staysOpen`). Default: `lingerMs`. */
  readonly openLingerMs?: number;
  /** The same while an answer is due (`StreamInfo.answer`), whose absence is an error. Default: `lingerMs`. */
  readonly answerMs?: number;
  /** Silence tolerated at any time, in ms; Infinity: for ever. */
  readonly idleTimeoutMs: number;
  readonly blockBytes?: number;
  readonly onCut?: (bytes: number) => void;
  /** Told when one side's reading half has ended. */
  readonly onEnd?: (side: Side) => void;
  /** Told when `lingerMs` (or `openLingerMs`) of silence are over: which side had not ended. */
  readonly onLinger?: (side: Side, lingerMs: number) => void;
  /** Ends the session with its reason. */
  readonly signal: AbortSignal;
  /** Counted while data moves. */
  readonly flows: Flows;
}

/** What the two directions of a session have moved. */
export interface Flows {
  readonly ltr: Flow;
  readonly rtl: Flow;
}

export function noFlows(): Flows {
  return { ltr: { bytes: 0, messages: 0 }, rtl: { bytes: 0, messages: 0 } };
}

/** `eof`: both directions ended. `linger`: one did, the other stayed silent. `idle`: silence. Otherwise see `error`. */
export type RelayEnd = "eof" | "linger" | "idle" | "error";

export interface RelaySummary {
  /** By the two streams; what stands before the upstream counts its own. */
  readonly dropped: number;
  readonly end: RelayEnd;
  /** The first error, or the signal's reason. */
  readonly error?: unknown;
}

/**
 * Relays between `downstream` and `upstream`, which it owns from now on: both are released when it resolves. The end of
 * one side becomes `closeWrite` on the other, and nothing else; the first error aborts both with itself as the reason. An
 * `EndedError` waits until the other direction is over, at most `answerMs` of silence.
 * Never rejects: what ended it is in the summary.
 */
export function relay(downstream: Stream, upstream: Stream, options: RelayOptions): Promise<RelaySummary> {
  return new Relay(downstream, upstream, options).run();
}

const toUpstream = { source: "downstream", sink: "upstream" } as const;
const toDownstream = { source: "upstream", sink: "downstream" } as const;

/** One object for what would be a dozen closures: thousands of sessions stand idle with it. */
class Relay implements EventListenerObject {
  readonly #downstream: Stream;
  readonly #upstream: Stream;
  /** What stands for the upstream in either direction. */
  readonly #sink: Stream;
  readonly #source: Stream;
  readonly #options: RelayOptions;
  readonly #activity: Activity;
  readonly #ended = Promise.withResolvers<{ end: RelayEnd; error?: unknown }>();
  #watch: SilenceWatch | undefined;
  /** Directions may still be ending, but no clock begins any more. */
  #stopped = false;
  #running = 0;
  /** The side whose end is still awaited when the other's has come. */
  #open: Side | undefined;
  /** One for each direction, resolved when it is over, however it ended. */
  #directions: readonly Promise<void>[] = [];
  /** What the session ends with once the other direction is over. */
  #over: EndedError | undefined;

  constructor(downstream: Stream, upstream: Stream, options: RelayOptions) {
    this.#downstream = downstream;
    this.#upstream = upstream;
    this.#sink = options.detours?.ltr ?? upstream;
    this.#source = options.detours?.rtl ?? upstream;
    this.#options = options;
    this.#activity = options.activity ?? { at: performance.now() };
  }

  async run(): Promise<RelaySummary> {
    this.#start();
    const { end, error } = await this.#ended.promise;
    const { signal, ltr, rtl } = this.#options;
    this.#stopped = true;
    this.#watch?.stop();
    signal.removeEventListener("abort", this);
    const reason = end === "error" ? error ?? new StreamError("session ended") : undefined;
    this.#downstream.abort(reason);
    for (const stream of this.#upstreams()) stream.abort(reason);
    await Promise.all(this.#directions);
    for (const step of [...ltr.steps, ...rtl.steps]) step.close?.();
    return { dropped: droppedBy(this.#downstream) + droppedBy(this.#upstream), end, error };
  }

  /** The upstream, and what stands before it. */
  #upstreams(): Set<Stream> {
    return new Set([this.#upstream, this.#sink, this.#source]);
  }

  /** The session is to end with the signal's reason. */
  handleEvent(): void {
    this.#fail(this.#options.signal.reason);
  }

  /** Starts what is asked for. */
  #start(): void {
    const { direction, signal, idleTimeoutMs } = this.#options;
    signal.addEventListener("abort", this, { once: true });
    if (signal.aborted) this.handleEvent();
    this.#limit("idle", idleTimeoutMs);
    if (this.#sink !== this.#upstream) this.#watchDetour(this.#sink);
    if (direction === "both") {
      this.#directions = [this.#move(toUpstream), this.#move(toDownstream)];
      return;
    }
    const [source, target] = direction === "ltr" ? [this.#downstream, this.#source] : [this.#sink, this.#downstream];
    source.closeWrite().catch((error) => this.#fail(error));
    // Nobody wants what the target says, but left unread it would turn the final close into a reset.
    discard(target);
    this.#directions = [this.#move(direction === "ltr" ? toUpstream : toDownstream)];
  }

  #move(sides: PumpOptions["sides"]): Promise<void> {
    this.#running++;
    const { ltr, rtl, flows, blockBytes, onCut } = this.#options;
    const forth = sides === toUpstream;
    const [source, sink] = forth ? [this.#downstream, this.#sink] : [this.#source, this.#downstream];
    const options = {
      ...(forth ? ltr : rtl),
      flow: forth ? flows.ltr : flows.rtl,
      activity: this.#activity,
      sides,
      blockBytes,
      onCut,
    };
    return pump(source, sink, options)
      .then(() => this.#shut(source, sink, sides))
      .catch((error) => {
        if (!(error instanceof EndedError)) return this.#fail(error);
        // Who gives what nobody takes any more may take nothing more himself until it is gone.
        discard(source);
        return this.#failLast(error, sides);
      });
  }

  /** The upstream may take no more while nobody writes: what stands before it knows. */
  async #watchDetour(sink: Stream): Promise<void> {
    try {
      await sink.finished?.();
    } catch (error) {
      // Of what else fails somebody else is told.
      if (error instanceof EndedError) await this.#failLast(error, toUpstream);
    }
  }

  /** Fails when the other direction, if there is one, is over. */
  async #failLast(error: EndedError, sides: PumpOptions["sides"]): Promise<void> {
    const other = this.#directions[sides === toUpstream ? 1 : 0];
    if (this.#directions.length === 2) {
      this.#over = error;
      const { lingerMs, answerMs = lingerMs } = this.#options;
      this.#limit("answer", answerMs);
      await Promise.race([other, this.#ended.promise]);
    }
    this.#fail(error);
  }

  /** One direction's source has ended. */
  async #shut(source: Stream, sink: Stream, sides: PumpOptions["sides"]): Promise<void> {
    this.#options.onEnd?.(sides.source);
    this.#open ??= sides.sink;
    const { lingerMs, openLingerMs = lingerMs, answerMs = lingerMs, flows } = this.#options;
    // What stands before the upstream knows nothing of its requests and answers.
    const [from, to] = sides === toUpstream ? [source, this.#upstream] : [this.#upstream, sink];
    if (to.info.answer === "written") {
      // An answer without its end can still show that what gave it has failed.
      const begun = (sides === toUpstream ? flows.ltr : flows.rtl).bytes > 0;
      if (!begun) this.#limit("answer", answerMs);
      await this.#settled(onSide(sides.source, source.finished?.()), begun ? lingerMs : Infinity);
    }
    await onSide(sides.sink, sink.closeWrite(source.ending));
    // What an answer comes to is known at its end, even where the request goes on.
    if (from.info.answer === "read") onSide(sides.source, source.finished?.()).catch((error) => this.#fail(error));
    if (from.info.answer === "written" || to.info.answer === "read") this.#limit("answer", answerMs);
    else {
      const target = writingHalf(to);
      this.#limit("linger", target.kind === "datagram" && target.staysOpen ? openLingerMs : lingerMs);
    }
    if (--this.#running > 0) return;
    const gone = [onSide("downstream", this.#downstream.finished?.())];
    for (const stream of this.#upstreams()) gone.push(onSide("upstream", stream.finished?.()));
    // Not awaited: after an abort the directions are over, whatever stands behind the streams.
    Promise.all(gone).then(() => this.#ended.resolve({ end: "eof" }), (error) => this.#fail(error));
  }

  /** Resolves when `result` does, when the session ends, or after `limitMs`; rejects as `result`. */
  async #settled(result: Promise<void>, limitMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = after(limitMs, late.resolve);
    try {
      await Promise.race([result, late.promise, this.#ended.promise]);
    } finally {
      timer.stop();
    }
  }

  #fail(error: unknown): void {
    this.#ended.resolve({ end: "error", error });
  }

  #limit(phase: Phase, limitMs: number): void {
    if (limitMs === Infinity || this.#stopped) return;
    this.#watch ??= new SilenceWatch(this.#activity, (phase, limitMs) => this.#expired(phase, limitMs));
    this.#watch.limit(phase, limitMs);
  }

  #expired(phase: Phase, limitMs: number): void {
    if (this.#over) return this.#fail(this.#over);
    if (phase === "linger" && this.#open) this.#options.onLinger?.(this.#open, limitMs);
    if (phase !== "answer") return this.#ended.resolve({ end: phase });
    const { name } = (this.#upstream.info.answer === "read" ? this.#upstream : this.#downstream).info;
    const message = `${name}: no answer for ${limitMs / 1000} s after the request (-t sets the limit)`;
    this.#fail(new StreamError(message, { code: "ETIMEDOUT", side: "upstream" }));
  }
}

async function onSide(side: Side, result: Promise<void> | undefined): Promise<void> {
  try {
    await result;
  } catch (error) {
    if (error instanceof L7mpError) error.side ??= side;
    throw error;
  }
}

function droppedBy(stream: Stream): number {
  const { writing } = stream;
  return (stream.dropped ?? 0) + (writing ? droppedBy(writing) : 0);
}

/** Reads and forgets until the stream ends or is aborted. */
async function discard(stream: Stream): Promise<void> {
  try {
    while (await (stream.kind === "byte" ? stream.read() : stream.receive()) !== null);
  } catch {
    // An error of the half nobody uses concerns nobody; one that matters shows up in the other half too.
  }
}

type Phase = "linger" | "answer" | "idle";

/** Fires when nothing has moved for the shortest limit set: it measures silence, not age. */
class SilenceWatch {
  readonly #activity: Activity;
  readonly #expired: (phase: Phase, limitMs: number) => void;
  #phase: Phase = "idle";
  #limitMs = Infinity;
  #timer: Timer | undefined;

  constructor(activity: Activity, expired: (phase: Phase, limitMs: number) => void) {
    this.#activity = activity;
    this.#expired = expired;
  }

  /** Sets a limit from now on; a longer one than is in force changes nothing. */
  limit(phase: Phase, limitMs: number): void {
    if (limitMs >= this.#limitMs) return;
    this.#phase = phase;
    this.#limitMs = limitMs;
    if (phase !== "idle") this.#activity.at = performance.now();
    this.#timer?.stop();
    this.#arm(limitMs);
  }

  stop(): void {
    this.#timer?.stop();
  }

  #arm(ms: number): void {
    this.#timer = after(ms, () => {
      const left = this.#limitMs - (performance.now() - this.#activity.at);
      if (left <= 0) this.#expired(this.#phase, this.#limitMs);
      else this.#arm(left);
    });
  }
}
