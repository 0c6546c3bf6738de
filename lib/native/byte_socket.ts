/** A connected stream socket (TCP, UNIX) or a pipe or terminal as a `ByteStream`. */
import type { StreamSocketOptions } from "../driver.ts";
import { StreamError } from "../errors.ts";
import { type NativeByteHandle, wouldBlock } from "../stream/native_handle.ts";
import type { ByteStream, StreamInfo } from "../stream/stream.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_WR, SO_LINGER, SOL_SOCKET } from "./constants.ts";
import { EAGAIN, ECONNRESET, EINTR, EIO, ENOTCONN, EPERM, EPIPE, streamError } from "./errno.ts";
import { releaseDescriptor, sayFarewell } from "./farewell.ts";
import { linger } from "./layout.ts";
import { errno, libc } from "./libc.ts";
import { BufferPool } from "./buffer_pool.ts";
import { socketError } from "./socket_options.ts";
import type { Watch, WatchOwner } from "./reactor.ts";
import type { Shared } from "./shared.ts";

/** First read of a connection, in bytes; a busy one grows by fours up to the pool's largest buffer. */
const firstReadBytes = 16 * 1024;

const flags = MSG_DONTWAIT | MSG_NOSIGNAL;

/** A pending `read`. */
interface Reader {
  resolve(bytes: Uint8Array | null): void;
  reject(reason: unknown): void;
}

/** How a kind of descriptor differs from a TCP socket. */
export interface ByteSocketKind {
  /** `tcp`, `unix`: recv and send. `plain`: read and write (pipe, terminal), the descriptor being non-blocking. */
  readonly type: "tcp" | "unix" | "plain";
  /** A half that does not exist: it has ended from the start. */
  readonly readOnly?: boolean;
  readonly writeOnly?: boolean;
  /** How long a plain close waits until what was written has arrived; default: ten seconds. */
  readonly farewellMs?: number;
  /** Others go on using the connection: only the descriptor is ours to give up, nothing is shut or reset. */
  readonly shared?: boolean;
  /** How the descriptor is given up; default: `close`. */
  onRelease?(): void;
}

/** The usual kinds, shared by all sockets. */
const tcpSocket: ByteSocketKind = { type: "tcp" };
export const unixSocket: ByteSocketKind = { type: "unix" };

/** The kind of TCP sockets with these options; those of one listener share one. */
export function tcpKind({ lingerSeconds }: StreamSocketOptions): ByteSocketKind {
  return lingerSeconds === undefined ? tcpSocket : { type: "tcp", farewellMs: lingerSeconds * 1000 };
}

/**
 * Owns `fd`. Reads into a buffer of the driver's pool when the system says there is data, and gives it back at the next
 * `read`; what the system does not take of a `write` at once is copied into one buffer of its own.
 */
export class ByteSocket implements ByteStream, NativeByteHandle, WatchOwner {
  readonly kind = "byte";
  readonly nativeKind = "byte";
  readBytes = firstReadBytes;
  readonly #shared: Shared;
  readonly #kind: ByteSocketKind;
  readonly #watch: Watch;
  #lent: Uint8Array<ArrayBuffer> | undefined;
  #reader: Reader | undefined;
  /** Ends of `waitReadable` and `waitWritable`. */
  #onReadable: (() => void) | undefined;
  #onWritable: (() => void) | undefined;
  /** What the system has not taken yet of the pending `write`. */
  #rest: { buffer: Uint8Array<ArrayBuffer>; start: number; end: number } | undefined;
  #flushed: Promise<void> | undefined;
  #readEnded: boolean;
  #writeEnded: boolean;
  /** Every later call fails with it: the reason of `abort`, or the system's error. */
  #failure: { readonly reason: unknown } | undefined;
  /** Sending has failed: what had arrived before is still read, and then this. */
  #unsendable: StreamError | undefined;
  /** The system has given the connection up: nothing can be sent any more. */
  #broken = false;
  #released = false;

  /** Throws with code `EPERM`, leaving `fd` to the caller, where it cannot be waited for (a regular file). */
  constructor(readonly fd: number, readonly info: StreamInfo, kind: ByteSocketKind, shared: Shared) {
    this.#shared = shared;
    this.#kind = kind;
    this.#readEnded = kind.writeOnly ?? false;
    this.#writeEnded = kind.readOnly ?? false;
    const watch = shared.reactor.add(fd, this, { drain: kind.type !== "tcp" });
    if (!watch) throw streamError("epoll_ctl", info.name, EPERM);
    this.#watch = watch;
  }

  get native(): NativeByteHandle {
    return this;
  }

  // Idle sessions wait here by the thousand: one promise and no more.
  read(): Promise<Uint8Array | null> {
    try {
      const bytes = this.#lend();
      if (bytes !== undefined) return Promise.resolve(bytes);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      if (this.#watch.readable) this.#shared.reactor.defer(this.#watch);
    });
  }

  /** What `read` gives, or undefined when it has to wait. */
  #lend(): Uint8Array | null | undefined {
    const { pool } = this.#shared;
    if (this.#lent) pool.give(this.#lent);
    this.#lent = undefined;
    if (!this.#watch.readable && !this.#failure && !this.#unsendable) return undefined;
    const buffer = pool.take(this.readBytes);
    let count = wouldBlock;
    try {
      count = this.tryRead(buffer, buffer.length);
    } finally {
      if (count <= 0) pool.give(buffer);
    }
    if (count === wouldBlock) return undefined;
    if (count === 0) return null;
    this.#lent = buffer;
    return buffer.subarray(0, count);
  }

  tryRead(buffer: Uint8Array, bytes: number): number {
    if (this.#failure) throw this.#failure.reason;
    if (this.#readEnded) return 0;
    const watch = this.#watch;
    if (!this.#unsendable && (!watch.readable || !this.#shared.reactor.spend(watch))) return wouldBlock;
    while (true) {
      const count = this.#kind.type === "plain"
        ? libc.read(this.fd, buffer, bytes)
        : libc.recv(this.fd, buffer, bytes, flags);
      if (count > 0) {
        if (count < bytes && !watch.drain) watch.readable = false;
        this.#adapt(count, bytes);
        return count;
      }
      const error = count < 0 ? errno() : 0;
      if (this.#unsendable && error !== EINTR) {
        this.#failure = { reason: this.#unsendable };
        throw this.#unsendable;
      }
      if (count === 0) return this.#endRead();
      if (error === EAGAIN) {
        watch.readable = false;
        return wouldBlock;
      }
      // A terminal whose other side has gone says EIO; that is its way to end, until somebody opens it again.
      if (error === EIO && this.#kind.type === "plain") return 0;
      if (error !== EINTR) throw this.#fail("read", error);
    }
  }

  #checkSendable(): void {
    if (this.#failure) throw this.#failure.reason;
    if (this.#unsendable) throw this.#unsendable;
  }

  trySend(bytes: Uint8Array, start: number, end: number): number {
    this.#checkSendable();
    if (this.#writeEnded) throw new StreamError(`write(${this.info.name}): the writing half has ended`);
    const watch = this.#watch;
    if (start === end) return 0;
    if (!watch.writable || !this.#shared.reactor.spend(watch)) return wouldBlock;
    const view = start === 0 ? bytes : bytes.subarray(start, end);
    while (true) {
      const count = this.#kind.type === "plain"
        ? libc.write(this.fd, view, end - start)
        : libc.send(this.fd, view, end - start, flags);
      if (count >= 0) {
        if (count < end - start) this.#shared.reactor.wantSpace(watch);
        return count;
      }
      const error = errno();
      if (error === EAGAIN) {
        this.#shared.reactor.wantSpace(watch);
        return wouldBlock;
      }
      if (error !== EINTR) throw this.#failSending(error);
    }
  }

  waitReadable(): Promise<void> {
    return new Promise((resolve) => {
      this.#onReadable = resolve;
      if (this.#failure || this.#unsendable || this.#watch.readable) this.#wakeSoon();
    });
  }

  waitWritable(): Promise<void> {
    return new Promise((resolve) => {
      this.#onWritable = resolve;
      if (this.#failure || this.#unsendable || this.#watch.writable) this.#wakeSoon();
    });
  }

  /** Ends the waiting in the next turn, or at once where there will be none. */
  #wakeSoon(): void {
    if (!this.#failure && !this.#unsendable) return this.#shared.reactor.defer(this.#watch);
    this.onReadable();
    this.onWritable();
  }

  onReadable(): void {
    const reader = this.#reader;
    if (reader) {
      try {
        const bytes = this.#lend();
        if (bytes !== undefined) {
          this.#reader = undefined;
          reader.resolve(bytes);
        } else if (this.#watch.readable) this.#shared.reactor.defer(this.#watch);
      } catch (error) {
        this.#reader = undefined;
        reader.reject(error);
      }
      return;
    }
    const wake = this.#onReadable;
    this.#onReadable = undefined;
    wake?.();
  }

  onWritable(): void {
    const wake = this.#onWritable;
    this.#onWritable = undefined;
    wake?.();
  }

  takeBuffer(bytes: number): Uint8Array<ArrayBuffer> {
    return this.#shared.pool.take(bytes);
  }

  giveBuffer(buffer: Uint8Array<ArrayBuffer>): void {
    this.#shared.pool.give(buffer);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const end = bytes.length;
    const sent = Math.max(0, this.trySend(bytes, 0, end));
    if (sent === end) return;
    const buffer = this.#shared.pool.take(end - sent);
    buffer.set(sent === 0 ? bytes : bytes.subarray(sent));
    this.#rest = { buffer, start: 0, end: end - sent };
    this.#flushed = this.#flush(this.#rest);
    return this.#flushed;
  }

  async #flush(rest: { buffer: Uint8Array<ArrayBuffer>; start: number; end: number }): Promise<void> {
    try {
      while (rest.start < rest.end) {
        await this.waitWritable();
        rest.start += Math.max(0, this.trySend(rest.buffer, rest.start, rest.end));
      }
    } finally {
      // After a plain close the farewell goes on sending from it.
      if (this.#rest === rest) {
        this.#rest = undefined;
        this.#shared.pool.give(rest.buffer);
      }
    }
  }

  async closeWrite(): Promise<void> {
    this.#checkSendable();
    if (this.#writeEnded) return;
    if (this.#rest) await this.#flushed;
    // The descriptor may have been given up in the meantime, and its number be somebody else's.
    this.#checkSendable();
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    if (this.#kind.shared) return;
    if (this.#kind.type === "plain") {
      // The reader of a pipe sees its end when the last writer has gone; a terminal has no half-close.
      if (!this.#kind.writeOnly) return;
      this.#detach();
      return releaseDescriptor(this.fd, this.#kind);
    }
    if (libc.shutdown(this.fd, SHUT_WR) < 0) {
      const error = errno();
      if (error !== ENOTCONN) throw this.#fail("shutdown", error);
      const cause = socketError(this.fd) || ECONNRESET;
      // The peer had ended in order, and left while we were still talking: it has all it wants, as we have all it said.
      if (cause === EPIPE && this.#kind.type === "tcp") this.#broken = true;
      else throw this.#fail("write", cause);
    }
  }

  abort(reason?: unknown): void {
    if (this.#released) return;
    const rest = this.#rest;
    if (reason !== undefined) {
      this.#failure = { reason };
      const bothEnded = this.#readEnded && this.#writeEnded && !rest;
      if (this.#kind.type === "tcp" && !bothEnded && !this.#kind.shared) {
        libc.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, linger(true, 0), 8);
      }
      this.release();
    } else if (this.#broken || (!rest && (this.#readEnded || this.#kind.shared || this.#kind.type === "plain"))) {
      this.release();
    } else {
      this.#failure = { reason: this.#closedError("stream") };
      this.#rest = undefined;
      this.#detach();
      sayFarewell(this.fd, this.#kind, rest, this.#shared);
    }
  }

  /** Closes the descriptor at once. */
  release(): void {
    if (this.#released) return;
    this.#failure ??= { reason: this.#closedError("driver") };
    this.#detach();
    releaseDescriptor(this.fd, this.#kind);
  }

  #closedError(what: string): StreamError {
    return new StreamError(`${this.info.name}: the ${what} has been closed`, { code: "ECANCELED" });
  }

  /** Gives up everything but the descriptor. */
  #detach(): void {
    this.#released = true;
    this.#shared.reactor.remove(this.#watch);
    // What was lent may still be in use (a write to a file, say), so it does not go back to the pool.
    this.#lent = undefined;
    this.#wakeAll();
  }

  /** Every waiting call finds the failure. */
  #wakeAll(): void {
    this.onReadable();
    this.onReadable();
    this.onWritable();
  }

  #endRead(): number {
    this.#readEnded = true;
    return 0;
  }

  #adapt(count: number, bytes: number): void {
    if (count === bytes) this.readBytes = Math.min(Math.max(bytes, this.readBytes) * 4, BufferPool.largest);
    else if (count * 8 < bytes) this.readBytes = Math.max(bytes >> 1, firstReadBytes);
  }

  /** As `#fail`, once everything that has arrived is read. */
  #failSending(number: number): StreamError {
    this.#unsendable = streamError("write", this.info.name, number);
    this.#broken = true;
    this.#wakeAll();
    return this.#unsendable;
  }

  /** Remembers the system's error, so that the other half cannot mistake what follows for a clean end. */
  #fail(call: string, number: number): StreamError {
    const error = streamError(call, this.info.name, number);
    this.#failure = { reason: error };
    this.#broken = true;
    this.#wakeAll();
    return error;
  }
}
