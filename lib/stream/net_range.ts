/** Networks that peers are checked against (`range=10.0.0.0/8`, `10.0.0.0:255.0.0.0`, `[fd00::]/8`, or an address). */
import type { SocketAddress } from "./stream.ts";

export interface Net {
  readonly text: string;
  /** Address bytes, already masked. */
  readonly bytes: Uint8Array;
  /** As long; its ones need not stand together. */
  readonly mask: Uint8Array;
}

/** Reads a network. Throws `SyntaxError` whose message says what was expected. */
export function parseNet(text: string): Net {
  const bad = (): never => {
    throw new SyntaxError(`"${text}" is not address/bits`);
  };
  const [, before, dotted] = /^([^/:]+):([\d.]+)$/.exec(text) ?? [];
  const [, host, bits] = /^(\[[^\]]+\]|[^/]+)(?:\/(\d{1,3}))?$/.exec(before ?? text) ?? bad();
  const bytes = parseIp(host === "localhost" ? "127.0.0.1" : host!.replace(/^\[(.*)\]$/, "$1")) ?? bad();
  const mask = dotted === undefined ? maskOf(bits, bytes.length) : parseIp(dotted);
  if (mask?.length !== bytes.length) return bad();
  return { text, bytes: masked(bytes, mask), mask };
}

/** As many bytes, whose first `bits` (default all) are ones; undefined: there are not so many. */
function maskOf(bits: string | undefined, length: number): Uint8Array | undefined {
  const ones = bits === undefined ? length * 8 : Number(bits);
  if (ones > length * 8) return undefined;
  return Uint8Array.from({ length }, (_, i) => 0xff00 >> Math.min(8, Math.max(0, ones - i * 8)));
}

export function printNet(net: Net): string {
  return net.text;
}

/** Whether `address` lies in one of `nets`; no nets allow all. IPv4 peers of IPv6 sockets count as IPv4. */
export function inNets(address: SocketAddress, nets: readonly Net[] | undefined): boolean {
  if (!nets || nets.length === 0) return true;
  if (address.family === "unix") return true;
  let bytes = parseIp(address.host);
  if (!bytes) return false;
  if (isMapped(bytes)) bytes = bytes.subarray(12);
  return nets.some((net) =>
    net.bytes.length === bytes.length && masked(bytes, net.mask).every((b, i) => b === net.bytes[i])
  );
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((b) => b === 0);
}

function masked(bytes: Uint8Array, mask: Uint8Array): Uint8Array {
  return bytes.map((b, i) => b & mask[i]!);
}

/** The 4 or 16 bytes of a literal IP address (a `%zone` is ignored), or undefined. */
export function parseIp(text: string): Uint8Array<ArrayBuffer> | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4) {
    const parts = v4.slice(1).map(Number);
    return parts.every((n) => n < 256) ? new Uint8Array(parts) : undefined;
  }
  if (!text.includes(":")) return undefined;
  let body = text.replace(/%.*$/, "");
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(body);
  if (tail) {
    const four = parseIp(tail[2]!);
    if (!four) return undefined;
    body = `${tail[1]}${(four[0]! << 8 | four[1]!).toString(16)}:${(four[2]! << 8 | four[3]!).toString(16)}`;
  }
  const halves = body.split("::");
  if (halves.length > 2) return undefined;
  const words = (part: string) => part === "" ? [] : part.split(":");
  const left = words(halves[0]!);
  const right = halves.length === 2 ? words(halves[1]!) : [];
  const missing = 8 - left.length - right.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...left, ...Array(missing).fill("0"), ...right];
  if (!all.every((w) => /^[0-9a-fA-F]{1,4}$/.test(w))) return undefined;
  return new Uint8Array(all.flatMap((w) => [parseInt(w, 16) >> 8, parseInt(w, 16) & 255]));
}
