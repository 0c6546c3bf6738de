/** One direction of a session led through further streams: remote transforms, and whatever else answers what it gets. */
import type { Step } from "../protocol.ts";
import { delegateBytes, delegateDatagrams } from "./delegate.ts";
import { type Activity, pump } from "./pump.ts";
import type { Stream, StreamKind } from "./stream.ts";

/** A stream on the way, and the steps of what comes out of it (towards upstream) or goes into it (towards downstream). */
export interface Stop {
  readonly stream: Stream;
  readonly steps: readonly Step[];
  /** What comes out of the last step. */
  readonly payload: StreamKind;
}

const sides = { source: "upstream", sink: "upstream" } as const;

/**
 * What to write to instead of `upstream`: everything goes through `stops` in order, and then to `upstream`, whose
 * reading half stays the caller's. The result owns the stops: its `finished` resolves when all that was written has
 * reached `upstream` and the end has been passed on, and rejects with the first failure on the way, of which `fail` is
 * told at once. Nothing is kept in between but one chunk or batch for each stop.
 */
export function towardsUpstream(
  upstream: Stream,
  stops: readonly Stop[],
  activity: Activity,
  fail: (error: unknown) => void,
): Stream {
  const legs = stops.map(({ stream, steps, payload }, i) =>
    leg(stream, stops[i + 1]?.stream ?? upstream, steps, payload, activity, fail)
  );
  return held(stops[0]!.stream, stops, legs);
}

/** The other way: what to read from instead of `upstream`, whose output goes through `stops` in order. */
export function towardsDownstream(
  upstream: Stream,
  stops: readonly Stop[],
  activity: Activity,
  fail: (error: unknown) => void,
): Stream {
  const legs = stops.map(({ stream, steps, payload }, i) =>
    leg(stops[i - 1]?.stream ?? upstream, stream, steps, payload, activity, fail)
  );
  return held(stops.at(-1)!.stream, stops, legs);
}

async function leg(
  source: Stream,
  sink: Stream,
  steps: readonly Step[],
  payload: StreamKind,
  activity: Activity,
  fail: (error: unknown) => void,
): Promise<void> {
  try {
    await pump(source, sink, { steps, payload, flow: { bytes: 0, messages: 0 }, activity, sides });
    await sink.closeWrite(source.ending);
  } catch (error) {
    fail(error);
    throw error;
  } finally {
    for (const step of steps) step.close?.();
  }
}

function held(stream: Stream, stops: readonly Stop[], legs: readonly Promise<void>[]): Stream {
  const all = Promise.all(legs);
  // Who does not wait for it has been told by `fail`.
  all.catch(() => {});
  const changes = {
    abort: (reason?: unknown) => stops.forEach((stop) => stop.stream.abort(reason)),
    finished: () => all.then(() => {}),
  };
  return stream.kind === "byte" ? delegateBytes(stream, changes) : delegateDatagrams(stream, changes);
}
