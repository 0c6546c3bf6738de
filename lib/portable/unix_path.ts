/** A path in the file system that a socket of ours is bound to, and its removal. */
import type { PathOptions } from "../driver.ts";
import { ConnectError, systemFault } from "../errors.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { connectError } from "./errors.ts";

type UnixAddress = SocketAddress & { family: "unix" };

/** Nobody may connect between `bind` and `chmod`. */
const closedUmask = 0o177;

export class BoundPath {
  // Absolute, so that a later change of directory does not matter.
  readonly #path: string;
  readonly #identity: string | undefined;
  readonly #unlinkClose: boolean;

  private constructor(path: string, unlinkClose: boolean) {
    this.#path = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
    this.#identity = identityOf(this.#path);
    this.#unlinkClose = unlinkClose;
  }

  /**
   * Clears the way for a socket under the rules of `options`. `answers` tells whether somebody serves the path.
   * Rejects with `ConnectError`.
   */
  static async prepare(address: UnixAddress, options: PathOptions, answers: () => Promise<boolean>): Promise<void> {
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
  static bind<T>(address: UnixAddress, options: PathOptions, bind: () => T): { socket: T; path?: BoundPath } {
    if (address.path.startsWith("@")) return { socket: bind() };
    const umask = Deno.umask(closedUmask);
    let socket: T;
    try {
      socket = bind();
    } finally {
      Deno.umask(umask);
    }
    const path = new BoundPath(address.path, options.unlinkClose ?? true);
    try {
      if (options.user !== undefined || options.group !== undefined) {
        const uid = options.user === undefined ? null : numberOf("/etc/passwd", "user", options.user);
        const gid = options.group === undefined ? null : numberOf("/etc/group", "group", options.group);
        Deno.chownSync(address.path, uid, gid);
      }
      Deno.chmodSync(address.path, options.mode ?? (0o777 & ~umask));
    } catch (error) {
      path.#remove();
      throw error instanceof ConnectError ? error : connectError("chmod", address, error);
    }
    return { socket, path };
  }

  /** Removes the path if it is wanted and still ours: somebody may have put another socket there since. */
  release(): void {
    if (this.#unlinkClose) this.#remove();
  }

  #remove(): void {
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

function remove(address: UnixAddress): void {
  try {
    Deno.removeSync(address.path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw connectError("unlink", address, error);
  }
}

/** The number of a user or group given by name or number. */
function numberOf(file: string, what: string, name: string): number {
  if (/^\d+$/.test(name)) return Number(name);
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    throw new ConnectError(`open("${file}"): ${systemFault(error).text}`, { retryable: false, cause: error });
  }
  for (const line of text.split("\n")) {
    const [account, , number] = line.split(":");
    if (account === name && number !== undefined) return Number(number);
  }
  throw new ConnectError(`there is no ${what} "${name}"`, { retryable: false });
}
