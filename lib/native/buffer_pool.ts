/** Read and write buffers lent out for as long as data stands in them; an idle socket holds none. */

const smallest = 4096;
const largest = 512 * 1024;

/** Memory kept for the next borrower. */
const keptBytes = 8 * 1024 * 1024;

/** Owned by one driver. Sizes are powers of two from 4 KiB to 512 KiB. */
export class BufferPool {
  readonly #free = new Map<number, Uint8Array<ArrayBuffer>[]>();
  #kept = 0;

  /** Largest buffer lent, in bytes. */
  static readonly largest = largest;

  /** Lends a buffer of at least `bytes` bytes (more than `largest`: of exactly that size). Its content is arbitrary. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes > largest) return new Uint8Array(bytes);
    let size = smallest;
    while (size < bytes) size *= 2;
    const buffer = this.#free.get(size)?.pop();
    if (!buffer) return new Uint8Array(size);
    this.#kept -= size;
    return buffer;
  }

  /** Takes a lent buffer back; nobody else may look at it any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    const size = buffer.length;
    if (size > largest || this.#kept + size > keptBytes) return;
    let list = this.#free.get(size);
    if (!list) this.#free.set(size, list = []);
    list.push(buffer);
    this.#kept += size;
  }
}
