/** A descriptor that cannot be waited for (regular file, block device, /dev/null) as a `ByteStream`. */
import { StreamError } from "../errors.ts";
import type { ByteStream, StreamInfo } from "../stream/stream.ts";
import { EAGAIN, EINTR, streamError } from "./errno.ts";
import { errno, libc } from "./libc.ts";
import { nextTask } from "../stream/timer.ts";
import type { Shared, Unwatched } from "./shared.ts";

/** Bytes per call. */
const blockBytes = 256 * 1024;

/** Calls after which the rest of the program gets a turn: these calls are answered at once and would go on for ever. */
const callsPerTask = 8;

/** Reads and writes at the descriptor's own position, in blocks, without a thread. */
export class FileStream implements ByteStream, Unwatched {
  readonly kind = "byte";
  #lent: Uint8Array<ArrayBuffer> | undefined;
  #calls = 0;
  #failure: { readonly reason: unknown } | undefined;
  #readEnded: boolean;
  #writeEnded: boolean;
  #released = false;

  constructor(
    readonly fd: number,
    readonly info: StreamInfo,
    readonly options: { direction: "read" | "write" | "both" },
    readonly shared: Shared,
  ) {
    this.#readEnded = options.direction === "write";
    this.#writeEnded = options.direction === "read";
    shared.unwatched.add(this);
  }

  async read(): Promise<Uint8Array | null> {
    this.#giveBack();
    if (!this.#readEnded) await this.#turn();
    if (this.#failure) throw this.#failure.reason;
    if (this.#readEnded) return null;
    const buffer = this.shared.pool.take(blockBytes);
    const count = this.#call("read", () => libc.read(this.fd, buffer, buffer.length));
    if (count === 0) {
      this.shared.pool.give(buffer);
      this.#readEnded = true;
      return null;
    }
    this.#lent = buffer;
    return buffer.subarray(0, count);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      await this.#turn();
      if (this.#failure) throw this.#failure.reason;
      if (this.#writeEnded) throw new StreamError(`write(${this.info.name}): the writing half has ended`);
      const rest = at === 0 ? bytes : bytes.subarray(at);
      at += this.#call("write", () => libc.write(this.fd, rest, Math.min(rest.length, blockBytes)));
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#failure) throw this.#failure.reason;
    this.#writeEnded = true;
  }

  abort(reason?: unknown): void {
    this.#failure ??= {
      reason: reason ?? new StreamError(`${this.info.name}: the stream has been closed`, { code: "ECANCELED" }),
    };
    this.release();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#failure ??= {
      reason: new StreamError(`${this.info.name}: the driver has been closed`, { code: "ECANCELED" }),
    };
    this.#giveBack();
    this.shared.unwatched.delete(this);
    libc.close(this.fd);
  }

  async #turn(): Promise<void> {
    if (++this.#calls % callsPerTask === 0) await nextTask();
  }

  #call(name: string, call: () => number): number {
    while (true) {
      const count = call();
      if (count >= 0) return count;
      const error = errno();
      if (error === EINTR || error === EAGAIN) continue;
      const failure = streamError(name, this.info.name, error);
      this.#failure = { reason: failure };
      throw failure;
    }
  }

  #giveBack(): void {
    if (this.#lent) this.shared.pool.give(this.#lent);
    this.#lent = undefined;
  }
}
