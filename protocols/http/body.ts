/**
 * The bodies of HTTP/1.1 messages (RFC 9112 sections 6 and 7) as decoders and encoders: no streams, no clock.
 *
 *     Content-Length    that many bytes
 *     chunked           hex size [; extensions] CR LF data CR LF ... 0 CR LF [trailers] CR LF
 *     close             all bytes until the connection ends
 */
import { LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import { Accumulator } from "../../lib/stream/accumulator.ts";
import type { Framing } from "./framing.ts";
import { encodeHead, type HeaderLine, latin1, parseTrailers } from "./head.ts";

/** Finds a body in bytes. Use: `push` a chunk, call `next` until it gives `null`; then `done` tells. */
export interface BodyDecoder {
  /** The body is complete. */
  readonly done: boolean;
  /** Fields after a chunked body, once it is done. */
  readonly trailers: readonly HeaderLine[];
  /** Gives it the next bytes, which must stay as they are until `next` has returned `null`. Not after `done`. */
  push(chunk: Uint8Array): void;
  /**
   * The next bytes of the body, a view of the chunk, never empty. `null`: it needs more, or is done. Throws
   * `ProtocolError` or `LimitError`; the decoder is then of no more use.
   */
  next(): Uint8Array | null;
  /** What came after the body in the last chunk, in memory of its own. Once done. */
  rest(): Uint8Array;
  /** The connection has ended. Throws `StreamError`, code `CUT`, where the body may not end here. */
  end(): void;
}

/** Writes a body: the pieces of each block, then the end. */
export interface BodyEncoder {
  /** What to write for `data`, in order; may hold views of it. Throws `StreamError` beyond a length given before. */
  encode(data: Uint8Array): readonly Uint8Array[];
  /**
   * What to write after the last, with `trailers` where the framing has a place for them; empty where nothing marks the
   * end. Throws `StreamError`, code `CUT`, before a length is reached.
   */
  end(trailers?: readonly HeaderLine[]): Uint8Array;
}

const empty: Uint8Array = new Uint8Array(0);

export function bodyDecoder(framing: Framing): BodyDecoder {
  switch (framing.kind) {
    case "length":
      return new LengthDecoder(framing.length);
    case "chunked":
      return new ChunkedDecoder();
    case "close":
      return new CloseDecoder();
  }
}

export function bodyEncoder(framing: Framing): BodyEncoder {
  switch (framing.kind) {
    case "length":
      return new LengthEncoder(framing.length);
    case "chunked":
      return new ChunkedEncoder();
    case "close":
      return { encode: (data) => [data], end: () => empty };
  }
}

class LengthDecoder implements BodyDecoder {
  readonly trailers = [];
  readonly #length: number;
  #left: number;
  #chunk = empty;
  #rest = empty;

  constructor(length: number) {
    this.#length = length;
    this.#left = length;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
  }

  next(): Uint8Array | null {
    const chunk = this.#chunk;
    if (chunk.length === 0) return null;
    this.#chunk = empty;
    if (chunk.length <= this.#left) {
      this.#left -= chunk.length;
      return chunk;
    }
    const data = chunk.subarray(0, this.#left);
    this.#rest = chunk.subarray(this.#left);
    this.#left = 0;
    return data.length > 0 ? data : null;
  }

  rest(): Uint8Array {
    return this.#rest.slice();
  }

  end(): void {
    if (this.done) return;
    throw cut(`${this.#left} of ${this.#length} bytes are missing`);
  }
}

class CloseDecoder implements BodyDecoder {
  readonly trailers = [];
  done = false;
  #chunk = empty;

  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
  }

  next(): Uint8Array | null {
    const chunk = this.#chunk;
    this.#chunk = empty;
    return chunk.length > 0 ? chunk : null;
  }

  rest(): Uint8Array {
    return empty;
  }

  end(): void {
    this.done = true;
  }
}

/** The longest line with a size, extensions included; and all trailers together. */
const maxSizeLineBytes = 1024;
const maxTrailerBytes = 16_384;

const carriageReturn = 13;
const lineFeed = 10;
// Thirteen digits are the most that a number holds exactly. Whitespace only before extensions (section 7.1.1).
const sizeLine = /^([0-9A-Fa-f]{1,13})(?:[ \t]*;[\t -~\x80-\xff]*)?$/;

/** Lines must end in CR LF here: programs that disagree about lone LFs in chunks can be played off against each other. */
export class ChunkedDecoder implements BodyDecoder {
  trailers: readonly HeaderLine[] = [];
  #state: "size" | "data" | "data end" | "trailers" | "done" = "size";
  /** Bytes of this chunk still to come, or of the CR LF after it. */
  #left = 0;
  /** The beginning of a line that was cut, and the trailers. */
  readonly #line = new Accumulator();
  #trailerLineStart = 0;
  #chunk = empty;
  #at = 0;

  get done(): boolean {
    return this.#state === "done";
  }

  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  next(): Uint8Array | null {
    while (this.#at < this.#chunk.length) {
      switch (this.#state) {
        case "size":
          this.#readSize();
          break;
        case "data": {
          const end = Math.min(this.#at + this.#left, this.#chunk.length);
          const data = this.#at === 0 && end === this.#chunk.length ? this.#chunk : this.#chunk.subarray(this.#at, end);
          this.#left -= data.length;
          this.#at = end;
          if (this.#left === 0) this.#expectLineEnd();
          return data;
        }
        case "data end":
          this.#readLineEnd();
          break;
        case "trailers":
          this.#readTrailers();
          break;
        case "done":
          return null;
      }
    }
    return null;
  }

  rest(): Uint8Array {
    return this.#chunk.slice(this.#at);
  }

  end(): void {
    if (!this.done) throw cut("the last chunk is missing");
  }

  #readSize(): void {
    const start = this.#at;
    const end = this.#chunk.indexOf(lineFeed, start);
    const part = this.#chunk.subarray(start, end < 0 ? this.#chunk.length : end + 1);
    this.#at += part.length;
    if (this.#line.length + part.length > maxSizeLineBytes) {
      throw new LimitError(`chunk size line of more than ${maxSizeLineBytes} bytes`, { code: "BAD_REQUEST" });
    }
    if (end < 0) return this.#line.append(part);
    let line: Uint8Array = part;
    if (this.#line.length > 0) {
      this.#line.append(part);
      line = this.#line.take();
    }
    if (line.length < 2 || line[line.length - 2] !== carriageReturn) throw malformed();
    const match = sizeLine.exec(latin1(line.subarray(0, -2)));
    if (!match) throw malformed();
    this.#left = parseInt(match[1]!, 16);
    this.#state = this.#left > 0 ? "data" : "trailers";
  }

  #expectLineEnd(): void {
    this.#state = "data end";
    this.#left = 2;
  }

  #readLineEnd(): void {
    const expected = this.#left === 2 ? carriageReturn : lineFeed;
    if (this.#chunk[this.#at++] !== expected) throw malformed();
    if (--this.#left === 0) this.#state = "size";
  }

  /** Line by line until an empty one. */
  #readTrailers(): void {
    const end = this.#chunk.indexOf(lineFeed, this.#at);
    const part = this.#chunk.subarray(this.#at, end < 0 ? this.#chunk.length : end + 1);
    this.#at += part.length;
    if (this.#line.length + part.length > maxTrailerBytes) {
      throw new LimitError(`trailers of more than ${maxTrailerBytes} bytes`, { code: "BAD_REQUEST" });
    }
    this.#line.append(part);
    if (end < 0) return;
    const { length } = this.#line;
    if (length < 2 || this.#line.at(length - 2) !== carriageReturn) throw malformed();
    if (length - this.#trailerLineStart > 2) {
      this.#trailerLineStart = length;
      return;
    }
    this.trailers = parseTrailers(this.#line.take());
    this.#state = "done";
  }
}

function malformed(): ProtocolError {
  return new ProtocolError("malformed chunk (RFC 9112 section 7.1)", { code: "BAD_REQUEST" });
}

function cut(why: string): StreamError {
  return new StreamError(`the connection closed inside the body: ${why}`, { code: "CUT" });
}

class LengthEncoder implements BodyEncoder {
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  encode(data: Uint8Array): readonly Uint8Array[] {
    if (data.length > this.#left) throw wrongLength("longer");
    this.#left -= data.length;
    return [data];
  }

  end(): Uint8Array {
    if (this.#left > 0) throw wrongLength("shorter");
    return empty;
  }
}

function wrongLength(how: string): StreamError {
  return new StreamError(`the body is ${how} than its Content-Length`, { code: "CUT" });
}

/** Up to this size a chunk is copied into one piece with its size line; beyond, copying costs more than two writes. */
const joinBytes = 32_768;

const lineEnd = new Uint8Array([carriageReturn, lineFeed]);

export class ChunkedEncoder implements BodyEncoder {
  encode(data: Uint8Array): readonly Uint8Array[] {
    // A chunk of size 0 would be the last.
    if (data.length === 0) return [];
    const size = data.length.toString(16);
    if (data.length > joinBytes) return [ascii(`${size}\r\n`), data, lineEnd];
    const start = size.length + 2;
    const all = new Uint8Array(start + data.length + 2);
    for (let i = 0; i < size.length; i++) all[i] = size.charCodeAt(i);
    all.set(lineEnd, size.length);
    all.set(data, start);
    all.set(lineEnd, start + data.length);
    return [all];
  }

  end(trailers: readonly HeaderLine[] = []): Uint8Array {
    return encodeHead("0", trailers);
  }
}

function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
