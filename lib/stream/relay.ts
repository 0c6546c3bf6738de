/** Joins two streams until both directions are done, one fails, or silence lasts too long. */
import { L7mpError, type Side, StreamError } from "../errors.ts";
import type { Step } from "../protocol.ts";
import { type Activity, type Flow, pump, type PumpOptions, type Tap } from "./pump.ts";
import type { Stream, StreamKind } from "./stream.ts";

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
  /** `ltr`: only from downstream to upstream; `rtl`: only back. */
  readonly direction: "both" | "ltr" | "rtl";
  /** Silence tolerated after one direction has ended, in ms; Infinity: for ever. */
  readonly lingerMs: number;
  /** Silence tolerated at any time, in ms; Infinity: for ever. */
  readonly idleTimeoutMs: number;
  readonly blockBytes?: number;
  readonly onCut?: (bytes: number) => void;
  /** Told when one side's reading half has ended. */
  readonly onEnd?: (side: Side) => void;
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
  readonly dropped: number;
  readonly end: RelayEnd;
  /** The first error, or the signal's reason. */
  readonly error?: unknown;
}

/**
 * Relays between `downstream` and `upstream`, which it owns from now on: both are released when it resolves. The end of
 * one side becomes `closeWrite` on the other, and nothing else; the first error aborts both with itself as the reason.
 * Never rejects: what ended it is in the summary.
 */
export async function relay(downstream: Stream, upstream: Stream, options: RelayOptions): Promise<RelaySummary> {
  const activity: Activity = { at: performance.now() };
  const { promise: ended, resolve } = Promise.withResolvers<{ end: RelayEnd; error?: unknown }>();
  const fail = (error: unknown) => resolve({ end: "error", error });
  const watch = new SilenceWatch(activity, (phase) => resolve({ end: phase }));

  const run = async (source: Stream, sink: Stream, flow: Flow, way: DirectionOptions, sides: PumpOptions["sides"]) => {
    const { blockBytes, onCut } = options;
    await pump(source, sink, { ...way, flow, activity, sides, blockBytes, onCut });
    options.onEnd?.(sides.source);
    await sink.closeWrite();
    watch.limit("linger", options.lingerMs);
  };
  const directions: Promise<void>[] = [];
  const toUpstream = { source: "downstream", sink: "upstream" } as const;
  const toDownstream = { source: "upstream", sink: "downstream" } as const;
  if (options.direction !== "rtl") {
    directions.push(run(downstream, upstream, options.flows.ltr, options.ltr, toUpstream));
  }
  if (options.direction !== "ltr") {
    directions.push(run(upstream, downstream, options.flows.rtl, options.rtl, toDownstream));
  }
  if (options.direction !== "both") {
    const [source, target] = options.direction === "ltr" ? [downstream, upstream] : [upstream, downstream];
    source.closeWrite().catch(fail);
    // Nobody wants what the target says, but left unread it would turn the final close into a reset.
    discard(target);
  }

  const onAbort = () => fail(options.signal.reason);
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  watch.limit("idle", options.idleTimeoutMs);

  Promise.all(directions).then(async () => {
    await Promise.all([finished("downstream", downstream), finished("upstream", upstream)]);
    resolve({ end: "eof" });
  }).catch(fail);

  const { end, error } = await ended;
  watch.stop();
  options.signal.removeEventListener("abort", onAbort);
  const reason = end === "error" ? error ?? new StreamError("session ended") : undefined;
  downstream.abort(reason);
  upstream.abort(reason);
  await Promise.allSettled(directions);
  for (const step of [...options.ltr.steps, ...options.rtl.steps]) step.close?.();
  return { dropped: droppedBy(downstream) + droppedBy(upstream), end, error };
}

async function finished(side: Side, stream: Stream): Promise<void> {
  try {
    await stream.finished?.();
  } catch (error) {
    if (error instanceof L7mpError) error.side ??= side;
    throw error;
  }
}

function droppedBy(stream: Stream): number {
  return stream.kind === "datagram" ? stream.dropped : 0;
}

/** Reads and forgets until the stream ends or is aborted. */
async function discard(stream: Stream): Promise<void> {
  try {
    while (await (stream.kind === "byte" ? stream.read() : stream.receive()) !== null);
  } catch {
    // An error of the half nobody uses concerns nobody; one that matters shows up in the other half too.
  }
}

/** Fires when nothing has moved for the shortest limit set: it measures silence, not age. */
class SilenceWatch {
  readonly #activity: Activity;
  readonly #expired: (phase: "linger" | "idle") => void;
  #phase: "linger" | "idle" = "idle";
  #limitMs = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(activity: Activity, expired: (phase: "linger" | "idle") => void) {
    this.#activity = activity;
    this.#expired = expired;
  }

  /** Sets a limit from now on; a longer one than is in force changes nothing. */
  limit(phase: "linger" | "idle", limitMs: number): void {
    if (limitMs >= this.#limitMs) return;
    this.#phase = phase;
    this.#limitMs = limitMs;
    if (phase === "linger") this.#activity.at = performance.now();
    clearTimeout(this.#timer);
    this.#arm(limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#limitMs = -1;
  }

  #arm(ms: number): void {
    // Timers hold 32-bit milliseconds; a longer wait just looks again after 24 days.
    this.#timer = setTimeout(() => {
      const left = this.#limitMs - (performance.now() - this.#activity.at);
      if (left <= 0) this.#expired(this.#phase);
      else this.#arm(left);
    }, Math.min(ms, 2 ** 31 - 1));
  }
}
