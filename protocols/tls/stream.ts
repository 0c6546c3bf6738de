/** One TLS connection over a byte stream, from before its handshake to its end. Both sides are alike. */
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { StreamError } from "../../lib/errors.ts";
import { type AdaptedDuplex, freeBlock, toDuplex } from "../../lib/stream/duplex.ts";
import type { ByteStream, StreamInfo } from "../../lib/stream/stream.ts";
import { flush, freeDrained, machineOf, type TlsMachine } from "./_library.ts";
import { closedInHandshake, cutError, handshakeError, streamFault } from "./messages.ts";
import { after } from "../../lib/stream/timer.ts";

/** How long a close may wait for a peer that does not read before the connection is dropped. */
const closingMs = 1000;

/**
 * Decrypted bytes and encrypted ones under way are bounded at 64 KiB each by the adapter's gate. The peer's close_notify
 * is the end; the end of `lower` without it is an error, for it may be an attacker's (RFC 8446 section 6.1).
 */
export class TlsStream implements ByteStream {
  readonly kind = "byte";
  readonly finished?: () => Promise<void>;
  readonly socket: TLSSocket;
  /** Set when the handshake is done. */
  info: StreamInfo;
  readonly #lower: Lower;
  readonly #adapted: AdaptedDuplex;
  readonly #machine: TlsMachine;
  readonly #queue = new Arrived();
  #established = false;
  #ended = false;
  #writeEnd: Promise<void> | undefined;
  #writeEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #wake = () => {};
  #changed = () => {};

  private constructor(lower: Lower, adapted: AdaptedDuplex, socket: TLSSocket) {
    this.#lower = lower;
    this.#adapted = adapted;
    this.socket = socket;
    this.#machine = machineOf(socket);
    freeDrained(this.#machine, freeBlock);
    this.info = { ...lower.info, name: `TLS ${lower.info.name}` };
    if (lower.finished) this.finished = () => lower.finished!();
    lower.beforeAbort = () => this.#alert();
    this.#listen();
  }

  /** Starts TLS over `lower`, which it owns, in a socket that `make` makes; `established` waits for the handshake. */
  static async start(lower: ByteStream, make: (duplex: Duplex) => TLSSocket): Promise<TlsStream> {
    const watched = new Lower(lower);
    const adapted = await toDuplex(watched, { keepsNothing: true });
    return new TlsStream(watched, adapted, make(adapted.duplex));
  }

  #listen(): void {
    const { socket, info: { name } } = this;
    const { duplex } = this.#adapted;
    let lowerEnded = false;
    // Before the library's own listener, which makes of it the same end as of a close_notify.
    duplex.prependListener("end", () => lowerEnded = true);
    duplex.on("error", () => this.#fail(this.#lost(this.#adapted.lowerError ?? closed(name))));
    // Decrypted bytes are taken here: they need no second queue, and the end shows its cause only now.
    socket.push = (chunk: Uint8Array | null) => {
      if (chunk !== null) this.#queue.push(chunk);
      // In TLS 1.3 all that a client has to say may come with the end of its handshake, and before we are told of that.
      else if (!this.#machine.isEstablished()) {
        const { lowerError } = this.#adapted;
        this.#fail(lowerError ? this.#lost(lowerError) : closedInHandshake(this.#lower.info.name));
      } else if (lowerEnded && !this.#ended) this.#fail(this.#adapted.lowerError ?? cutError(name));
      else this.#ended = true;
      this.#wake();
      // What holds the peer back is the gate below; the library's own brake is not meant to be released from here.
      return true;
    };
    this.#adapted.gate(this.#queue);
    socket.on("error", (error) => {
      const { lowerError } = this.#adapted;
      const { name: peer } = this.#lower.info;
      if (lowerError !== undefined) this.#fail(this.#lost(lowerError));
      else this.#fail(this.#established ? streamFault("read", name, error) : handshakeError(peer, error));
    });
    socket.on("close", () => this.#fail(closed(name)));
  }

  /** A fault of the stream below, in words that tell of the handshake while that lasts. */
  #lost(error: unknown): unknown {
    return this.#established ? error : handshakeError(this.#lower.info.name, error);
  }

  /** Resolves when `event` tells that the handshake is done; rejects when it failed, or with the signal's reason. */
  async established(event: "secure" | "secureConnect", signal: AbortSignal): Promise<void> {
    const onAbort = () => this.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await new Promise<void>((resolve) => {
        if (signal.aborted) onAbort();
        this.#changed = resolve;
        this.socket.once(event, () => resolve());
        if (this.#failure) resolve();
      });
      if (this.#failure) throw this.#failure.error;
      this.#established = true;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#queue.take();
      this.#adapted.demand();
      if (chunk) return chunk;
      if (this.#ended) return null;
      if (this.#failure) throw this.#failure.error;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error);
    if (this.#writeEnd) return Promise.reject(closed(this.info.name, "write"));
    if (bytes.length === 0) return Promise.resolve();
    return this.#settle("write", (done) => this.socket.write(bytes, done));
  }

  closeWrite(): Promise<void> {
    return this.#writeEnd ??= this.#failure ? Promise.reject(this.#failure.error) : this.#endWrite();
  }

  async #endWrite(): Promise<void> {
    this.#lower.parting = true;
    try {
      await this.#settle("closeWrite", (done) => this.socket.end(done));
      await this.#settle("closeWrite", (done) => this.#flush(done));
      // The library does not pass the end on; after close_notify nothing may follow (RFC 8446 section 6.1).
      await this.#settle("closeWrite", (done) => this.#adapted.duplex.end(done));
    } catch (error) {
      // A peer that ended may have left: there is nobody to say goodbye to, and nobody misses it.
      if (!this.#ended || !hasLeft(error)) throw error;
    }
    this.#writeEnded = true;
  }

  #settle(call: string, start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = () => reject(this.#failure!.error);
      // Between two steps it may have failed: nobody would tell the second.
      if (this.#failure) return fail();
      this.#onFail.add(fail);
      start((error) => {
        this.#onFail.delete(fail);
        if (!error) resolve();
        else reject(this.#failure?.error ?? this.#adapted.lowerError ?? streamFault(call, this.info.name, error));
      });
    });
  }
  readonly #onFail = new Set<() => void>();

  abort(reason?: unknown): void {
    if (this.#failure && this.#lower.aborted) return;
    const bothEnded = this.#ended && this.#writeEnded;
    const broken = this.#failure !== undefined || !this.#established;
    this.#fail(reason ?? closed(this.info.name));
    if (reason !== undefined && !bothEnded) this.#drop(reason);
    else if (broken || bothEnded) this.#drop();
    else this.#close();
  }

  /** close_notify, then the end of `lower`; both within a limit. */
  #close(): void {
    const timer = after(closingMs, () => this.#drop(closed(this.info.name)));
    const { duplex } = this.#adapted;
    const drop = () => {
      timer.stop();
      this.#drop();
    };
    duplex.once("close", drop);
    if (this.#writeEnd) this.#writeEnd.then(drop, drop);
    else this.socket.end(() => this.#flush(() => duplex.end(drop)));
  }

  #flush(done: (error?: Error) => void): void {
    flush(this.#machine, this.#adapted.duplex).then(() => done(), done);
  }

  #drop(reason?: unknown): void {
    this.#lower.abort(reason);
    this.socket.destroy();
    this.#adapted.duplex.destroy();
  }

  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#changed();
    this.#wake();
    for (const fail of this.#onFail) fail();
    this.#onFail.clear();
  }

  /** What the peer of a failed handshake should still hear. */
  #alert(): Uint8Array | undefined {
    return this.#established ? undefined : this.#machine.drainEncOut?.();
  }
}

function hasLeft(error: unknown): boolean {
  return ["EPIPE", "ECONNRESET"].includes((error as { code?: string }).code ?? "");
}

function closed(name: string, call = "read"): StreamError {
  return new StreamError(`${call}(${name}): stream is closed`, { code: "CLOSED" });
}

/** Decrypted bytes in order of arrival. */
class Arrived {
  readonly #chunks: Uint8Array[] = [];
  #lent: Uint8Array | undefined;
  readableLength = 0;

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.readableLength += chunk.length;
  }

  /** Lends the next bytes until the next call. */
  take(): Uint8Array | undefined {
    if (this.#lent) freeBlock(this.#lent);
    const chunk = this.#lent = this.#chunks.shift();
    if (!chunk) return undefined;
    this.readableLength -= chunk.length;
    // A Buffer is no plain array: its `slice` does not copy.
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
  }
}

/**
 * The stream below, which a failed handshake leaves only after its last words. A peer that has left hears no goodbye, which
 * is no fault by itself: what it had said before is still to be read, and tells whether that was all.
 */
class Lower implements ByteStream {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly finished?: () => Promise<void>;
  readonly #lower: ByteStream;
  aborted = false;
  /** From now on only close_notify is written. */
  parting = false;
  beforeAbort: () => Uint8Array | undefined = () => undefined;

  constructor(lower: ByteStream) {
    this.#lower = lower;
    this.info = lower.info;
    if (lower.finished) this.finished = () => lower.finished!();
  }
  read(): Promise<Uint8Array | null> {
    return this.#lower.read();
  }
  write(bytes: Uint8Array): Promise<void> {
    return this.#orGone(this.#lower.write(bytes));
  }
  closeWrite(): Promise<void> {
    return this.#orGone(this.#lower.closeWrite());
  }
  #orGone(written: Promise<void>): Promise<void> {
    if (!this.parting) return written;
    return written.catch((error) => {
      if (!hasLeft(error)) throw error;
    });
  }
  abort(reason?: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    const words = this.beforeAbort();
    if (!words || words.length === 0) return this.#lower.abort(reason);
    // A peer that does not take them is not waited for.
    this.#lower.write(words).catch(() => {});
    this.#lower.abort();
  }
}
