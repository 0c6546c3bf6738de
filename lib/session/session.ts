/** One session: open both ends in order, relay, and tell how it went. */
import type { Endpoint, PlannedListener, PlannedStep } from "../config/plan.ts";
import type { Driver } from "../driver.ts";
import { L7mpError, messageOf, type Side, StreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Context, HttpDefaults, Incoming, Step, StepContext } from "../protocol.ts";
import type { Flow } from "../stream/pump.ts";
import { type DirectionOptions, type Flows, relay, type RelayEnd, type RelaySummary } from "../stream/relay.ts";
import { formatAddress, type Stream, type StreamInfo, type StreamKind } from "../stream/stream.ts";
import { openConnector, sendFirst } from "./connector.ts";
import { sessionMetadata } from "./metadata.ts";
import { oneMessage } from "./one_message.ts";
import { isBare, welcome, withEnds } from "./open.ts";
import { retryOf } from "./retry.ts";

/** What every session of a process shares. */
export interface SessionEnvironment {
  readonly driver: Driver;
  readonly log: Log;
  readonly program: string;
  /** Version of the program, for the environment of programs it starts. */
  readonly version?: string;
  /** True when the process serves this one listener and nothing else. */
  readonly oneListener?: boolean;
  readonly ipVersion: 4 | 6 | 0;
  readonly http?: HttpDefaults;
  /** Check no certificates of peers where an address does not say (`-k`). */
  readonly insecure?: boolean;
  /** socat's linger of half a second everywhere (`--compat=socat`). */
  readonly compatSocat: boolean;
  /** A listener is bound that stands where a connector may; `type` is the canonical type name. */
  readonly onListening?: Context["onListening"];
  /** Sees payload in passing (`-v`, `-x`). */
  tap?(session: string): ((direction: "ltr" | "rtl", data: Uint8Array) => void) | undefined;
}

/** `eof`: both sides ended, or one and the other stayed silent. `stopped`: the process is ending. */
export type SessionEnd = "eof" | "idle" | "reset" | "error" | "stopped";

/** One line of the access log. */
export interface SessionRecord {
  readonly name: string;
  readonly listener: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  /** Address of the caller, or name of address1. */
  readonly source: string;
  /** Name of address2. */
  readonly target: string;
  readonly ltr: Readonly<Flow>;
  readonly rtl: Readonly<Flow>;
  readonly dropped: number;
  readonly reason: SessionEnd;
  readonly error?: L7mpError;
}

/** Why sessions are aborted when the process ends; not an error of theirs. */
export const stopped = "STOPPED";

const localLingerMs = 500;
const networkLingerMs = 60_000;

/** What a session is made of. */
export interface SessionParts {
  readonly name: string;
  readonly planned: PlannedListener;
  readonly environment: SessionEnvironment;
  /** The caller where address1 listens; without it address1 is opened first. */
  readonly incoming?: Incoming;
  /** Present where those who call after it on the same connection are served too. */
  readonly sequence?: Sequence;
  /** Ends the session with its reason. */
  readonly signal: AbortSignal;
  /** Counted as data moves. */
  readonly flows: Flows;
}

/** The callers of one connection, one after another. */
export interface Sequence {
  /** The caller came from another's `next`. */
  readonly again: boolean;
  /** The caller behind all layers, who knows of the next: set once it is known. */
  caller?: Incoming;
}

/** Runs one session to its end and never rejects; its one error line is written here. */
export function runSession(parts: SessionParts): Promise<SessionRecord> {
  return new Session(parts).run();
}

/** Holds no more than it needs while it stands idle: what opening took is gone by then. */
class Session {
  readonly #name: string;
  readonly #planned: PlannedListener;
  readonly #environment: SessionEnvironment;
  readonly #signal: AbortSignal;
  readonly #flows: Flows;
  readonly #log: Log;
  readonly #startedAt = Date.now();
  readonly #start = performance.now();
  #incoming: Incoming | undefined;
  readonly #sequence: Sequence | undefined;
  readonly #called: boolean;
  #source: string;
  #warnedOfCut = false;
  /** Messages that transforms left out. */
  #dropped = 0;

  constructor({ name, planned, environment, incoming, sequence, signal, flows }: SessionParts) {
    this.#name = name;
    this.#planned = planned;
    this.#environment = environment;
    this.#signal = signal;
    this.#flows = flows;
    this.#log = environment.log.child({ session: name });
    this.#incoming = incoming;
    this.#sequence = sequence;
    this.#called = incoming !== undefined;
    this.#source = incoming ? printPeer(incoming.info) : planned.endpoint.name;
  }

  async run(): Promise<SessionRecord> {
    try {
      const [downstream, upstream] = await this.#open();
      await this.#greet(downstream, upstream);
      const summary = await this.#relay(downstream, upstream);
      // Now only what lies behind the streams may still be there: a child that was told to end.
      await Promise.allSettled([downstream.finished?.(), upstream.finished?.()]);
      return this.#record(summary);
    } catch (error) {
      return this.#record({ end: "error", error, dropped: 0 });
    }
  }

  #record({ end, error: cause, dropped: droppedByStreams }: RelaySummary): SessionRecord {
    const dropped = droppedByStreams + this.#dropped;
    const { ltr, rtl } = this.#flows;
    const cut = end === "error" ? asL7mpError(cause) : undefined;
    const reason = endOf(end, cut);
    const error = reason === "error" || reason === "reset" ? cut : undefined;
    const target = this.#planned.target.name;
    if (error) {
      const from = this.#called ? `; session ${this.#name} from ${this.#source} to ${target}` : "";
      const { code, side } = error;
      // Of the only caller there will be, what it could not do is an error.
      const level = this.#planned.endpoint.listen?.fork ? error.level : "error";
      this.#log[level]("session.error", `${error.message} (${side ?? "local"}${from})`, { code, side });
    }
    const durationMs = performance.now() - this.#start;
    this.#log.info("session.close", `session ${this.#name} ended: ${reason}`, { ltr, rtl, dropped, durationMs });
    return {
      name: this.#name,
      listener: this.#planned.name,
      startedAt: new Date(this.#startedAt),
      durationMs,
      source: this.#source,
      target,
      ltr,
      rtl,
      dropped,
      reason,
      error,
    };
  }

  async #open(): Promise<readonly [downstream: Stream, upstream: Stream]> {
    const { endpoint } = this.#planned;
    const context = contextOf(this.#planned, this.#environment, this.#name, this.#signal, this.#log);
    const incoming = this.#incoming;
    this.#incoming = undefined;
    if (!incoming) {
      const downstream = await onSide("downstream", () => openConnector(endpoint, retryOf(endpoint.connect), context));
      this.#source = downstream.info.name;
      try {
        return [downstream, await this.#openTarget(context, downstream.info)];
      } catch (error) {
        downstream.abort(error);
        throw error;
      }
    }
    const sequence = this.#sequence;
    const own = sequence ? { ...context, followUps: true } : context;
    const caller = await onSide("downstream", () => welcome(incoming, endpoint, own, sequence?.again));
    if (sequence) sequence.caller = caller;
    // A layer may have found out who it really is.
    this.#source = printPeer(caller.info);
    let upstream: Stream;
    try {
      upstream = await this.#openTarget(context, caller.info);
    } catch (error) {
      await caller.reject(asL7mpError(error)).catch(() => {});
      throw error;
    }
    try {
      const downstream = await onSide("downstream", () => caller.accept(this.#signal));
      return [withEnds(downstream, endpoint), upstream];
    } catch (error) {
      upstream.abort(error);
      throw error;
    }
  }

  #openTarget(context: Context, downstream: StreamInfo): Promise<Stream> {
    const { target, retry } = this.#planned;
    const own = { ...context, direction: target.direction, downstream };
    return onSide("upstream", () => openConnector(target, retry, own));
  }

  /** Sends what the session is to begin with (`-p`, `-P`). */
  async #greet(downstream: Stream, upstream: Stream): Promise<void> {
    const { preambleUpstream, preambleDownstream } = this.#planned.session;
    const give = (side: "downstream" | "upstream", stream: Stream, text: string) =>
      onSide(side, () => sendFirst(stream, new TextEncoder().encode(text), this.#signal));
    try {
      if (preambleUpstream !== undefined) await give("upstream", upstream, preambleUpstream);
      if (preambleDownstream !== undefined) await give("downstream", downstream, preambleDownstream);
    } catch (error) {
      downstream.abort(error);
      upstream.abort(error);
      throw error;
    }
  }

  #relay(downstream: Stream, upstream: Stream): Promise<RelaySummary> {
    const { session, ingress, egress } = this.#planned;
    let ltr = this.#way("ltr", ingress, downstream, downstream.info);
    let rtl = this.#way("rtl", egress, upstream, downstream.info);
    if (session.oneMessage) {
      [downstream, ltr] = oneMessage(downstream, ltr);
      [upstream, rtl] = oneMessage(upstream, rtl);
    }
    if (this.#log.enabled("notice")) {
      const [left, right] = [handle(downstream), handle(upstream)];
      this.#log.notice("session.open", `starting data transfer loop with FDs ${left} and ${right}`);
    }
    return relay(downstream, upstream, {
      ltr,
      rtl,
      direction: session.direction,
      lingerMs: session.lingerMs ?? defaultLinger(this.#planned, this.#environment, downstream, upstream),
      openLingerMs: session.lingerMs ?? Infinity,
      answerMs: session.lingerMs ?? (session.oneMessage ? Infinity : networkLingerMs),
      idleTimeoutMs: idleTimeout(this.#planned),
      blockBytes: session.blockBytes,
      onCut: session.blockBytes === undefined ? undefined : (bytes) => this.#warnOfCut(bytes),
      onEnd: this.#log.enabled("notice") ? (side) => this.#tellEnd(side, downstream, upstream) : undefined,
      onLinger: (side, lingerMs) => {
        const { name } = (side === "downstream" ? downstream : upstream).info;
        const silence = `was silent for ${lingerMs / 1000} s after the other side's end`;
        this.#log.info("session.linger", `${side} ${name} ${silence}; session ends (-t)`, { side, lingerMs });
      },
      signal: this.#signal,
      flows: this.#flows,
    });
  }

  #way(
    flow: "ltr" | "rtl",
    steps: readonly PlannedStep[],
    source: Stream,
    downstream: StreamInfo,
  ): DirectionOptions {
    const tap = this.#environment.tap?.(this.#name);
    if (!tap && steps.length === 0) return untouched[source.kind];
    const session = { name: this.#name, metadata: sessionMetadata(this.#name, downstream) };
    const own = { session, flow, log: this.#log, drop: (messages = 1) => void (this.#dropped += messages) };
    const made = makeSteps(steps, source.kind, { ...own, maxMessageBytes: this.#planned.session.maxMessageBytes });
    return { ...made, tap: tap && ((data) => tap(flow, data)) };
  }

  #warnOfCut(bytes: number): void {
    if (this.#warnedOfCut) return;
    this.#warnedOfCut = true;
    this.#log.warn("message.cut", `message of ${bytes} bytes cut to ${this.#planned.session.blockBytes} (-b)`);
  }

  #tellEnd(side: Side, downstream: Stream, upstream: Stream): void {
    const [number, stream] = side === "downstream" ? [1, downstream] : [2, upstream];
    this.#log.notice("stream.end", `socket ${number} (fd ${handle(stream)}) is at EOF`);
  }
}

/** The way of a direction nobody looks at, by what its source gives. */
const untouched: Readonly<Record<StreamKind, DirectionOptions>> = {
  byte: { steps: [], payload: "byte" },
  datagram: { steps: [], payload: "datagram" },
};

/** The context for address1; address2 gets the same with its own direction and the caller's facts. */
export function contextOf(
  planned: PlannedListener,
  environment: SessionEnvironment,
  sessionName: string | undefined,
  signal: AbortSignal,
  log: Log,
): Context {
  const { driver, ipVersion, program, version, http, insecure, onListening } = environment;
  const { maxMessageBytes, blockBytes } = planned.session;
  const { direction, listen, connect } = planned.endpoint;
  const forks = (listen?.fork && !listen.oneshot) || connect?.fork;
  return {
    signal,
    log,
    driver,
    direction,
    ipVersion,
    maxMessageBytes,
    blockBytes,
    sessionName,
    onlySession: environment.oneListener && !forks,
    program,
    version,
    http,
    insecure,
    onListening,
  };
}

/** The descriptor's number where the stream is one, else its name. */
function handle(stream: Stream): string {
  const native = stream.native as { fd?: number } | undefined;
  return native?.fd === undefined ? stream.info.name : String(native.fd);
}

function makeSteps(
  planned: readonly PlannedStep[],
  input: StreamKind,
  own: Omit<StepContext, "input">,
): { steps: Step[]; payload: StreamKind } {
  const steps: Step[] = [];
  let payload = input;
  for (const { transform, spec, reverse } of planned) {
    const context = { ...own, input: payload };
    const step = reverse ? transform.backward?.(spec, context) : transform.forward?.(spec, context);
    if (!step) continue;
    steps.push(step);
    if (transform.gives === "other") payload = payload === "byte" ? "datagram" : "byte";
  }
  return { steps, payload };
}

/** Half a second where a side is local or has no half-close, a minute between two that have (addresses.md D1). */
function defaultLinger(
  { session }: PlannedListener,
  { compatSocat }: SessionEnvironment,
  downstream: Stream,
  upstream: Stream,
): number {
  if (session.oneMessage) return Infinity;
  const network = downstream.info.halfCloses && upstream.info.halfCloses;
  return network && !compatSocat ? networkLingerMs : localLingerMs;
}

function idleTimeout({ session, endpoint, target }: PlannedListener): number {
  const own = [endpoint.stream.idle_timeout ?? defaultIdle(endpoint), target.stream.idle_timeout];
  const limits = own.filter((ms) => ms !== undefined && ms > 0) as number[];
  if (session.idleTimeoutMs !== undefined && session.idleTimeoutMs >= 0) limits.push(session.idleTimeoutMs);
  return Math.min(...limits);
}

/** Forked datagram sessions have no end of their own, so silence ends them (addresses.md D7). */
function defaultIdle(endpoint: Endpoint): number | undefined {
  const { listen, source, kind } = endpoint;
  const endless = !("dual" in source) && source.protocol.end === "none" && isBare(endpoint);
  return listen?.fork && kind === "datagram" && endless ? 60_000 : undefined;
}

function endOf(end: RelayEnd, error: L7mpError | undefined): SessionEnd {
  if (end === "idle") return "idle";
  if (end !== "error") return "eof";
  if (error?.code === stopped) return "stopped";
  return error?.code === "ECONNRESET" || error?.code === "EPIPE" ? "reset" : "error";
}

async function onSide<T>(side: "downstream" | "upstream", open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof L7mpError) error.side ??= side;
    throw error;
  }
}

/** Anything thrown as one of ours; what is not is a fault of the program, and says so. */
export function asL7mpError(error: unknown): L7mpError {
  if (error instanceof L7mpError) return error;
  return new StreamError(`internal error: ${messageOf(error)}; please report`, { code: "INTERNAL", cause: error });
}

function printPeer(info: StreamInfo): string {
  return info.remote ? formatAddress(info.remote) : info.name;
}
