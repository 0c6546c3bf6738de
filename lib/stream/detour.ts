/** One direction of a session led through further streams: remote transforms, and whatever else answers what it gets. */
import { EndedError } from "../errors.ts";
import type { Step } from "../protocol.ts";
import { delegateBytes, delegateDatagrams } from "./delegate.ts";
import { type Activity, pump } from "./pump.ts";
import type { ByteStream, Stream, StreamKind } from "./stream.ts";

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
 * reached `upstream`, the end has been passed on, and what lies behind the stops is gone. It rejects with the first
 * failure on the way, of which `fail` is told at once, but for an `EndedError`: then writing rejects with it, so that the
 * other direction can still say what there is to say. Nothing is kept in between but one chunk or batch for each stop.
 */
export function towardsUpstream(
  upstream: Stream,
  stops: readonly Stop[],
  activity: Activity,
  fail: (error: unknown) => void,
): Stream {
  const legs = stops.map(({ stream, steps, payload }, i) =>
    leg(stream, stops[i + 1]?.stream ?? upstream, { steps, payload }, activity, (error) => {
      if (!(error instanceof EndedError)) return fail(error);
      for (const before of stops.slice(0, i + 1)) before.stream.abort(error);
    })
  );
  const { stream } = stops[0]!;
  const changes = held(stops, legs);
  return stream.kind === "byte" ? delegateBytes(stream, changes) : delegateDatagrams(stream, changes);
}

/**
 * The other way: what to read from instead of `upstream`, whose output goes through `stops` in order. Its `finished`
 * waits for that of `upstream` too. After an `EndedError` on the way reading gives what there still is, then rejects with it.
 */
export function towardsDownstream(
  upstream: Stream,
  stops: readonly Stop[],
  activity: Activity,
  fail: (error: unknown) => void,
): Stream {
  let ended: EndedError | undefined;
  const legs = stops.map(({ stream, steps, payload }, i) =>
    leg(stops[i - 1]?.stream ?? upstream, stream, { steps, payload }, activity, (error) => {
      if (error instanceof EndedError) ended ??= error;
      else fail(error);
    })
  );
  const orEnded = async <T>(next: Promise<T | null>): Promise<T | null> => {
    const data = await next;
    if (data === null && ended) throw ended;
    return data;
  };
  const { stream } = stops.at(-1)!;
  const changes = held(stops, legs, upstream);
  return stream.kind === "byte"
    ? delegateBytes(stream, { ...changes, read: () => orEnded(stream.read()) })
    : delegateDatagrams(stream, { ...changes, receive: () => orEnded(stream.receive()) });
}

/** Moves all of `source` to `sink`, and its end; `failed` hears of what went wrong before the result rejects with it. */
async function leg(
  source: Stream,
  sink: Stream,
  { steps, payload }: Omit<Stop, "stream">,
  activity: Activity,
  failed: (error: unknown) => void,
): Promise<void> {
  try {
    await pump(source, sink, { steps, payload, flow: { bytes: 0, messages: 0 }, activity, sides });
    await sink.closeWrite(source.ending);
  } catch (error) {
    failed(error);
    throw error;
  } finally {
    for (const step of steps) step.close?.();
  }
}

function held(
  stops: readonly Stop[],
  legs: readonly Promise<void>[],
  upstream?: Stream,
): Pick<ByteStream, "abort" | "finished"> {
  const all = Promise.all(legs);
  // Who does not wait for it has been told by `failed`.
  all.catch(() => {});
  return {
    abort: (reason) => stops.forEach(({ stream }) => stream.abort(reason)),
    async finished() {
      await all;
      await Promise.all(stops.map(({ stream }) => stream.finished?.()));
      await upstream?.finished?.();
    },
  };
}
