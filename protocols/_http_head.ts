/**
 * The head of an HTTP/1.1 request (RFC 9112 sections 2 to 5), found in bytes and read. Pure: no streams, no clock.
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
export class HeadReader {
  readonly #maxBytes: number;
  readonly #bytes = new Accumulator();
  /** How far the search for the end has come. */
  #searched = 0;

  /** `maxBytes` bounds the head, its last empty line included. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next bytes. `null`: the head is not complete. Otherwise the head, and the bytes that came after it, in
   * memory of their own. Throws `LimitError` beyond the bound, `ProtocolError` for a malformed head.
   */
  push(chunk: Uint8Array): { head: RequestHead; rest: Uint8Array } | null {
    this.#bytes.append(chunk);
    const end = this.#findEnd();
    if ((end ?? this.#bytes.length) > this.#maxBytes) {
      throw new LimitError(`request head of more than ${this.#maxBytes} bytes`, { code: "HEAD_TOO_BIG" });
    }
    if (end === null) return null;
    const all = this.#bytes.take();
    return { head: parseRequestHead(all.subarray(0, end)), rest: all.subarray(end) };
  }

  /** Index after the empty line. A line may end in LF alone (RFC 9112 section 2.2). */
  #findEnd(): number | null {
    for (let i = this.#searched; i < this.#bytes.length; i++) {
      if (this.#bytes.at(i) !== lineFeed) continue;
      const before = i > 0 && this.#bytes.at(i - 1) === carriageReturn ? i - 2 : i - 1;
      if (before >= 0 && this.#bytes.at(before) === lineFeed) return i + 1;
    }
    this.#searched = this.#bytes.length;
    return null;
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
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
