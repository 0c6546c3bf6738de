/** One session: open both ends in order, relay, and tell how it went. */
import type { Endpoint, PlannedListener, PlannedStep } from "../config/plan.ts";
import type { Driver } from "../driver.ts";
import { L7mpError, messageOf, StreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Context, HttpDefaults, Incoming, Step, StepContext } from "../protocol.ts";
import { limitMessages } from "../stream/ends.ts";
import type { Flow } from "../stream/pump.ts";
import { type DirectionOptions, type Flows, relay, type RelaySummary } from "../stream/relay.ts";
import { formatAddress, type Stream, type StreamInfo, type StreamKind } from "../stream/stream.ts";
import { connect, welcome, withEnds } from "./open.ts";
import { sessionMetadata } from "./metadata.ts";
import { withRetry } from "./retry.ts";

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
  /** socat's linger of half a second everywhere (`--compat=socat`). */
  readonly compatSocat: boolean;
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

/**
 * Runs one session to its end and never rejects; its one error line is written here. `incoming` is the caller where
 * address1 listens; without it address1 is opened first. `signal` ends it with its reason; `flows` counts as data moves.
 */
export async function runSession(
  planned: PlannedListener,
  environment: SessionEnvironment,
  name: string,
  incoming: Incoming | undefined,
  options: { readonly signal: AbortSignal; readonly flows: Flows },
): Promise<SessionRecord> {
  const { signal, flows } = options;
  const startedAt = new Date();
  const start = performance.now();
  const log = environment.log.child({ session: name });
  let source = incoming ? printPeer(incoming.info) : planned.endpoint.name;
  let summary: Partial<RelaySummary> = {};
  try {
    const ends = await openBoth(planned, environment, name, incoming, signal, log);
    if (!incoming) source = ends.downstream.info.name;
    summary = await relayBoth(planned, environment, name, ends.downstream, ends.upstream, options, log);
    // Now only what lies behind the streams may still be there: a child that was told to end.
    await Promise.allSettled([ends.downstream.finished?.(), ends.upstream.finished?.()]);
  } catch (error) {
    summary = { end: "error", error };
  }
  const { ltr, rtl } = flows;
  const { dropped = 0 } = summary;
  const error = summary.end === "error" ? asL7mpError(summary.error) : undefined;
  const reason = endOf(summary, error);
  const failure = reason === "error" || reason === "reset" ? error : undefined;
  if (failure) {
    const from = incoming ? `; session ${name} from ${source} to ${planned.target.name}` : "";
    const message = `${failure.message} (${failure.side ?? "local"}${from})`;
    log.error("session.error", message, { code: failure.code, side: failure.side });
  }
  const durationMs = performance.now() - start;
  log.info("session.close", `session ${name} ended: ${reason}`, { ltr, rtl, dropped, durationMs });
  const { target } = planned;
  return {
    name,
    listener: planned.name,
    startedAt,
    durationMs,
    source,
    target: target.name,
    ltr,
    rtl,
    dropped,
    reason,
    error: failure,
  };
}

async function openBoth(
  planned: PlannedListener,
  environment: SessionEnvironment,
  name: string,
  incoming: Incoming | undefined,
  signal: AbortSignal,
  log: Log,
): Promise<{ downstream: Stream; upstream: Stream }> {
  const { endpoint, target } = planned;
  const context = contextOf(planned, environment, name, signal, log);
  const openTarget = (downstream: StreamInfo) =>
    onSide("upstream", () =>
      withRetry(
        () => connect(target, { ...context, direction: target.direction, downstream }, planned.retry.timeoutMs),
        planned.retry,
        signal,
        log,
      ));
  if (!incoming) {
    const downstream = await onSide("downstream", () => connectFirst(endpoint, context, signal, log));
    try {
      return { downstream, upstream: await openTarget(downstream.info) };
    } catch (error) {
      downstream.abort(error);
      throw error;
    }
  }
  const caller = await onSide("downstream", () => welcome(incoming, endpoint, context));
  let upstream: Stream;
  try {
    upstream = await openTarget(caller.info);
  } catch (error) {
    await caller.reject(asL7mpError(error)).catch(() => {});
    throw error;
  }
  try {
    const downstream = await onSide("downstream", () => caller.accept(signal));
    return { downstream: withEnds(downstream, endpoint), upstream };
  } catch (error) {
    upstream.abort(error);
    throw error;
  }
}

function connectFirst(endpoint: Endpoint, context: Context, signal: AbortSignal, log: Log): Promise<Stream> {
  const { retry = 0, forever, interval = 1000, backoff, connect_timeout = 0 } = endpoint.connect ?? {};
  const policy = { count: forever ? Infinity : retry, intervalMs: interval, backoffMs: backoff, timeoutMs: 0 };
  return withRetry(() => connect(endpoint, context, connect_timeout), policy, signal, log);
}

/** The context for address1; address2 gets the same with its own direction and the caller's facts. */
export function contextOf(
  planned: PlannedListener,
  environment: SessionEnvironment,
  sessionName: string | undefined,
  signal: AbortSignal,
  log: Log,
): Context {
  const { driver, ipVersion, program, version, http } = environment;
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
  };
}

async function relayBoth(
  planned: PlannedListener,
  environment: SessionEnvironment,
  name: string,
  downstream: Stream,
  upstream: Stream,
  { signal, flows }: { readonly signal: AbortSignal; readonly flows: Flows },
  log: Log,
): Promise<RelaySummary> {
  const { session } = planned;
  if (session.oneMessage) [downstream, upstream] = [limitMessages(downstream), limitMessages(upstream)];
  const tap = environment.tap?.(name);
  const own = { name, metadata: sessionMetadata(name, downstream.info) };
  const way = (flow: "ltr" | "rtl", steps: readonly PlannedStep[], kind: StreamKind): DirectionOptions => ({
    ...makeSteps(steps, kind, flow, planned, own, log),
    tap: tap && ((data) => tap(flow, data)),
  });
  let cutWarned = false;
  log.notice("session.open", `starting data transfer loop with FDs ${handle(downstream)} and ${handle(upstream)}`);
  return await relay(downstream, upstream, {
    ltr: way("ltr", planned.ingress, downstream.kind),
    rtl: way("rtl", planned.egress, upstream.kind),
    direction: session.direction,
    lingerMs: session.lingerMs ?? defaultLinger(planned, environment, downstream, upstream),
    idleTimeoutMs: idleTimeout(planned),
    blockBytes: session.blockBytes,
    onCut(bytes) {
      if (!cutWarned) log.warn("message.cut", `message of ${bytes} bytes cut to ${session.blockBytes} (-b)`);
      cutWarned = true;
    },
    onEnd(side) {
      const [number, stream] = side === "downstream" ? [1, downstream] : [2, upstream];
      log.notice("stream.end", `socket ${number} (fd ${handle(stream)}) is at EOF`);
    },
    signal,
    flows,
  });
}

/** The descriptor's number where the stream is one, else its name. */
function handle(stream: Stream): string {
  const native = stream.native as { fd?: number } | undefined;
  return native?.fd === undefined ? stream.info.name : String(native.fd);
}

function makeSteps(
  planned: readonly PlannedStep[],
  input: StreamKind,
  flow: "ltr" | "rtl",
  { session: { maxMessageBytes } }: PlannedListener,
  session: StepContext["session"],
  log: Log,
): { steps: Step[]; payload: StreamKind } {
  const steps: Step[] = [];
  let payload = input;
  for (const { transform, spec, reverse } of planned) {
    const context = {
      log,
      input: payload,
      maxMessageBytes,
      session,
      flow,
    };
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
function defaultIdle({ listen, source, layers, kind }: Endpoint): number | undefined {
  const endless = !("dual" in source) && source.protocol.end === "none" && layers.length === 0;
  return listen?.fork && kind === "datagram" && endless ? 60_000 : undefined;
}

function endOf({ end }: Partial<RelaySummary>, error: L7mpError | undefined): SessionEnd {
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
