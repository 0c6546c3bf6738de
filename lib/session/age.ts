/** How old a session may become (`max-time`). */
import type { Endpoint } from "../config/plan.ts";
import { type L7mpError, StreamError } from "../errors.ts";
import { after, type Timer } from "../stream/timer.ts";

/** Its `max-time` in milliseconds, of a dual address the shorter one; Infinity where it has none. */
export function maxAgeMs(endpoint: Endpoint | undefined): number {
  if (!endpoint) return Infinity;
  const { source, stream } = endpoint;
  if (!("dual" in source)) return stream.max_time ?? Infinity;
  return Math.min(maxAgeMs(source.dual.read), maxAgeMs(source.dual.write));
}

/** Calls `end` with the reason once the session that began at `start` (as of `performance.now()`) is `ageMs` old. */
export function endAtAge(ageMs: number, start: number, end: (reason: L7mpError) => void): Timer {
  return after(Math.max(0, start + ageMs - performance.now()), () => {
    const error = new StreamError(`session not done after ${ageMs / 1000} s (max-time)`, {
      code: "MAXTIME",
      side: "local",
    });
    // Of a listener that serves many it is what was asked for.
    error.level = "warn";
    end(error);
  });
}
