/** Binding a socket to a path in the file system. */
import type { PathOptions } from "../driver.ts";
import { bindPath as bindWith, type BoundPath, removePath } from "../portable/unix_path.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { ECONNREFUSED } from "./errno.ts";
import { AF_UNIX } from "./layout.ts";
import { errno, libc } from "./libc.ts";
import { bindError, openSocket } from "./socket.ts";

/** Binds `fd` to a path under the rules of `PathOptions`. `bytes` is the encoded address. */
export function bindPath(
  fd: number,
  address: SocketAddress & { family: "unix" },
  bytes: Uint8Array<ArrayBuffer>,
  type: number,
  options: PathOptions,
): BoundPath {
  if (options.unlinkEarly || (options.unlinkStale && isStale(address, bytes, type))) removePath(address);
  const bind = () => {
    if (libc.bind(fd, bytes, bytes.length) < 0) throw bindError(address, errno());
  };
  return bindWith(address, options, bind).path!;
}

/** Whether the path is a socket that nobody answers on. */
function isStale(address: SocketAddress & { family: "unix" }, bytes: Uint8Array<ArrayBuffer>, type: number): boolean {
  const fd = openSocket(AF_UNIX, type);
  try {
    return libc.connect(fd, bytes, bytes.length) < 0 && errno() === ECONNREFUSED && isSocket(address.path);
  } finally {
    libc.close(fd);
  }
}

// Connecting to a file that is no socket is refused as well; such a file is not ours to remove.
function isSocket(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket ?? false;
  } catch {
    return false;
  }
}
