/** A framer: a codec that turns the bytes of a stream into messages and back, without I/O, and its use as a layer. */
import { LimitError, messageOf, StreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import { concat } from "./concat.ts";
import type { ByteStream, Datagram, DatagramStream } from "./stream.ts";

/** Finds messages in bytes. A state machine: no streams, no clock, no log. */
export interface Decoder {
  /** Gives it the next bytes, which must stay as they are until `next` has returned `null`. Call `next` until then. */
  push(chunk: Uint8Array): void;
  /**
   * The next whole message: a view of the chunk where it lies in one, otherwise memory of its own. `null`: needs more.
   * Throws `ProtocolError` or `LimitError`; the decoder is then of no more use.
   */
  next(): Uint8Array | null;
  /** The bytes have ended: the last message where the format needs no mark for it. Throws when one was cut. */
  end(): Uint8Array | null;
}

export interface Codec {
  decoder(): Decoder;
  /**
   * The pieces to write for one message, in order; they may be views of it. Throws `LimitError` for a message the
   * format cannot carry.
   */
  encode(message: Uint8Array): readonly Uint8Array[];
}

/** Small messages are gathered into writes of up to this size: one write a batch, without a copy of a big message. */
const gatherBytes = 65_536;

/**
 * Messages over `lower`, which it owns. Half-close, abort, back-pressure and errors pass through; `native` does not.
 * A message the codec cannot carry is dropped, counted and logged; a broken incoming one aborts `lower`.
 */
export function framed(lower: ByteStream, codec: Codec, log: Log): DatagramStream {
  return new FramedStream(lower, codec, log);
}

class FramedStream implements DatagramStream {
  readonly kind = "datagram";
  readonly info;
  readonly finished?: () => Promise<void>;
  dropped = 0;
  readonly #lower: ByteStream;
  readonly #codec: Codec;
  readonly #decoder: Decoder;
  readonly #log: Log;
  #ended = false;

  constructor(lower: ByteStream, codec: Codec, log: Log) {
    this.#lower = lower;
    this.#codec = codec;
    this.#decoder = codec.decoder();
    this.#log = log;
    this.info = lower.info;
    if (lower.finished) this.finished = () => lower.finished!();
  }

  async receive(): Promise<readonly Datagram[] | null> {
    if (this.#ended) return null;
    while (true) {
      const chunk = await this.#lower.read();
      try {
        const batch = chunk === null ? this.#last() : this.#messages(chunk);
        if (batch.length > 0) return batch;
        if (this.#ended) return null;
      } catch (error) {
        this.abort(error);
        throw error;
      }
    }
  }

  #messages(chunk: Uint8Array): Datagram[] {
    const batch: Datagram[] = [];
    this.#decoder.push(chunk);
    for (let data = this.#decoder.next(); data !== null; data = this.#decoder.next()) batch.push({ data });
    return batch;
  }

  #last(): Datagram[] {
    const data = this.#decoder.end();
    this.#ended = true;
    return data === null ? [] : [{ data }];
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    let gathered: Uint8Array[] = [];
    let bytes = 0;
    const flush = async () => {
      if (bytes > 0) await this.#lower.write(gathered.length === 1 ? gathered[0]! : concat(gathered));
      gathered = [];
      bytes = 0;
    };
    for (const { data } of batch) {
      for (const piece of this.#encode(data)) {
        if (bytes + piece.length > gatherBytes) await flush();
        gathered.push(piece);
        bytes += piece.length;
      }
    }
    await flush();
  }

  #encode(data: Uint8Array): readonly Uint8Array[] {
    try {
      return this.#codec.encode(data);
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      this.dropped++;
      this.#log.warn("datagram.dropped", `${messageOf(error)}, dropped`, { bytes: data.length });
      return [];
    }
  }

  closeWrite(): Promise<void> {
    return this.#lower.closeWrite();
  }

  abort(reason?: unknown): void {
    this.#lower.abort(reason);
  }
}

/** The error of a format whose last message lacks its end. */
export function cutMessage(format: string, have: number, need: string): StreamError {
  return new StreamError(`${format}: the stream ended inside a message (${have} bytes of ${need})`, { code: "CUT" });
}
