/**
 * Standard input as several sessions share it: each hears all of it, so that what is typed reaches every client of a
 * server. A read of it cannot be taken back: what comes when no session is there is kept for the next one.
 */
export class StandardInput {
  readonly #readers = new Set<Reader>();
  readonly #source: (buffer: Uint8Array) => Promise<number | null>;
  #kept: Uint8Array | undefined;
  #busy = false;

  constructor(source: (buffer: Uint8Array) => Promise<number | null> = (buffer) => Deno.stdin.read(buffer)) {
    this.#source = source;
  }

  /** True while a read of the descriptor is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** One session's part in it, from its first read until it leaves. The slowest sets the pace. */
  reader(): InputReader {
    const reader = new Reader();
    return {
      read: (buffer) => this.#read(reader, buffer),
      leave: () => this.#leave(reader),
    };
  }

  #read(reader: Reader, buffer: Uint8Array): Promise<number | null> {
    if (reader.rest) return Promise.resolve(reader.fill(buffer, reader.rest));
    this.#readers.add(reader);
    if (this.#kept) {
      const kept = this.#kept;
      this.#kept = undefined;
      return Promise.resolve(reader.fill(buffer, kept));
    }
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    reader.waiting = { buffer, resolve, reject };
    this.#fetch();
    return promise;
  }

  #leave(reader: Reader): void {
    if (!this.#readers.delete(reader)) return;
    reader.waiting?.resolve(null);
    reader.waiting = undefined;
    this.#fetch();
  }

  /** Reads the next block as soon as every session wants it. */
  #fetch(): void {
    const [first] = this.#readers;
    if (this.#busy || !first || [...this.#readers].some(({ waiting }) => !waiting)) return;
    const { buffer } = first.waiting!;
    this.#busy = true;
    this.#source(buffer).then((count) => this.#give(buffer, count), (error) => this.#fail(error));
  }

  #give(buffer: Uint8Array, count: number | null): void {
    this.#busy = false;
    const block = count ? buffer.subarray(0, count) : undefined;
    if (block && this.#readers.size === 0) this.#kept = block;
    for (const reader of this.#readers) {
      const { waiting } = reader;
      reader.waiting = undefined;
      waiting?.resolve(block ? reader.fill(waiting.buffer, block) : count);
    }
  }

  #fail(error: unknown): void {
    this.#busy = false;
    for (const reader of this.#readers) {
      const { waiting } = reader;
      reader.waiting = undefined;
      waiting?.reject(error);
    }
  }
}

export interface InputReader {
  /** Fills part of `buffer`; `null` at the end, and after `leave`. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** The session is over; may be called twice. */
  leave(): void;
}

interface Waiting {
  readonly buffer: Uint8Array;
  resolve(count: number | null): void;
  reject(error: unknown): void;
}

class Reader {
  waiting: Waiting | undefined;
  /** What its buffer had no room for. */
  rest: Uint8Array | undefined;

  fill(buffer: Uint8Array, block: Uint8Array): number {
    const count = Math.min(buffer.length, block.length);
    if (buffer.buffer !== block.buffer) buffer.set(block.subarray(0, count));
    this.rest = count < block.length ? block.slice(count) : undefined;
    return count;
  }
}
