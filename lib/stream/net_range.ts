/** Networks that peers are checked against (`range=10.0.0.0/8`, `10.0.0.0:255.0.0.0`, `[fd00::]/8`, or an address). */
import type { SocketAddress } from "./stream.ts";

export interface Net {
  readonly text: string;
  readonly family: 4 | 6;
  /** Address bytes, already masked. */
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** Reads a network. Throws `SyntaxError` whose message says what was expected. */
export function parseNet(text: string): Net {
  const bad = (): never => {
    throw new SyntaxError(`"${text}" is not address/bits`);
  };
  const mask4 = /^([\d.]+):([\d.]+)$/.exec(text);
  const slash = /^(\[[^\]]+\]|[^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const host = mask4 ? mask4[1]! : slash ? slash[1]!.replace(/^\[(.*)\]$/, "$1") : bad();
  const bytes = parseIp(host === "localhost" ? "127.0.0.1" : host) ?? bad();
  const size = bytes.length * 8;
  let bits = slash?.[2] === undefined ? size : Number(slash[2]);
  if (mask4) {
    const mask = parseIp(mask4[2]!) ?? bad();
    bits = [...mask].map((b) => b.toString(2).padStart(8, "0")).join("").indexOf("0");
    if (bits < 0) bits = 32;
  }
  if (bits > size) bad();
  return { text, family: size === 32 ? 4 : 6, bytes: masked(bytes, bits), bits };
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
    (net.family === 4 ? 4 : 16) === bytes.length && masked(bytes, net.bits).every((b, i) => b === net.bytes[i])
  );
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((b) => b === 0);
}

function masked(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((b, i) => b & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))) & 0xff);
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
