/** Whom a datagram socket with a target listens to: the runtime cannot connect one. */
import { parseIp } from "../stream/net_range.ts";
import type { SocketAddress } from "../stream/stream.ts";

/** Tells whether an address is `remote`, however both are spelled; anybody is for undefined. */
export function onlyPeer(remote: SocketAddress | undefined): (address: SocketAddress) => boolean {
  if (!remote) return () => true;
  if (remote.family === "unix") return (address) => address.family === "unix" && address.path === remote.path;
  const wanted = String(parseIp(remote.host));
  let known = remote.host;
  return (address) => {
    if (address.family === "unix" || address.port !== remote.port) return false;
    if (address.host === known) return true;
    if (String(parseIp(address.host)) !== wanted) return false;
    known = address.host;
    return true;
  };
}
