/** A connection of the runtime as a byte stream. */
import { StreamError } from "../errors.ts";
import { AbortGate } from "../stream/abort_gate.ts";
import type { ByteStream, StreamInfo } from "../stream/stream.ts";
import { streamError } from "./errors.ts";
import type { Owned, OwnedSet } from "./owned.ts";
import { after } from "../stream/timer.ts";

/**
 * A waiting read holds this much and no more: a read that comes back full is followed by one with a large buffer. Few
 * requests of a request-and-answer protocol are longer, and an idle session costs 1 KiB more than with 64 bytes.
 */
const idleReadBytes = 1024;
const firstLargeBytes = 16_384;
const largestReadBytes = 524_288;
/** How long, and over how many bytes, a peer may go on sending to a socket that we have closed. */
const farewellMs = 2000;
const farewellBytes = 16 << 20;

/**
 * Owns `conn`. The runtime cannot reset a connection: the peer sees an `abort(reason)` as an end, unless bytes of its own
 * were still unread.
 */
export class ByteSocket implements ByteStream, Owned {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly #conn: Deno.Conn;
  readonly #owned: OwnedSet;
  readonly #gate: AbortGate;
  #small: Uint8Array<ArrayBuffer> | undefined;
  #large: Uint8Array<ArrayBuffer> | undefined;
  #largeBytes = firstLargeBytes;
  #wasFull = false;
  #readEnded = false;
  #writeEnded: Promise<void> | undefined;
  /** Why writing failed: the system tells a reset to one half only, and the other one sees an end. */
  #broken: StreamError | undefined;
  #closed = false;

  constructor(conn: Deno.Conn, info: StreamInfo, owned: OwnedSet) {
    this.#conn = conn;
    this.info = info;
    this.#owned = owned;
    this.#gate = new AbortGate(info.name);
    owned.add(this);
  }

  async read(): Promise<Uint8Array | null> {
    this.#gate.check();
    if (this.#readEnded) return null;
    const buffer = this.#nextBuffer();
    for (;;) {
      let count: number | null;
      try {
        count = await this.#conn.read(buffer);
      } catch (error) {
        this.#gate.check();
        throw streamError("read", this.info.name, error);
      }
      this.#gate.check();
      if (count === null) {
        if (this.#broken) throw this.#broken;
        this.#readEnded = true;
        [this.#small, this.#large] = [undefined, undefined];
        return null;
      }
      if (count === 0) continue;
      this.#learn(buffer, count);
      return buffer.subarray(0, count);
    }
  }

  #nextBuffer(): Uint8Array<ArrayBuffer> {
    if (!this.#wasFull) {
      // A session that may wait for long keeps no large buffer meanwhile.
      this.#large = undefined;
      return this.#small ??= new Uint8Array(idleReadBytes);
    }
    if (this.#large?.length !== this.#largeBytes) this.#large = new Uint8Array(this.#largeBytes);
    return this.#large;
  }

  #learn(buffer: Uint8Array, count: number): void {
    this.#wasFull = count === buffer.length;
    if (buffer.length === idleReadBytes) return;
    if (this.#wasFull) this.#largeBytes = Math.min(4 * buffer.length, largestReadBytes);
    else if (count < buffer.length / 8) this.#largeBytes = Math.max(buffer.length / 4, firstLargeBytes);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#gate.check();
    if (this.#writeEnded) throw new StreamError(`write(${this.info.name}): Broken pipe`, { code: "EPIPE" });
    let written = 0;
    try {
      while (written < bytes.length) {
        written += await this.#conn.write(written === 0 ? bytes : bytes.subarray(written));
      }
    } catch (error) {
      this.#gate.check();
      throw this.#broken = streamError("write", this.info.name, error);
    }
    this.#gate.check();
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    await (this.#writeEnded ??= this.#shutdown());
  }

  async #shutdown(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      this.#gate.check();
      // The peer has gone entirely: there is nobody left to tell.
      if (error instanceof Deno.errors.NotConnected) return;
      throw streamError("shutdown", this.info.name, error);
    }
  }

  abort(reason?: unknown): void {
    if (!this.#gate.abort(reason)) return;
    const farewell = reason === undefined && !this.#readEnded && this.info.remote?.family !== "unix";
    if (farewell) this.#sayFarewell();
    else this.release();
  }

  /** A socket closed over unread bytes resets, and so destroys what the peer has not received: read on for a while. */
  async #sayFarewell(): Promise<void> {
    const limit = after(farewellMs, () => this.release());
    try {
      await this.#conn.closeWrite();
      const scratch = new Uint8Array(firstLargeBytes);
      for (let total = 0; total < farewellBytes;) {
        const count = await this.#conn.read(scratch);
        if (count === null) break;
        total += count;
      }
    } catch {
      // Gone already, or the time is up.
    } finally {
      limit.stop();
      this.release();
    }
  }

  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gate.abort();
    this.#owned.delete(this);
    this.#conn.close();
  }
}
