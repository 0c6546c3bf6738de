/** Lets one at a time through, in the order they came. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** Runs `work` when all that came before it are done. Settles as `work` does. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const done = Promise.withResolvers<void>();
    this.#last = done.promise;
    if (this.#waiting++ > 0) await before;
    try {
      return await work();
    } finally {
      this.#waiting--;
      done.resolve();
    }
  }
}
