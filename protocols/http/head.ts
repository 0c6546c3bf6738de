/**
 * The heads of HTTP/1.x messages (RFC 9112 sections 2 to 5): found in bytes, read strictly, and written. Pure: no
 * streams, no clock.
 *
 *     GET /chat?room=1 HTTP/1.1 CR LF      or      HTTP/1.1 200 OK CR LF
 *     Name: value CR LF                            Name: value CR LF
 *     CR LF                                        CR LF
 *
 * A line may end in LF alone (section 2.2). Everything in doubt is refused, because two programs that read a head
 * differently are how requests are smuggled: folded lines, whitespace before a colon, a CR elsewhere, control characters.
 */
import { LimitError, ProtocolError } from "../../lib/errors.ts";
import { Accumulator } from "../../lib/stream/accumulator.ts";
import { isToken } from "./token.ts";

/** One header line: the name as it was written, and the value without the whitespace around it. */
export type HeaderLine = readonly [name: string, value: string];

interface MessageHead {
  /** `1.0` or `1.1`. */
  readonly version: string;
  /** All header lines, in order. */
  readonly lines: readonly HeaderLine[];
  /** Names in lower case; the values of a repeated one joined by a comma and a space. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface RequestHead extends MessageHead {
  readonly method: string;
  /** As written: `/chat?room=1`, `*`, or a whole URL. */
  readonly target: string;
}

export interface ResponseHead extends MessageHead {
  readonly status: number;
  /** Empty where the server gave none. */
  readonly reason: string;
}

/** More header lines than this are refused, within whatever size. */
const maxHeaderLines = 200;

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

  /** Bytes of an incomplete head that have come so far. */
  get length(): number {
    return this.#bytes.length;
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

  /** Index after the empty line. */
  #findEnd(): number | null {
    const bytes = this.#bytes;
    for (let i = bytes.indexOf(lineFeed, this.#searched); i >= 0; i = bytes.indexOf(lineFeed, i + 1)) {
      let before = i - 1;
      if (before >= 0 && bytes.at(before) === carriageReturn) before--;
      while (this.#ignoreCr && before >= 0 && bytes.at(before) === carriageReturn) before--;
      if (before >= 0 && bytes.at(before) === lineFeed) return i + 1;
    }
    this.#searched = bytes.length;
    return null;
  }
}

/** Finds heads and reads them with `parse`. */
class Reader<Head> {
  readonly #bytes: HeadBytes;
  readonly #parse: (bytes: Uint8Array) => Head;

  constructor(what: string, maxBytes: number, parse: (bytes: Uint8Array) => Head) {
    this.#bytes = new HeadBytes(what, maxBytes);
    this.#parse = parse;
  }

  /** Bytes of an incomplete head that have come so far. */
  get length(): number {
    return this.#bytes.length;
  }

  /**
   * Takes the next bytes. `null`: the head is not complete. Otherwise the head, and the bytes that came after it, in
   * memory of their own. Throws `LimitError` beyond the bound, `ProtocolError` for a malformed head.
   */
  push(chunk: Uint8Array): { head: Head; rest: Uint8Array } | null {
    const found = this.#bytes.push(chunk);
    return found && { head: this.#parse(found.head), rest: found.rest };
  }
}

/** Finds and reads the head of a request. */
export class HeadReader extends Reader<RequestHead> {
  /** `maxBytes` bounds the head, its last empty line included. */
  constructor(maxBytes: number) {
    super("request", maxBytes, parseRequestHead);
  }

  /**
   * As for any head, but empty lines before it are passed over (RFC 9112 section 2.2); what no request begins with is
   * refused at once, since its end might never come.
   */
  override push(chunk: Uint8Array): { head: RequestHead; rest: Uint8Array } | null {
    if (this.length > 0) return super.push(chunk);
    const start = afterEmptyLines(chunk);
    if (start === chunk.length) return null;
    checkBeginning(chunk[start]!);
    return super.push(chunk.subarray(start));
  }
}

/** Index of the first byte that is none of an empty line. */
export function afterEmptyLines(bytes: Uint8Array): number {
  let i = 0;
  while (bytes[i] === carriageReturn || bytes[i] === lineFeed) i++;
  return i;
}

/** First byte of a TLS handshake: the content type of its record (RFC 8446 section 5.1). */
const tlsHandshake = 22;

function checkBeginning(byte: number): void {
  if (byte === tlsHandshake) {
    const message = "this is TLS, which is not spoken here: http: and ws: reach it, https: and wss: do not";
    throw new ProtocolError(message, { code: "BAD_REQUEST" });
  }
  if (!isToken(String.fromCharCode(byte))) throw malformed("request line", "3");
}

/** Finds and reads the head of a response. */
export class ResponseHeadReader extends Reader<ResponseHead> {
  /** `maxBytes` bounds the head, its last empty line included. */
  constructor(maxBytes: number) {
    super("response", maxBytes, parseResponseHead);
  }

  /** As for any head; what no response begins with is refused at once, since a server of another kind then waits. */
  override push(chunk: Uint8Array): { head: ResponseHead; rest: Uint8Array } | null {
    if (this.length === 0 && chunk.length > 0 && !beginsResponse(chunk)) {
      throw malformedStatus("; is it an HTTP server?");
    }
    return super.push(chunk);
  }
}

/** Whether a response may begin with these bytes, of which there is one at least: its first is that of `HTTP/`. */
export function beginsResponse(bytes: Uint8Array): boolean {
  return bytes[0] === 72;
}

// Octets above 127 are opaque, as in header values (RFC 9110 section 5.5): some clients send a path in UTF-8.
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~\x80-\xff]+) HTTP\/(1\.[01])$/;
// Several spaces, and none after the code, are accepted: there are servers that write so.
const statusLine = /^HTTP\/(1\.[01]) +([1-9]\d\d)(?: +([\t -~\x80-\xff]*))?$/;
// deno-lint-ignore no-control-regex
const forbidden = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Reads a complete head, empty line included. Throws `ProtocolError` naming the section of RFC 9112. */
export function parseRequestHead(bytes: Uint8Array): RequestHead {
  const lines = linesOf(bytes);
  const line = requestLine.exec(lines[0]!);
  if (!line) {
    if (/ HTTP\/[2-9]/.test(lines[0]!)) {
      throw new ProtocolError("only HTTP/1.0 and 1.1 are spoken here (RFC 9110 section 15.6.6)", {
        code: "BAD_VERSION",
      });
    }
    throw malformed("request line", "3");
  }
  return { method: line[1]!, target: line[2]!, version: line[3]!, ...readHeaders(lines) };
}

/** Reads a complete head, empty line included. Throws `ProtocolError` naming the section of RFC 9112. */
export function parseResponseHead(bytes: Uint8Array): ResponseHead {
  const lines = linesOf(bytes);
  const line = statusLine.exec(lines[0]!);
  if (!line) {
    throw malformedStatus(lines[0]!.startsWith("HTTP/") ? "" : "; is it an HTTP server?");
  }
  return { version: line[1]!, status: Number(line[2]), reason: (line[3] ?? "").trim(), ...readHeaders(lines) };
}

/** Reads the trailers of a chunked body, empty line included. Throws as `parseRequestHead` does. */
export function parseTrailers(bytes: Uint8Array): readonly HeaderLine[] {
  return readHeaders(["", ...linesOf(bytes)]).lines;
}

function linesOf(bytes: Uint8Array): string[] {
  const lines = latin1(bytes).split("\n");
  for (const [i, line] of lines.entries()) if (line.endsWith("\r")) lines[i] = line.slice(0, -1);
  return lines;
}

/** All lines but the first, and but the empty one at the end with what follows its LF. */
function readHeaders(all: readonly string[]): Pick<MessageHead, "lines" | "headers"> {
  if (all.length - 3 > maxHeaderLines) {
    throw new LimitError(`more than ${maxHeaderLines} header lines`, { code: "HEAD_TOO_BIG" });
  }
  const lines: HeaderLine[] = [];
  const headers: Record<string, string> = Object.create(null);
  for (let i = 1; i < all.length - 2; i++) {
    const line = all[i]!;
    const colon = line.indexOf(":");
    const written = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    if (colon < 1 || !isToken(written) || forbidden.test(value)) throw malformed("header line", "5");
    const name = written.toLowerCase();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    lines.push([written, value]);
  }
  return { lines, headers };
}

function malformed(what: string, section: string): ProtocolError {
  return new ProtocolError(`malformed ${what} (RFC 9112 section ${section})`, { code: "BAD_REQUEST" });
}

function malformedStatus(hint: string): ProtocolError {
  return new ProtocolError(`malformed status line (RFC 9112 section 4)${hint}`, { code: "BAD_RESPONSE" });
}

/** Bytes to characters of the same numbers: a head may hold any byte in its values. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  // As many arguments as a call may have on every engine.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192) as unknown as number[]);
  }
  return text;
}

/**
 * A head as bytes, empty line included: `GET / HTTP/1.1` or `HTTP/1.1 200 OK`, then the header lines. Characters up to
 * 255 become bytes of the same number, as they were read. Throws `RangeError` for a line that would be two.
 */
export function encodeHead(first: string, lines: readonly HeaderLine[]): Uint8Array {
  let text = `${first}\r\n`;
  for (const [name, value] of lines) text += `${name}: ${value}\r\n`;
  text += "\r\n";
  const bytes = new Uint8Array(text.length);
  let breaks = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) throw new RangeError(`a head cannot hold ${JSON.stringify(text[i])}`);
    if (code === lineFeed || code === carriageReturn || code === 0) breaks++;
    bytes[i] = code;
  }
  if (breaks !== 2 * (lines.length + 2)) throw new RangeError("a line of a head must not hold CR, LF or NUL");
  return bytes;
}

/** UTF-8 text as characters of its bytes' numbers, for values that `encodeHead` writes. */
export function utf8Value(text: string): string {
  return latin1(new TextEncoder().encode(text));
}

/** The items of a header whose value is a list (RFC 9110 section 5.6.1), in lower case. */
export function listOf(value: string | undefined): readonly string[] {
  if (value === undefined) return [];
  return value.toLowerCase().split(",").map((item) => item.trim()).filter((item) => item !== "");
}
