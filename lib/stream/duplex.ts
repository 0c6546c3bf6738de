/**
 * `ByteStream` to Node's Duplex and back, so that libraries written for sockets (ws, node:tls, node:http) run over any
 * stream of ours. `node:stream` is loaded at the first call.
 */
import type { Duplex } from "node:stream";
import { L7mpError, messageOf, StreamError } from "../errors.ts";
import type { ByteStream, StreamInfo } from "./stream.ts";

/** Bytes the Duplex holds in each direction before it stops reading, or asks its writer to wait. */
const bufferBytes = 65_536;

export interface DuplexOptions {
  /** Called for each block that comes from the lower stream. */
  readonly onBytes?: () => void;
  /**
   * The library takes all it wants of a block before `push` returns, and each block it writes is memory of its own that
   * it never looks at again (node:tls). So it gets the lower stream's views without a copy, and what it wrote is freed
   * as soon as it has gone.
   */
  readonly keepsNothing?: boolean;
}

export interface AdaptedDuplex {
  readonly duplex: Duplex;
  /** The lower stream's end has been read. A TLS `end` that comes before it was announced, one after it was a cut. */
  readonly sawEnd: boolean;
  /** The first error of the lower stream: libraries hide it behind words of their own. */
  readonly lowerError: unknown;
  /**
   * Stops reading while `upper` holds a full buffer that nobody fetched: node:tls reads on even when paused. Call
   * `demand` after each read of `upper`.
   */
  gate(upper: { readonly readableLength: number }): void;
  demand(): void;
}

/**
 * A Duplex over `lower`, which it owns: destroyed with an error it aborts `lower` with it; destroyed without one, as
 * after the end of both halves, it closes `lower` plainly and loses nothing that was written; what is behind `lower` (a
 * program) may leave by itself first, and whoever does not wait for that aborts `lower`. Half-close, end and
 * back-pressure pass in both directions.
 */
export async function toDuplex(lower: ByteStream, options: DuplexOptions = {}): Promise<AdaptedDuplex> {
  const { onBytes, keepsNothing = false } = options;
  const { Duplex } = await import("node:stream");
  const { Buffer } = await import("node:buffer");
  let upper: { readonly readableLength: number } | undefined;
  let wake = () => {};
  /** What the lower stream has lent and the Duplex has not asked for yet. */
  let rest: Uint8Array = new Uint8Array(0);
  let sawEnd = false;
  let lowerError: unknown;
  const fails = (error: unknown) => {
    lowerError ??= error;
    return error as Error;
  };
  const duplex = new Duplex({
    allowHalfOpen: true,
    readableHighWaterMark: bufferBytes,
    writableHighWaterMark: bufferBytes,
    async read() {
      try {
        while (upper && upper.readableLength >= bufferBytes && !duplex.destroyed) {
          await new Promise<void>((resolve) => wake = resolve);
        }
        if (duplex.destroyed) return;
        if (rest.length === 0) {
          const view = await lower.read();
          if (view === null) sawEnd = true;
          else onBytes?.();
          if (duplex.destroyed) return;
          if (view === null) return void duplex.push(null);
          rest = view;
        } else {
          // What is pushed later than `read` returns goes to a listener at once.
          await undefined;
          if (duplex.destroyed) return;
        }
        const block = rest.subarray(0, bufferBytes);
        rest = rest.subarray(bufferBytes);
        // The view is lent until the next read; what may stay longer is a copy of exact size.
        if (keepsNothing && passesOn(duplex)) duplex.push(Buffer.from(block.buffer, block.byteOffset, block.length));
        else duplex.push(Buffer.from(block));
      } catch (error) {
        duplex.destroy(fails(error));
      }
    },
    write(chunk: Uint8Array, _encoding, done) {
      // An empty write only asks to be told when those before it are through.
      if (chunk.length === 0) return done();
      const written = () => {
        if (keepsNothing) freeBlock(chunk);
        done();
      };
      lower.write(chunk).then(written, (error) => done(fails(error)));
    },
    writev(chunks: { chunk: Uint8Array }[], done) {
      const all = Buffer.concat(chunks.map(({ chunk }) => chunk));
      if (keepsNothing) { for (const { chunk } of chunks) freeBlock(chunk); }
      const written = () => {
        freeBlock(all);
        done();
      };
      lower.write(all).then(written, (error) => done(fails(error)));
    },
    final(done) {
      lower.closeWrite().then(() => done(), (error) => done(fails(error)));
    },
    destroy(error, done) {
      if (error || !lower.finished) lower.abort(error ?? undefined);
      else leave(lower);
      done(error);
    },
  });
  // Its owner may have let go of it when the lower stream fails: the error is kept, and must not end the process.
  duplex.on("error", () => {});
  // What libraries call on a socket and a stream does not have.
  for (const name of ["setTimeout", "setNoDelay", "setKeepAlive", "ref", "unref"]) {
    Object.defineProperty(duplex, name, { value: () => duplex });
  }
  return {
    duplex,
    get sawEnd() {
      return sawEnd;
    },
    get lowerError() {
      return lowerError;
    },
    gate(stream) {
      upper = stream;
    },
    demand() {
      wake();
    },
  };
}

/** Ends `lower`, and lets go of it when what is behind it is gone. */
function leave(lower: ByteStream): void {
  const release = () => lower.abort();
  lower.closeWrite().then(() => lower.finished!()).then(release, release);
}

/** What is pushed goes to a listener at once. */
function passesOn(duplex: Duplex): boolean {
  return duplex.readableFlowing === true && duplex.readableLength === 0 && duplex.listenerCount("data") > 0;
}

/** Smaller ones are left to the collector. */
const freedBytes = 4096;

/**
 * Gives memory back that nobody looks at any more, where `bytes` is all of it: left to the collector, some 64 MiB would
 * gather first. Afterwards `bytes` is empty.
 */
export function freeBlock({ buffer, length }: Uint8Array): void {
  if (length >= freedBytes && length === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** A `ByteStream` over a Duplex, which it owns. */
export function fromDuplex(duplex: Duplex, info: StreamInfo): ByteStream {
  return new DuplexStream(duplex, info);
}

class DuplexStream implements ByteStream {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly #duplex: Duplex;
  #wake = () => {};
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(duplex: Duplex, info: StreamInfo) {
    this.#duplex = duplex;
    this.info = info;
    duplex.on("readable", () => this.#wake());
    duplex.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    duplex.on("error", (error) => this.#fail(this.#asOurs(error, "read")));
    duplex.on("close", () => this.#fail(this.#closed("read")));
  }

  async read(): Promise<Uint8Array | null> {
    while (true) {
      if (this.#ended) return null;
      if (this.#failure) throw this.#failure.error;
      const chunk = this.#duplex.read() as Uint8Array | null;
      // A Buffer is no plain array: its `slice` does not copy.
      if (chunk !== null && chunk.length > 0) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
      if (chunk === null && !this.#ended) await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#call("write", (done) => this.#duplex.write(bytes, done));
  }

  async closeWrite(): Promise<void> {
    if (this.#duplex.writableEnded) return;
    await this.#call("closeWrite", (done) => this.#duplex.end(done));
  }

  #call(name: string, start: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => {
      start((error) => error ? reject(this.#failure?.error ?? this.#asOurs(error, name)) : resolve());
    });
  }

  abort(reason?: unknown): void {
    if (this.#failure) return;
    const bothEnded = this.#ended && this.#duplex.writableFinished;
    this.#fail(reason ?? this.#closed("read"));
    if (reason === undefined && !this.#duplex.writableFinished) this.#duplex.end(() => this.#duplex.destroy());
    else this.#duplex.destroy(reason === undefined || bothEnded ? undefined : asError(reason));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  #closed(call: string): StreamError {
    return new StreamError(`${call}(${this.info.name}): stream is closed`, { code: "CLOSED" });
  }

  #asOurs(error: unknown, call: string): unknown {
    if (error instanceof L7mpError) return error;
    const code = (error as { code?: string }).code;
    return new StreamError(`${call}(${this.info.name}): ${messageOf(error)}`, { code, cause: error });
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new StreamError(messageOf(reason), { cause: reason });
}
