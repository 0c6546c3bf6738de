/** What rules, transforms and balancers may know about a session: one plain document, seeded by the caller's facts. */
import { plainHost, type StreamInfo } from "../stream/stream.ts";

/**
 * The metadata of a session whose downstream is `info`: its name, `IP` and `TCP` or `UDP` with numeric ports for
 * network callers, `UNIX` for the others, `TLS` where it is encrypted, `HTTP` where a request began it, `JSONSocket`
 * where a header did. What is not known (an unbound UNIX client has no name) is left out.
 */
export function sessionMetadata(name: string, { protocol, local, remote, facts }: StreamInfo): Record<string, unknown> {
  const source = remote && remote.family !== "unix" ? remote : undefined;
  const destination = local && local.family !== "unix" ? local : undefined;
  const metadata: Record<string, unknown> = { name };
  if (source || destination) {
    metadata.IP = { src_addr: source && plainHost(source.host), dst_addr: destination && plainHost(destination.host) };
    metadata[(facts?.transport ?? protocol) === "UDP" ? "UDP" : "TCP"] = {
      src_port: source?.port,
      dst_port: destination?.port,
    };
  } else if (local?.family === "unix") {
    metadata.UNIX = { filename: local.path };
  }
  if (facts?.tls) metadata.TLS = facts.tls;
  if (typeof facts?.method === "string") metadata.HTTP = httpMetadata(facts);
  if (facts?.jsonsocket) metadata.JSONSocket = facts.jsonsocket;
  return metadata;
}

function httpMetadata({ method, version, path, headers }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const url = String(path ?? "");
  const [, protocol = "", host = "", port = "", rest = url] =
    /^([a-z][a-z0-9+.-]*:)\/\/(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?(.*)$/i.exec(url) ?? [];
  const at = rest.indexOf("?");
  const query = at < 0 ? "" : rest.slice(at + 1);
  return { version, method, url: { url, href: url, protocol, host, port, path: rest, query }, headers };
}
