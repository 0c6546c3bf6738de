/** What is kept for a connection that is away: blocks of bytes, or messages, in order and within a bound. */
import type { Datagram } from "../stream/stream.ts";

/** Small writes are joined up to this size, so that a byte costs a byte. */
const blockBytes = 65_536;

/** Bytes in order, at most `limit` of them. */
export class ByteBacklog {
  readonly #limit: number;
  readonly #blocks: { readonly buffer: Uint8Array; length: number }[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes in it. */
  get size(): number {
    return this.#size;
  }

  /** Copies as much of `bytes` as there is room for, and says how much that was. */
  append(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.#limit - this.#size);
    for (let at = 0; at < count;) {
      let block = this.#blocks.at(-1);
      if (!block || block.length === block.buffer.length) {
        block = { buffer: new Uint8Array(blockBytes), length: 0 };
        this.#blocks.push(block);
      }
      const part = bytes.subarray(at, Math.min(count, at + block.buffer.length - block.length));
      block.buffer.set(part, block.length);
      block.length += part.length;
      at += part.length;
    }
    this.#size += count;
    return count;
  }

  /** Removes the first block; undefined when there is none. */
  take(): Uint8Array | undefined {
    const block = this.#blocks.shift();
    if (!block) return undefined;
    this.#size -= block.length;
    return block.buffer.subarray(0, block.length);
  }
}

/** What a message costs beside its bytes, so that empty ones are bounded too. */
const messageBytes = 128;
/** Messages that `take` gives at a time. */
const batchMessages = 64;

/** Messages in order, at most `limit` bytes of them. */
export class DatagramBacklog {
  readonly #limit: number;
  #queue: Datagram[] = [];
  #cost = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Messages in it. */
  get size(): number {
    return this.#queue.length;
  }

  /** Copies `message`; false when there is no room for it. */
  append({ data, meta }: Datagram): boolean {
    const cost = data.length + messageBytes;
    if (this.#cost + cost > this.#limit) return false;
    this.#cost += cost;
    this.#queue.push(meta === undefined ? { data: data.slice() } : { data: data.slice(), meta });
    return true;
  }

  /** Removes the first messages; undefined when there are none. */
  take(): readonly Datagram[] | undefined {
    if (this.#queue.length === 0) return undefined;
    const batch = this.#queue.slice(0, batchMessages);
    this.#queue = this.#queue.slice(batchMessages);
    for (const { data } of batch) this.#cost -= data.length + messageBytes;
    return batch;
  }
}
