/**
 * Standard input as several sessions share it. A read of it cannot be taken back: its bytes would be lost with a
 * session that ended meanwhile, so they are kept for the next one.
 */
export class StandardInput {
  #kept: Uint8Array | undefined;
  #busy = false;
  readonly #waiting: (() => void)[] = [];

  /** True while a read of the descriptor is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Fills part of `buffer`; `null` at the end. What arrives when `wanted` is false stays for the next reader. */
  async read(buffer: Uint8Array, wanted: () => boolean): Promise<number | null> {
    while (this.#busy) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (!wanted()) {
        this.#next();
        return null;
      }
    }
    if (this.#kept) return this.#takeKept(this.#kept, buffer);
    this.#busy = true;
    try {
      const count = await Deno.stdin.read(buffer);
      if (count && !wanted()) this.#kept = buffer.subarray(0, count);
      return count;
    } finally {
      this.#busy = false;
      this.#next();
    }
  }

  #takeKept(kept: Uint8Array, buffer: Uint8Array): number {
    const count = Math.min(kept.length, buffer.length);
    buffer.set(kept.subarray(0, count));
    this.#kept = count < kept.length ? kept.subarray(count) : undefined;
    return count;
  }

  #next(): void {
    this.#waiting.shift()?.();
  }
}
