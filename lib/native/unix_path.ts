/** Binding a socket to a path in the file system. */
import type { PathOptions } from "../driver.ts";
import type { ConnectError } from "../errors.ts";
import { BoundPath } from "../portable/bound_path.ts";
import { formatAddress, type SocketAddress } from "../stream/stream.ts";
import { connectError, ECONNREFUSED, ENOENT } from "./errno.ts";
import { AF_UNIX } from "./layout.ts";
import { cString, errno, libc } from "./libc.ts";
import { bindError, openSocket } from "./socket.ts";

/** Nobody may connect between `bind` and `chmod`. */
const closedUmask = 0o177;

/** chown(2): -1 leaves it. */
const keep = 0xffff_ffff;

/** Binds `fd` to a path under the rules of `PathOptions`. `bytes` is the encoded address. */
export function bindPath(
  fd: number,
  address: SocketAddress & { family: "unix" },
  bytes: Uint8Array<ArrayBuffer>,
  type: number,
  options: PathOptions,
): BoundPath {
  const path = cString(address.path);
  const { user, group } = options;
  if (options.unlinkEarly) removePath(address);
  else if (options.unlinkStale && isStale(address, bytes, type)) removePath(address);

  const umask = libc.umask(closedUmask);
  const result = libc.bind(fd, bytes, bytes.length);
  const error = errno();
  libc.umask(umask);
  if (result < 0) throw bindError(address, error);

  const bound = new BoundPath(address.path, options.unlinkClose);
  try {
    if ((user !== undefined || group !== undefined) && libc.chown(path, user ?? keep, group ?? keep) < 0) {
      throw failed("chown", address);
    }
    if (libc.chmod(path, options.mode ?? (0o777 & ~umask)) < 0) throw failed("chmod", address);
  } catch (error) {
    bound.remove();
    throw error;
  }
  return bound;
}

function removePath(address: SocketAddress & { family: "unix" }): void {
  if (libc.unlink(cString(address.path)) < 0 && errno() !== ENOENT) throw failed("unlink", address);
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

function failed(call: string, address: SocketAddress): ConnectError {
  return connectError(call, formatAddress(address), errno());
}
