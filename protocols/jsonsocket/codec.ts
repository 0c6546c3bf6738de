/**
 * The messages of JSONSocket version 1, and where they end. One message is one JSON object in UTF-8:
 *
 *     request:  {"JSONSocketVersion": 1, ...anything}
 *     response: {"JSONSocketVersion": 1, "JSONSocketStatus": 200, "JSONSocketMessage": "OK"}
 *
 * On a datagram stream a message is one datagram. On a byte stream it ends with its closing brace, and the next byte is
 * payload. White space before the opening brace is skipped.
 */
import { LimitError, ProtocolError } from "../../lib/errors.ts";

/** The one version there is. */
export const version = 1;

/** Largest message. The protocol says one MTU; byte streams and WebSockets carry more. */
export const messageBytes = 65_536;

/** Deeper messages are refused: what prints or compares them later goes down by recursion. */
const depthLimit = 100;

export type JsonObject = Record<string, unknown>;

const quote = 0x22;
const backslash = 0x5c;

/** Finds the end of the JSON object that a stream of bytes begins with. Its text is not checked, `parseMessage` does. */
export class MessageScanner {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  /**
   * Takes the next bytes, of which it keeps a copy. Gives the message and what came after it in this chunk once it is
   * complete. Throws `ProtocolError` for what cannot become one, and `LimitError` for what is too large or too deep.
   */
  push(chunk: Uint8Array): { readonly message: Uint8Array; readonly rest: Uint8Array } | undefined {
    const end = this.#scan(chunk);
    const part = end === undefined ? chunk : chunk.subarray(0, end);
    this.#length += part.length;
    if (this.#length > messageBytes) throw tooLarge();
    this.#chunks.push(part.slice());
    if (end === undefined) return undefined;
    const message = new Uint8Array(this.#length);
    let at = 0;
    for (const one of this.#chunks) {
      message.set(one, at);
      at += one.length;
    }
    return { message, rest: chunk.slice(end) };
  }

  /** Index after the closing brace; undefined: not in this chunk. */
  #scan(chunk: Uint8Array): number | undefined {
    for (const [i, byte] of chunk.entries()) {
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString) {
        if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inString = false;
      } else if (this.#depth === 0 && byte !== 0x7b) {
        if (!isSpace(byte)) throw new ProtocolError("the header is no JSON object");
      } else if (byte === quote) this.#inString = true;
      else if (byte === 0x7b || byte === 0x5b) {
        if (++this.#depth > depthLimit) throw new LimitError(`the header is nested more than ${depthLimit} deep`);
      } else if ((byte === 0x7d || byte === 0x5d) && --this.#depth === 0) return i + 1;
    }
    return undefined;
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b && byte !== 0x0c);
}

function tooLarge(): LimitError {
  return new LimitError(`the header is larger than ${messageBytes} bytes`);
}

/** Reads the datagram that is a message. Throws as `MessageScanner.push` does, and for what follows the object. */
export function parseDatagram(data: Uint8Array): JsonObject {
  if (data.length > messageBytes) throw tooLarge();
  const found = new MessageScanner().push(data);
  if (!found || !found.rest.every(isSpace)) throw new ProtocolError("the header is no JSON object");
  return parseMessage(found.message);
}

/** Reads a message found by `MessageScanner`. Throws `ProtocolError`. */
export function parseMessage(message: Uint8Array): JsonObject {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(message));
  } catch (cause) {
    throw new ProtocolError("the header is no JSON object", { cause });
  }
}

export function encodeMessage(message: JsonObject): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** A response; `JSONSocketMessage` is for people. */
export function response(status: number, message: string): JsonObject {
  return { JSONSocketVersion: version, JSONSocketStatus: status, JSONSocketMessage: message };
}

/** Why a request is refused; undefined: it is not. */
export function judgeRequest({ JSONSocketVersion: asked }: JsonObject): { status: number; reason: string } | undefined {
  if (asked === undefined) return { status: 400, reason: "JSONSocketVersion is missing" };
  if (!Number.isInteger(asked)) return { status: 400, reason: "JSONSocketVersion is no integer" };
  if (asked === version) return undefined;
  return { status: 505, reason: `JSONSocketVersion ${asked} is not supported, only ${version} is` };
}

/** Why a response means that there is no connection; undefined: it says there is one. */
export function judgeResponse(message: JsonObject): { reason: string; status?: number } | undefined {
  const { JSONSocketVersion: spoken, JSONSocketStatus: status, JSONSocketMessage: text } = message;
  if (spoken !== version) {
    const what = spoken === undefined ? "no JSONSocketVersion" : `JSONSocketVersion ${JSON.stringify(spoken)}`;
    return { reason: `the response has ${what}, and only ${version} is supported` };
  }
  if (status === undefined) return { reason: "the response has no JSONSocketStatus" };
  if (!Number.isInteger(status) || (status as number) < 100 || (status as number) > 599) {
    return { reason: `the response has the unknown JSONSocketStatus ${JSON.stringify(status)}` };
  }
  if ((status as number) >= 200 && (status as number) < 300) return undefined;
  const said = typeof text === "string" ? `: ${JSON.stringify(text)}` : "";
  return { reason: `refused with JSONSocketStatus ${status}${said}`, status: status as number };
}
