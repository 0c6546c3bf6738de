/** What the runtime cannot do, although the user asks for it: `ConfigError`s that name the option. */
import type { SocketUse, StreamSocketOptions } from "../driver.ts";
import { ConfigError } from "../errors.ts";
import type { SocketAddress } from "../stream/stream.ts";

/** For something the runtime has no call for. */
export function unavailable(what: string): ConfigError {
  return new ConfigError(`${what} needs the system's own sockets; not available with --driver=portable`, {
    code: "UNSUPPORTED",
  });
}

type Names = Partial<Record<keyof StreamSocketOptions, string>>;

const stream: Names = {
  rcvbuf: "rcvbuf",
  sndbuf: "sndbuf",
  broadcast: "broadcast",
  ttl: "ttl",
  tos: "tos",
  bindToDevice: "so-bindtodevice",
  keepIdleSeconds: "keepidle",
  keepIntervalSeconds: "keepintvl",
  keepCount: "keepcnt",
  userTimeoutMs: "user-timeout",
  lingerSeconds: "linger",
  maxSegmentBytes: "mss",
};

/** By the driver's names, those that users type. */
const refused: Readonly<Record<SocketUse, Names>> = {
  connect: stream,
  listen: stream,
  udp: { tos: "tos", bindToDevice: "so-bindtodevice" },
  "unix-datagram": { rcvbuf: "rcvbuf", sndbuf: "sndbuf", ttl: "ttl" },
};

/** As `Driver.refuse`. */
export function refuse(use: SocketUse, options: StreamSocketOptions & { readonly local?: SocketAddress }): void {
  for (const [key, name] of Object.entries(refused[use])) {
    if (options[key as keyof StreamSocketOptions] !== undefined) throw unavailable(`option "${name}"`);
  }
  const { reuseaddr, reuseport, v6only, local } = options;
  if (use === "connect" && reuseport) throw unavailable('option "reuseport" of a connector');
  if (use === "connect" && local?.family === "unix") throw unavailable('option "bind" of a UNIX stream');
  if (use === "listen" && reuseaddr === false) throw unavailable('option "reuseaddr=0"');
  if (use === "connect" || use === "listen") refuseV6only(v6only, "inet6");
}

/**
 * Throws for an IPv6 option of a socket: whether it takes IPv4 too. The runtime leaves that to the system, which says yes
 * everywhere but on Windows.
 */
export function refuseV6only(v6only: boolean | undefined, family: SocketAddress["family"]): void {
  if (v6only === undefined) return;
  if (family !== "inet6") {
    throw new ConfigError('option "ipv6-v6only" needs an IPv6 socket; pf=ip6 or an IPv6 address makes one');
  }
  if (!v6only && Deno.build.os !== "windows") return;
  throw unavailable(`option "ipv6-v6only=${Number(v6only)}"`);
}
