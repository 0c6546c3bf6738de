/**
 * Binding a socket to a path in the file system, whose mode and owner are right before anybody can connect, and removing
 * it. The native driver uses it too.
 */
import type { PathOptions } from "../driver.ts";
import type { SocketAddress } from "../stream/stream.ts";
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
    removePath(address);
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

/** Removes what stands at the path, if anything does. Throws `ConnectError`. */
export function removePath(address: UnixAddress): void {
  try {
    Deno.removeSync(address.path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw connectError("unlink", address, error);
  }
}

/** A path that a socket is bound to, until it is removed. */
export class BoundPath {
  /** Absolute, so that a later change of directory does not matter. */
  readonly #path: string;
  readonly #identity: string | undefined;
  readonly #unlinkClose: boolean;

  /** The socket is bound by now. */
  constructor(path: string, unlinkClose = true) {
    this.#path = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
    this.#identity = identityOf(this.#path);
    this.#unlinkClose = unlinkClose;
  }

  /** Removes the path if it is wanted and still ours: somebody may have put another socket there since. */
  release(): void {
    if (this.#unlinkClose) this.remove();
  }

  /** Removes the path if it is still ours. */
  remove(): void {
    if (this.#identity === undefined || identityOf(this.#path) !== this.#identity) return;
    try {
      Deno.removeSync(this.#path);
    } catch {
      // Gone meanwhile, or the folder no longer lets us: nobody is left to tell.
    }
  }
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.lstatSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
