/** What lies under HTTP messages: a byte stream that takes back what was read too far, and one message read from it. */
import type { ByteStream, StreamInfo } from "../../lib/stream/stream.ts";
import { type BodyDecoder, bodyDecoder } from "./body.ts";
import type { Framing } from "./framing.ts";
import type { HeaderLine } from "./head.ts";

/** `lower`, which it owns, with bytes put back in front. Lives as long as the connection, over all its messages. */
export class Connection implements ByteStream {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly #lower: ByteStream;
  #unread: Uint8Array | undefined;

  constructor(lower: ByteStream) {
    this.#lower = lower;
    this.info = lower.info;
  }

  /** Puts back what was read too far: memory of its own. It is what `read` gives next. */
  unread(bytes: Uint8Array): void {
    this.#unread = bytes.length > 0 ? bytes : undefined;
  }

  /** Whether `read` has something without asking the lower stream. */
  get hasUnread(): boolean {
    return this.#unread !== undefined;
  }

  read(): Promise<Uint8Array | null> {
    const unread = this.#unread;
    if (unread === undefined) return this.#lower.read();
    this.#unread = undefined;
    return Promise.resolve(unread);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#lower.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#lower.closeWrite();
  }

  abort(reason?: unknown): void {
    this.#unread = undefined;
    this.#lower.abort(reason);
  }
}

/** Finds a head in bytes: `HeadReader`, `ResponseHeadReader`. */
interface HeadFinder<Head> {
  push(chunk: Uint8Array): { readonly head: Head; readonly rest: Uint8Array } | null;
}

/**
 * Reads a head; what comes after it is unread. `null`: the connection ended first. Rejects as the reader throws, or the
 * connection rejects.
 */
export async function readHead<Head>(connection: Connection, reader: HeadFinder<Head>): Promise<Head | null> {
  for (let chunk = await connection.read(); chunk !== null; chunk = await connection.read()) {
    const found = reader.push(chunk);
    if (!found) continue;
    connection.unread(found.rest);
    return found.head;
  }
  return null;
}

/** Reads one body; what comes after it is unread. */
export class BodyReader {
  readonly #connection: Connection;
  readonly #decoder: BodyDecoder;
  #ended = false;

  constructor(connection: Connection, framing: Framing) {
    this.#connection = connection;
    this.#decoder = bodyDecoder(framing);
    this.#ended = this.#decoder.done;
  }

  /** The body has been read to its end. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Fields after the body, once it has ended. */
  get trailers(): readonly HeaderLine[] {
    return this.#decoder.trailers;
  }

  /** As `ByteStream.read`; `null` is the end of the body. Rejects with `StreamError`, code `CUT`, for one that was cut. */
  async read(): Promise<Uint8Array | null> {
    if (this.#ended) return null;
    const decoder = this.#decoder;
    for (;;) {
      const data = decoder.next();
      if (data !== null) return data;
      if (decoder.done) return this.#end();
      const chunk = await this.#connection.read();
      if (chunk !== null) {
        decoder.push(chunk);
      } else {
        decoder.end();
        this.#ended = true;
        return null;
      }
    }
  }

  #end(): null {
    this.#connection.unread(this.#decoder.rest());
    this.#ended = true;
    return null;
  }
}
