/** Bounds the number of sessions at a time (`max-children`). */
export class Slots {
  #used = 0;
  #waiting: (() => void) | undefined;

  constructor(readonly limit: number) {}

  get full(): boolean {
    return this.#used >= this.limit;
  }

  take(): void {
    this.#used++;
  }

  release(): void {
    this.#used--;
    this.#waiting?.();
  }

  /** Resolves when a slot is free; rejects with the signal's reason. One waiter at a time. */
  async free(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.full) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(signal.reason);
    this.#waiting = resolve;
    signal.addEventListener("abort", onAbort);
    try {
      await promise;
    } finally {
      this.#waiting = undefined;
      signal.removeEventListener("abort", onAbort);
    }
  }
}
