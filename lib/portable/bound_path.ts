/** A path in the file system that a socket of ours is bound to, and its removal; for the native driver too. */
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
