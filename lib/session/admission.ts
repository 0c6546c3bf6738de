/** Which callers a listener serves, by their address (`range`, `sourceport`, `lowport`). */
import type { Endpoint } from "../config/plan.ts";
import { ConnectError } from "../errors.ts";
import { inNets } from "../stream/net_range.ts";
import { formatAddress, type StreamInfo } from "../stream/stream.ts";

/** The warning for a caller that `endpoint` does not serve; undefined for the others. */
export function refusalOf({ remote }: StreamInfo, { listen }: Endpoint): ConnectError | undefined {
  if (!remote || remote.family === "unix") return undefined;
  const { range, sourceport, lowport } = listen ?? {};
  const why = !inNets(remote, range)
    ? "range"
    : sourceport !== undefined && remote.port !== sourceport
    ? "sourceport"
    : lowport && remote.port >= 1024
    ? "lowport"
    : undefined;
  if (!why) return undefined;
  const error = new ConnectError(`refusing connection from ${formatAddress(remote)} due to ${why} option`, {
    code: "REFUSED_CALLER",
  });
  error.level = "warn";
  return error;
}

/** Whether the address of a caller is the real one only after a layer's server step (`accept-proxy`). */
export function isToldLater({ layers }: Endpoint): boolean {
  return layers.some(({ layer }) => layer.tellsCaller);
}
