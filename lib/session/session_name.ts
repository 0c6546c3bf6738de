/** Names of sessions as the REST API shows them (section c.2 of the configuration's specification). */
import type { Endpoint } from "../config/plan.ts";
import { plainHost, type SocketAddress, type StreamInfo } from "../stream/stream.ts";

/**
 * The name of session number `id` of `listener`: what its callers speak, and between whom. A TCP session has no number:
 * its two ends are its own.
 */
export function sessionName(listener: string, endpoint: Endpoint, info: StreamInfo | undefined, id: number): string {
  const spoken = speaks(endpoint);
  const plain = `${listener}-${id}`;
  if (spoken === "JSONSocket") return `JSONSocket:${plain}`;
  if (spoken === "UNIX") return `UNIX:${plain}`;
  const { remote, local } = info ?? settledEnds(endpoint);
  if (!spoken || !remote || remote.family === "unix") return plain;
  const ends = `${spoken}:${printEnd(remote)}-${printEnd(local)}`;
  return spoken === "TCP" ? ends : `${ends}-${id}`;
}

/** The ends that the settings of a connector lay down: a UDP listener with one peer has both. */
function settledEnds({ source }: Endpoint): Pick<StreamInfo, "remote" | "local"> {
  if ("dual" in source || source.protocol.name !== "UDP") return {};
  const { address, port, bind } = source.spec as Partial<Record<"address" | "port", string | number>> & {
    readonly bind?: { readonly host?: string; readonly port?: number };
  };
  const end = (host: string, port: number): SocketAddress => ({ family: "inet", host, port });
  if (bind?.host === undefined || bind.port === undefined) return {};
  return { remote: end(String(address), Number(port)), local: end(bind.host, bind.port) };
}

function speaks({ layers, source }: Endpoint): string | undefined {
  for (const { layer } of layers.toReversed()) {
    if (layer.name === "JSONSocket" || layer.name === "HTTP") return layer.name;
    if (layer.name === "WebSocket") return "WS";
  }
  if ("dual" in source) return undefined;
  const { name } = source.protocol;
  return name === "UnixDomainSocket" ? "UNIX" : name === "TCP" || name === "UDP" ? name : undefined;
}

function printEnd(address: SocketAddress | undefined): string {
  if (!address || address.family === "unix") return "";
  const host = plainHost(address.host);
  return `${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}
