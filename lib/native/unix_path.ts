/** Binding a socket to a path in the file system. */
import type { PathOptions } from "../driver.ts";
import { adviceOnUse, bindPath as bindWith, type BoundPath, type PathUse, removePath } from "../portable/unix_path.ts";
import { formatAddress, type UnixAddress } from "../stream/stream.ts";
import { SOCK_DGRAM } from "./constants.ts";
import { connectError, EADDRINUSE, ECONNREFUSED, EPROTOTYPE } from "./errno.ts";
import { AF_UNIX } from "./layout.ts";
import { errno, libc } from "./libc.ts";
import { openSocket } from "./socket.ts";

/** Binds `fd` to a path under the rules of `PathOptions`. `bytes` is the encoded address. */
export function bindPath(
  fd: number,
  address: UnixAddress,
  bytes: Uint8Array<ArrayBuffer>,
  options: PathOptions,
): BoundPath {
  if (options.unlinkEarly || (options.unlinkStale && useOf(address, bytes) === "stale")) removePath(address);
  const bind = () => {
    if (libc.bind(fd, bytes, bytes.length) === 0) return;
    const number = errno();
    const advice = number === EADDRINUSE ? adviceOnUse(useOf(address, bytes)) : "";
    throw connectError("bind", formatAddress(address), number, advice);
  };
  return bindWith(address, options, bind).path!;
}

/**
 * What stands at the path. A datagram socket asks: who listens for streams learns nothing of it, for the system refuses
 * the type before it connects anybody.
 */
function useOf(address: UnixAddress, bytes: Uint8Array<ArrayBuffer>): PathUse | undefined {
  const fd = openSocket(AF_UNIX, SOCK_DGRAM);
  try {
    if (libc.connect(fd, bytes, bytes.length) === 0) return "live";
    const number = errno();
    if (number === EPROTOTYPE) return "live";
    if (number !== ECONNREFUSED) return undefined;
    return isSocket(address.path) ? "stale" : "other";
  } finally {
    libc.close(fd);
  }
}

// Connecting to a file that is no socket is refused as well.
function isSocket(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket ?? false;
  } catch {
    return false;
  }
}
