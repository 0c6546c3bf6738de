/**
 * Binding a socket to a path in the file system, whose mode and owner are right before anybody can connect, and removing
 * it. The native driver uses it too.
 */
import type { PathOptions } from "../driver.ts";
import { L7mpError, systemFault } from "../errors.ts";
import type { UnixAddress } from "../stream/stream.ts";
import { runtimePath } from "./address.ts";
import { connectError } from "./errors.ts";

/** Nobody may connect between `bind` and `chmod`. */
const closedUmask = 0o177;

/** What stands at a path: the socket of a process, a socket that nobody has any more, or something else. */
export type PathUse = "live" | "stale" | "other";

const advice: Readonly<Record<PathUse, string>> = {
  live: "; a process listens there: end that, or choose another path",
  stale: "; use unlink-early",
  other: "; what stands there is no socket: choose another path, or remove it with unlink-early",
};

/** What to do about a path in use; nothing where it cannot be told who has it. */
export function adviceOnUse(use: PathUse | undefined): string {
  return use === undefined ? "" : advice[use];
}

/** What stands at the path; undefined where that cannot be told. Who listens for streams there sees a short call. */
export async function useOf(address: UnixAddress): Promise<PathUse | undefined> {
  const found = await Deno.lstat(address.path).catch(() => undefined);
  if (!found?.isSocket) return found && "other";
  try {
    (await Deno.connect({ transport: "unix", path: runtimePath(address.path) })).close();
    return "live";
  } catch (error) {
    const { code } = systemFault(error);
    if (code === "ECONNREFUSED") return "stale";
    // A socket of another type, and one with a full backlog.
    return code === "EPROTOTYPE" || code === "EAGAIN" ? "live" : undefined;
  }
}

/** Clears the way for a socket under the rules of `options`. Rejects with `ConnectError`. */
export async function clearPath(address: UnixAddress, options: PathOptions): Promise<void> {
  if (address.path.startsWith("@")) return;
  if (options.unlinkEarly || (options.unlinkStale && await useOf(address) === "stale")) removePath(address);
}

/** What `bind` of the address threw as an error of ours, with what to do about it. */
export async function bindError(address: UnixAddress, error: unknown): Promise<unknown> {
  if (error instanceof L7mpError) return error;
  const inUse = systemFault(error).code === "EADDRINUSE" && !address.path.startsWith("@");
  return connectError("bind", address, error, inUse ? adviceOnUse(await useOf(address)) : "");
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

/** Removes what stands at the path, if anything does; a folder never. Throws `ConnectError`. */
export function removePath(address: UnixAddress): void {
  try {
    // The runtime would remove an empty one.
    if (Deno.lstatSync(address.path).isDirectory) throw new Deno.errors.IsADirectory("Is a directory");
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
