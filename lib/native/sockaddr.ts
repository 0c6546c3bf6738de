/** Socket addresses to and from `struct sockaddr_in`, `sockaddr_in6` and `sockaddr_un`. */
import { ConfigError } from "../errors.ts";
import { parseIp } from "../stream/net_range.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { AF_INET, AF_INET6, AF_UNIX, sockaddrIn, sockaddrIn6, sockaddrUn } from "./layout.ts";
import { cString, libc } from "./libc.ts";

const familyNumbers = { unix: AF_UNIX, inet: AF_INET, inet6: AF_INET6 } as const;

/** AF_UNIX, AF_INET or AF_INET6. */
export function familyOf(address: SocketAddress): number {
  return familyNumbers[address.family];
}

/**
 * The bytes of `address`, exactly as long as the kernel wants them. A leading `@` of a UNIX path is an abstract name.
 * Throws `ConfigError` for a path that does not fit, a host that is not an IP address, a zone that does not exist.
 */
export function encodeSockaddr(address: SocketAddress): Uint8Array<ArrayBuffer> {
  if (address.family === "unix") return encodeUnix(address.path);
  const ip = parseIp(address.host);
  if (!ip || (address.family === "inet") !== (ip.length === 4)) {
    throw new ConfigError(`"${address.host}" is not an IPv${address.family === "inet" ? 4 : 6} address`);
  }
  const bytes = new Uint8Array(ip.length === 4 ? sockaddrIn.size : sockaddrIn6.size);
  const view = new DataView(bytes.buffer);
  view.setUint16(sockaddrIn.family, familyOf(address), true);
  view.setUint16(sockaddrIn.port, address.port, false);
  bytes.set(ip, ip.length === 4 ? sockaddrIn.address : sockaddrIn6.address);
  const zone = /%(.+)$/.exec(address.host)?.[1];
  if (zone !== undefined) view.setUint32(sockaddrIn6.scope, interfaceIndex(zone), true);
  return bytes;
}

function encodeUnix(path: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path);
  const limit = sockaddrUn.pathBytes - 1;
  if (name.length > limit) {
    throw new ConfigError(`UNIX socket name "${path}" has ${name.length} bytes, the limit is ${limit}`);
  }
  const abstract = path.startsWith("@");
  const bytes = new Uint8Array(sockaddrUn.path + name.length + (abstract ? 0 : 1));
  new DataView(bytes.buffer).setUint16(sockaddrUn.family, AF_UNIX, true);
  bytes.set(name, sockaddrUn.path);
  if (abstract) bytes[sockaddrUn.path] = 0;
  return bytes;
}

/** The address in the first `length` bytes of `bytes`. */
export function decodeSockaddr(bytes: Uint8Array, length: number): SocketAddress {
  const family = length < 2 ? AF_UNIX : bytes[0]! | bytes[1]! << 8;
  if (family === AF_INET) {
    const port = bytes[sockaddrIn.port]! << 8 | bytes[sockaddrIn.port + 1]!;
    return { family: "inet", host: bytes.subarray(sockaddrIn.address, sockaddrIn.address + 4).join("."), port };
  }
  if (family === AF_INET6) {
    const port = bytes[sockaddrIn6.port]! << 8 | bytes[sockaddrIn6.port + 1]!;
    const host = formatIp6(bytes.subarray(sockaddrIn6.address, sockaddrIn6.address + 16));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const scope = view.getUint32(sockaddrIn6.scope, true);
    return { family: "inet6", host: scope === 0 ? host : `${host}%${interfaceName(scope)}`, port };
  }
  const start = sockaddrUn.path;
  if (length <= start) return { family: "unix", path: "" };
  if (bytes[start] === 0) {
    return { family: "unix", path: "@" + new TextDecoder().decode(bytes.slice(start + 1, length)) };
  }
  const end = bytes.subarray(start, length).indexOf(0);
  return { family: "unix", path: new TextDecoder().decode(bytes.slice(start, end < 0 ? length : start + end)) };
}

/** Text of an IPv6 address, RFC 5952: lower case, the longest run of zero words (two or more) as `::`. */
export function formatIp6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! << 8 | bytes[2 * i + 1]!);
  const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (mapped) return `::ffff:${bytes.subarray(12, 16).join(".")}`;
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: number[]) => part.map((word) => word.toString(16)).join(":");
  if (best.start < 0) return text(words);
  return `${text(words.slice(0, best.start))}::${text(words.slice(best.start + best.length))}`;
}

/** The kernel's number of an interface given by name or number. Throws `ConfigError` where there is none. */
export function interfaceIndex(name: string): number {
  const index = /^\d+$/.test(name) ? Number(name) : libc.if_nametoindex(cString(name));
  if (index === 0) throw new ConfigError(`there is no network interface "${name}"`);
  return index;
}

function interfaceName(index: number): string {
  const name = new Uint8Array(16);
  if (libc.if_indextoname(index, name) === null) return String(index);
  return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
}
