/** How long a session may be silent: after one side's end, and at any time. */
import type { Endpoint } from "../config/plan.ts";
import type { Stream } from "../stream/stream.ts";
import type { SessionEnvironment } from "./environment.ts";
import type { ServedListener, Way } from "./way.ts";

const localLingerMs = 500;
/** Between two streams that half-close. */
export const networkLingerMs = 60_000;

/** Half a second where a side is local or has no half-close, a minute between two that have. */
export function defaultLinger(
  { session }: ServedListener,
  { compatSocat }: SessionEnvironment,
  downstream: Stream,
  upstream: Stream,
): number {
  if (session.oneMessage) return Infinity;
  const network = downstream.info.halfCloses && upstream.info.halfCloses;
  return network && !compatSocat ? networkLingerMs : localLingerMs;
}

/** The shortest of what anybody says; the listener's default only where nobody speaks for its side. */
export function idleTimeout(
  { session }: ServedListener,
  endpoint: Endpoint,
  target: Endpoint | undefined,
  way: Way,
): number {
  const said = [endpoint.stream.idle_timeout, target?.stream.idle_timeout, way.idleTimeoutMs];
  const limits = said.filter((ms) => ms !== undefined && ms > 0) as number[];
  // On the command line (-T) 0 is a limit, below it is none.
  if (session.idleTimeoutMs !== undefined && session.idleTimeoutMs >= 0) limits.push(session.idleTimeoutMs);
  const own = endpoint.stream.idle_timeout ?? way.idleTimeoutMs ?? session.idleTimeoutMs ?? defaultIdle(endpoint);
  return Math.min(...limits, own !== undefined && own > 0 ? own : Infinity);
}

/** Forked datagram sessions have no end of their own, so silence ends them. */
function defaultIdle(endpoint: Endpoint): number | undefined {
  const { listen, source, kind } = endpoint;
  const endless = !("dual" in source) && source.protocol.end === "none" &&
    endpoint.layers.every(({ layer }) => layer.gives === "same");
  return listen?.fork && kind === "datagram" && endless ? 60_000 : undefined;
}
