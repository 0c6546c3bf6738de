/** Keeps a message that would come again and again to one a minute. */
export class OnceAMinute {
  #last = -Infinity;

  /** True when the last true answer is a minute old. */
  due(): boolean {
    const now = performance.now();
    if (now - this.#last < 60_000) return false;
    this.#last = now;
    return true;
  }
}
