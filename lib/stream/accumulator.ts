/** Collects the pieces of a message that came in several chunks. */

/** A growing buffer. It doubles, so that a message of n bytes costs O(n) however finely it was cut. */
export class Accumulator {
  #buffer = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The byte at `index`, which must be below `length`. */
  at(index: number): number {
    return this.#buffer[index]!;
  }

  /** Where `byte` stands at or after `from`; -1: nowhere. */
  indexOf(byte: number, from: number): number {
    const at = this.#buffer.indexOf(byte, from);
    return at < this.#length ? at : -1;
  }

  /** Copies `bytes` to the end. */
  append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length, 64));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  /** Everything collected; it belongs to the caller, and collecting starts anew. */
  take(): Uint8Array {
    const all = this.#buffer.subarray(0, this.#length);
    this.clear();
    return all;
  }

  /** Forgets all but the last `count` bytes. */
  keepLast(count: number): void {
    const kept = this.#buffer.slice(Math.max(0, this.#length - count), this.#length);
    this.#buffer = kept;
    this.#length = kept.length;
  }

  clear(): void {
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
  }
}
