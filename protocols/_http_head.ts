/**
 * The head of an HTTP/1.1 message (RFC 9112 sections 2 to 5), found in bytes, and that of a request read. Pure: no
 * streams, no clock.
 */
import { LimitError, ProtocolError } from "../lib/errors.ts";
import { Accumulator } from "../lib/stream/accumulator.ts";

export interface RequestHead {
  readonly method: string;
  /** As written: `/chat?room=1`, `*`, or a whole URL. */
  readonly target: string;
  /** `1.0` or `1.1`. */
  readonly version: string;
  /** Names in lower case; the values of a repeated one joined by a comma and a space. */
  readonly headers: Readonly<Record<string, string>>;
}

const lineFeed = 10;
const carriageReturn = 13;

/** Collects bytes until the empty line that ends a head. */
export class HeadBytes {
  readonly #what: string;
  readonly #maxBytes: number;
  readonly #ignoreCr: boolean;
  readonly #bytes = new Accumulator();
  /** How far the search for the end has come. */
  #searched = 0;

  /**
   * `what` is the head's name in errors, `maxBytes` bounds it, its last empty line included. With `ignoreCr` a line is
   * empty, however many CR it has.
   */
  constructor(what: string, maxBytes: number, ignoreCr = false) {
    this.#what = what;
    this.#maxBytes = maxBytes;
    this.#ignoreCr = ignoreCr;
  }

  /**
   * Takes the next bytes. `null`: the head is not complete. Otherwise the head with its empty line, and the bytes that
   * came after it, both in memory of their own. Throws `LimitError` beyond the bound.
   */
  push(chunk: Uint8Array): { head: Uint8Array; rest: Uint8Array } | null {
    this.#bytes.append(chunk);
    const end = this.#findEnd();
    if ((end ?? this.#bytes.length) > this.#maxBytes) {
      throw new LimitError(`${this.#what} head of more than ${this.#maxBytes} bytes`, { code: "HEAD_TOO_BIG" });
    }
    if (end === null) return null;
    const all = this.#bytes.take();
    this.#searched = 0;
    return { head: all.subarray(0, end), rest: all.subarray(end) };
  }

  /** Index after the empty line. A line may end in LF alone (RFC 9112 section 2.2). */
  #findEnd(): number | null {
    for (let i = this.#searched; i < this.#bytes.length; i++) {
      if (this.#bytes.at(i) !== lineFeed) continue;
      let before = i - 1;
      if (before >= 0 && this.#bytes.at(before) === carriageReturn) before--;
      while (this.#ignoreCr && before >= 0 && this.#bytes.at(before) === carriageReturn) before--;
      if (before >= 0 && this.#bytes.at(before) === lineFeed) return i + 1;
    }
    this.#searched = this.#bytes.length;
    return null;
  }
}

/** Finds and reads the head of a request. */
export class HeadReader {
  readonly #bytes: HeadBytes;

  /** `maxBytes` bounds the head, its last empty line included. */
  constructor(maxBytes: number) {
    this.#bytes = new HeadBytes("request", maxBytes);
  }

  /**
   * Takes the next bytes. `null`: the head is not complete. Otherwise the head, and the bytes that came after it, in
   * memory of their own. Throws `LimitError` beyond the bound, `ProtocolError` for a malformed head.
   */
  push(chunk: Uint8Array): { head: RequestHead; rest: Uint8Array } | null {
    const found = this.#bytes.push(chunk);
    return found && { head: parseRequestHead(found.head), rest: found.rest };
  }
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads a complete head, empty line included. Throws `ProtocolError` naming the section of RFC 9112. */
export function parseRequestHead(bytes: Uint8Array): RequestHead {
  const lines = latin1(bytes).split("\n").map((line) => line.replace(/\r$/, ""));
  // deno-lint-ignore no-control-regex
  const requestLine = /^([^\s\x00-\x1f\x7f]+) ([^\s\x00-\x1f\x7f]+) HTTP\/(1\.[01])$/.exec(lines[0]!);
  if (!requestLine || !token.test(requestLine[1]!)) throw malformed("request line", "3");
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines.slice(1, -2)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    // deno-lint-ignore no-control-regex
    if (colon < 1 || !token.test(name) || /[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw malformed("header line", "5");
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { method: requestLine[1]!, target: requestLine[2]!, version: requestLine[3]!, headers };
}

function malformed(what: string, section: string): ProtocolError {
  return new ProtocolError(`malformed ${what} (RFC 9112 section ${section})`, { code: "BAD_REQUEST" });
}

/** Bytes to characters of the same numbers: a head may hold any byte in its values. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
