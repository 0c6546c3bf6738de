/** Binding a socket to a path in the file system, whose mode and owner are right before anybody can connect. */
import type { PathOptions } from "../driver.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { BoundPath } from "./bound_path.ts";
import { connectError } from "./errors.ts";

type UnixAddress = SocketAddress & { family: "unix" };

/** Nobody may connect between `bind` and `chmod`. */
const closedUmask = 0o177;

/**
 * Clears the way for a socket under the rules of `options`. `answers` tells whether somebody serves the path.
 * Rejects with `ConnectError`.
 */
export async function clearPath(
  address: UnixAddress,
  options: PathOptions,
  answers: () => Promise<boolean>,
): Promise<void> {
  if (address.path.startsWith("@")) return;
  const found = await Deno.lstat(address.path).catch(() => undefined);
  if (!found) return;
  if (options.unlinkEarly || (options.unlinkStale && found.isSocket && !await answers())) {
    remove(address);
  }
}

/**
 * Binds by calling `bind` with the path, with permissions and owner as `options` say from the first moment. Undefined
 * for an abstract name, which leaves nothing behind.
 */
export function bindPath<T>(
  address: UnixAddress,
  options: PathOptions,
  bind: () => T,
): { socket: T; path?: BoundPath } {
  if (address.path.startsWith("@")) return { socket: bind() };
  const umask = Deno.umask(closedUmask);
  let socket: T;
  try {
    socket = bind();
  } finally {
    Deno.umask(umask);
  }
  const path = new BoundPath(address.path, options.unlinkClose);
  const { user, group } = options;
  let call = "chown";
  try {
    if (user !== undefined || group !== undefined) Deno.chownSync(address.path, user ?? null, group ?? null);
    call = "chmod";
    Deno.chmodSync(address.path, options.mode ?? (0o777 & ~umask));
  } catch (error) {
    path.remove();
    throw connectError(call, address, error);
  }
  return { socket, path };
}

function remove(address: UnixAddress): void {
  try {
    Deno.removeSync(address.path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw connectError("unlink", address, error);
  }
}
