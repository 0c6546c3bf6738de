/** What a session does once all of it is open: data moves between its ends, through transforms and stages. */
import type { Endpoint, PlannedStep } from "../config/plan.ts";
import type { Log } from "../log.ts";
import type { Step, StepContext } from "../protocol.ts";
import { type Stop, towardsDownstream, towardsUpstream } from "../stream/detour.ts";
import type { Activity } from "../stream/pump.ts";
import { type DirectionOptions, type Flows, relay, type RelaySummary } from "../stream/relay.ts";
import { type Stream, type StreamKind, writingHalf } from "../stream/stream.ts";
import type { SessionEnvironment } from "./environment.ts";
import { oneMessage } from "./one_message.ts";
import { asL7mpError } from "./record.ts";
import { defaultLinger, idleTimeout, networkLingerMs } from "./silence.ts";
import { makeSteps } from "./steps.ts";
import { followWindow } from "./window.ts";
import type { Chain, Metadata, ServedListener, Way } from "./way.ts";

/** All that is open between a caller and what serves it. */
export interface Opened {
  readonly downstream: Stream;
  readonly upstream: Stream;
  readonly ingress: OpenChain;
  readonly egress: OpenChain;
}

export interface OpenChain {
  readonly chain: Chain;
  /** One for each stage of the chain. */
  readonly streams: readonly Stream[];
}

export interface CarryOptions {
  /** Name of the session. */
  readonly name: string;
  readonly listener: ServedListener;
  readonly way: Way;
  /** The endpoint that `upstream` is connected to. */
  readonly target: Endpoint | undefined;
  readonly environment: SessionEnvironment;
  readonly log: Log;
  /** Ends the session: the caller with the signal's reason, a stage that fails with its error. */
  readonly abort: AbortController;
  /** Counted as data moves. */
  readonly flows: Flows;
  metadata(): Metadata;
  /** Told of messages that transforms left out. */
  readonly drop: StepContext["drop"];
}

/**
 * Relays as the listener and the way say, and then owns all streams of `opened`. Throws where a transform cannot begin:
 * no step is left open, the streams are still the caller's.
 */
export function carry(opened: Opened, options: CarryOptions): Promise<RelaySummary> {
  const { name, listener, environment, log, metadata, drop } = options;
  const begun: Step[] = [];
  const make: MakeSteps = (flow, steps, source, sink) => {
    const made = makeSteps(steps, { from: source.kind, to: writingHalf(sink).kind }, environment.steps, {
      session: { name, metadata: steps.length > 0 ? metadata() : {} },
      flow,
      log,
      drop,
      maxMessageBytes: listener.session.maxMessageBytes,
    });
    begun.push(...made.steps);
    return made;
  };
  try {
    const relaying = relayThrough(opened, make, options);
    const leave = followWindow(opened.downstream.info, opened.upstream.info);
    return leave ? relaying.finally(leave) : relaying;
  } catch (error) {
    for (const step of begun) step.close?.();
    throw error;
  }
}

/** Makes the steps for what `source` gives and `sink` takes. */
type MakeSteps = (flow: "ltr" | "rtl", steps: readonly PlannedStep[], source: Stream, sink: Stream) => DirectionOptions;

function relayThrough(
  { downstream, upstream, ingress, egress }: Opened,
  make: MakeSteps,
  { listener, way, target, environment, log, abort, flows }: CarryOptions,
): Promise<RelaySummary> {
  const { session, endpoint } = listener;
  const activity: Activity = { at: performance.now() };
  const tap = session.dump && environment.tap?.(session.dump);
  const source = egress.streams.at(-1) ?? upstream;
  let ltr = direction("ltr", ingress.chain.steps, [downstream, ingress.streams[0] ?? upstream], make, tap);
  let rtl = direction("rtl", egress.chain.steps, [source, downstream], make, tap);
  const out = stops("ltr", ingress, ingress.streams, [...ingress.streams.slice(1), upstream], make);
  const back = stops("rtl", egress, [upstream, ...egress.streams], egress.streams, make);
  if (session.oneMessage) {
    [downstream, ltr] = oneMessage(downstream, ltr, session.blockBytes);
    // What the stages make of the one message is delivered whole.
    if (back[0]) [upstream, back[0]] = firstMessage(upstream, back[0], session.blockBytes);
    else [upstream, rtl] = oneMessage(upstream, rtl, session.blockBytes);
  }
  const fail = (error: unknown) => {
    const cause = asL7mpError(error);
    cause.side ??= "upstream";
    abort.abort(cause);
  };
  const detours = {
    ltr: out.length > 0 ? towardsUpstream(upstream, out, activity, fail) : undefined,
    rtl: back.length > 0 ? towardsDownstream(upstream, back, activity, fail) : undefined,
  };
  const told = log.enabled("notice");
  if (told) {
    const [left, right] = [descriptors(downstream), descriptors(upstream)].map((numbers) => `[${numbers.join(",")}]`);
    log.notice("session.open", `starting data transfer loop with FDs ${left} and ${right}`);
  }
  const lingerMs = way.lingerMs ?? session.lingerMs;
  return relay(downstream, upstream, {
    ltr,
    rtl,
    detours,
    activity,
    direction: session.direction,
    lingerMs: lingerMs ?? defaultLinger(listener, environment, downstream, upstream),
    openLingerMs: lingerMs ?? Infinity,
    answerMs: lingerMs ?? (session.oneMessage ? Infinity : networkLingerMs),
    idleTimeoutMs: idleTimeout(listener, endpoint, target ?? way.target.shape, way),
    blockBytes: session.blockBytes,
    onCut: session.blockBytes === undefined ? undefined : warnOnce(session.blockBytes, log),
    onEnd: !told ? undefined : (side) => {
      const [number, stream] = side === "downstream" ? [1, downstream] : [2, upstream];
      log.notice("stream.end", `socket ${number} (fd ${descriptors(stream)[0]}) is at EOF`);
    },
    onLinger: (side, lingerMs) => {
      const { name } = (side === "downstream" ? downstream : upstream).info;
      const silence = `was silent for ${lingerMs / 1000} s after the other side's end`;
      log.info("session.linger", `${side} ${name} ${silence}; session ends (-t)`, { side, lingerMs });
    },
    signal: abort.signal,
    flows,
  });
}

/** The stages of a chain; what reaches the steps of each comes from the stream in `inputs`, and goes to that in `outputs`. */
function stops(
  flow: "ltr" | "rtl",
  { chain, streams }: OpenChain,
  inputs: readonly Stream[],
  outputs: readonly Stream[],
  make: MakeSteps,
): Stop[] {
  return streams.map((stream, i) => ({ stream, ...make(flow, chain.stages[i]!.steps, inputs[i]!, outputs[i]!) }));
}

/** The way of a direction nobody looks at, by what its source gives. */
const untouched: Readonly<Record<StreamKind, DirectionOptions>> = {
  byte: { steps: [], payload: "byte" },
  datagram: { steps: [], payload: "datagram" },
};

function direction(
  flow: "ltr" | "rtl",
  steps: readonly PlannedStep[],
  [source, sink]: readonly [Stream, Stream],
  make: MakeSteps,
  tap: ReturnType<NonNullable<SessionEnvironment["tap"]>> | undefined,
): DirectionOptions {
  if (!tap && steps.length === 0) return untouched[source.kind];
  return { ...make(flow, steps, source, sink), tap: tap && ((data) => tap(flow, data)) };
}

/** What is read of `upstream`, and the first stage after it, where only one message is. */
function firstMessage(upstream: Stream, { stream, ...way }: Stop, blockBytes?: number): [Stream, Stop] {
  const [limited, { steps, payload }] = oneMessage(upstream, way, blockBytes);
  return [limited, { stream, steps, payload }];
}

function warnOnce(blockBytes: number, log: Log): (bytes: number) => void {
  let warned = false;
  return (bytes) => {
    if (!warned) log.warn("message.cut", `message of ${bytes} bytes cut to ${blockBytes} (-b)`);
    warned = true;
  };
}

/** The numbers of what is read and what is written where the stream has such, else its name. */
function descriptors({ info, native }: Stream): readonly (number | string)[] {
  const { fd } = (native ?? {}) as { fd?: number };
  return info.descriptors ?? (fd === undefined ? [info.name] : [fd, fd]);
}
