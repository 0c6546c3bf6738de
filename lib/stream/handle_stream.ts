/** A byte stream over a handle whose calls block: a file, a terminal, standard input and output. */
import { StreamError, systemFault } from "../errors.ts";
import { AbortGate } from "./abort_gate.ts";
import type { ByteStream, StreamInfo } from "./stream.ts";
import { after } from "./timer.ts";

/** What a `HandleStream` needs of an open file. Calls may move less than asked for. */
export interface Handle {
  /** Fills part of `buffer`; `null` at the end, 0 is tolerated. `wanted` turns false when nobody waits any more. */
  read(buffer: Uint8Array, wanted: () => boolean): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the writing half where the handle can; called once. */
  endWrite?(): void;
  /** Releases the handle, called once. `clean` is false after a fault. */
  close(clean: boolean): void;
}

/** The halves that may be used. */
export type HandleDirection = "read" | "write" | "both";

const firstReadBytes = 65_536;
const largestReadBytes = 524_288;
/** A descriptor that somebody set non-blocking answers EAGAIN: look again after this, doubled up to the second. */
const firstRetryMs = 1;
const lastRetryMs = 64;

/**
 * Reads and writes `handle`, and owns it. Reads ask again after an end, so that a file that grew has more. An `abort`
 * rejects pending calls at once, even where the system call itself cannot be interrupted.
 */
export class HandleStream implements ByteStream {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly #handle: Handle;
  readonly #direction: HandleDirection;
  #buffer: Uint8Array | undefined;
  readonly #gate: AbortGate;
  #ended = false;

  constructor(handle: Handle, info: StreamInfo, direction: HandleDirection = "both") {
    this.#handle = handle;
    this.info = info;
    this.#direction = direction;
    this.#gate = new AbortGate(info.name);
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#direction === "write") return null;
    if (this.#buffer === undefined) this.#buffer = new Uint8Array(firstReadBytes);
    for (;;) {
      const buffer = this.#buffer;
      const count = await this.#call("read", () => this.#handle.read(buffer, () => !this.#gate.aborted));
      if (count === null) return null;
      if (count === 0) continue;
      if (count === buffer.length && count < largestReadBytes) this.#buffer = new Uint8Array(2 * count);
      return buffer.subarray(0, count);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#direction === "read") {
      throw new StreamError(`write(${this.info.name}): opened for reading only`, { code: "EBADF" });
    }
    if (this.#ended) throw new StreamError(`write(${this.info.name}): Broken pipe`, { code: "EPIPE" });
    let written = 0;
    while (written < bytes.length) {
      const rest = written === 0 ? bytes : bytes.subarray(written);
      written += await this.#call("write", () => this.#handle.write(rest));
    }
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    if (this.#ended || this.#direction === "read") return;
    this.#ended = true;
    this.#handle.endWrite?.();
  }

  abort(reason?: unknown): void {
    if (!this.#gate.abort(reason)) return;
    this.#handle.close(reason === undefined);
  }

  /** Runs one system call: retried while the descriptor would block, rejected at once on abort. */
  async #call<T>(name: "read" | "write", call: () => Promise<T>): Promise<T> {
    for (let retryMs = firstRetryMs;; retryMs = Math.min(2 * retryMs, lastRetryMs)) {
      this.#gate.check();
      try {
        return await this.#gate.race(call());
      } catch (error) {
        this.#gate.check();
        const { code, text } = systemFault(error);
        if (!(error instanceof Deno.errors.WouldBlock) && code !== "EAGAIN") {
          throw new StreamError(`${name}(${this.info.name}): ${text}`, { code, cause: error });
        }
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = after(retryMs, resolve);
      await this.#gate.race(promise).finally(() => timer.stop());
    }
  }
}
