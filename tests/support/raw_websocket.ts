/** WebSocket by hand: handshakes and frames as bytes (RFC 6455 sections 4 and 5.2), also wrong ones. */
import { concat } from "../../lib/stream/concat.ts";

/** The key of section 1.3, and the value that accepts it. */
export const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==";
export const sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

export const continuation = 0;
export const textOpcode = 1;
export const binaryOpcode = 2;
export const closeOpcode = 8;
export const pingOpcode = 9;
export const pongOpcode = 10;

/** A client's request for an upgrade. */
export function upgradeRequest(path = "/", headers: readonly string[] = []): Uint8Array {
  return head([
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${sampleKey}`,
    "Sec-WebSocket-Version: 13",
    ...headers,
  ]);
}

/** A server's answer to `request`, which need not be more than its header lines. */
export async function upgradeAnswer(request: string, headers: readonly string[] = []): Promise<Uint8Array> {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request)![1];
  const hash = await crypto.subtle.digest("SHA-1", bytes(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`));
  return head([
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${new Uint8Array(hash).toBase64()}`,
    ...headers,
  ]);
}

function head(lines: readonly string[]): Uint8Array {
  return bytes([...lines, "", ""].join("\r\n"));
}

export interface FrameOptions {
  /** Default true. */
  readonly fin?: boolean;
  /** The three reserved bits as a number: 4 is RSV1. */
  readonly reserved?: number;
  /** Present: the frame is masked with it. */
  readonly mask?: readonly [number, number, number, number];
  /** Bytes of the length field, if not the fewest: 0, 2 or 8. */
  readonly lengthBytes?: 0 | 2 | 8;
}

export function frame(opcode: number, payload: string | Uint8Array = "", options: FrameOptions = {}): Uint8Array {
  const data = typeof payload === "string" ? bytes(payload) : payload;
  const { fin = true, reserved = 0, mask } = options;
  const lengthBytes = options.lengthBytes ?? (data.length < 126 ? 0 : data.length < 65_536 ? 2 : 8);
  const all = new Uint8Array(2 + lengthBytes + (mask ? 4 : 0) + data.length);
  all[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  all[1] = (mask ? 0x80 : 0) | (lengthBytes === 0 ? data.length : lengthBytes === 2 ? 126 : 127);
  const view = new DataView(all.buffer);
  if (lengthBytes === 2) view.setUint16(2, data.length);
  if (lengthBytes === 8) view.setBigUint64(2, BigInt(data.length));
  const at = all.length - data.length;
  if (mask) all.set(mask, at - 4);
  for (const [i, byte] of data.entries()) all[at + i] = mask ? byte ^ mask[i % 4]! : byte;
  return all;
}

/** Payload of a close frame (section 5.5.1). */
export function closePayload(code: number, reason: string | Uint8Array = ""): Uint8Array {
  const words = typeof reason === "string" ? bytes(reason) : reason;
  return new Uint8Array([code >> 8, code & 0xff, ...words]);
}

export interface Frame {
  readonly fin: boolean;
  readonly reserved: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** Empty where the frame is not masked. */
  readonly mask: Uint8Array;
  /** Unmasked. */
  readonly payload: Uint8Array;
}

/** Takes frames off the front of bytes that arrive in pieces. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): void {
    this.#bytes = concat([this.#bytes, chunk]);
  }

  /** Undefined: not complete yet. */
  next(): Frame | undefined {
    const all = this.#bytes;
    if (all.length < 2) return undefined;
    const short = all[1]! & 0x7f;
    const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
    const masked = (all[1]! & 0x80) !== 0;
    const at = 2 + lengthBytes + (masked ? 4 : 0);
    if (all.length < at) return undefined;
    const view = new DataView(all.buffer, all.byteOffset);
    const length = short < 126 ? short : short === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    if (all.length < at + length) return undefined;
    const mask = all.slice(masked ? at - 4 : at, at);
    const payload = all.slice(at, at + length).map((byte, i) => masked ? byte ^ mask[i % 4]! : byte);
    this.#bytes = all.slice(at + length);
    return { fin: all[0]! >= 0x80, reserved: (all[0]! >> 4) & 7, opcode: all[0]! & 15, masked, mask, payload };
  }

  /** Bytes of no complete frame. */
  get rest(): Uint8Array {
    return this.#bytes;
  }
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
