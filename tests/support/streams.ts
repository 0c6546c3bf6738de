/** Small helpers around streams for tests. */
import { concat } from "../../lib/stream/concat.ts";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** `length` bytes that differ from those at any other near offset; `seed` moves the pattern. */
export function patternBytes(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = (seed * 2_654_435_761 + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** Reads until `length` bytes are there or the stream ends. */
export async function readBytes(stream: ByteStream, length: number): Promise<Uint8Array> {
  const all = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const view = await stream.read();
    if (view === null) return all.subarray(0, at);
    if (view.length === 0) throw new Error("read() lent an empty view");
    if (view.length > length - at) throw new Error(`${view.length - (length - at)} bytes more than expected`);
    all.set(view, at);
    at += view.length;
  }
  return all;
}

/** Reads to the end. */
export async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let view = await stream.read(); view !== null; view = await stream.read()) parts.push(view.slice());
  return concat(parts);
}

/** Receives until `count` datagrams are there or the stream ends; the bytes are copied. */
export async function receiveSome(stream: DatagramStream, count: number): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  while (all.length < count) {
    const batch = await stream.receive();
    if (batch === null) break;
    for (const { data } of batch) all.push(data.slice());
  }
  return all;
}

/** Resolves when `value` has not changed for `quietMs`: nothing else tells that a writer is held back. */
export async function settledAt(value: () => number, quietMs = 60): Promise<number> {
  for (let last = value();;) {
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    if (value() === last) return last;
    last = value();
  }
}
