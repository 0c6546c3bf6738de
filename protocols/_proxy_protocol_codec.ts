/**
 * The header of the PROXY protocol (HAProxy's specification, sections 2.1 and 2.2), written and read. Pure: no streams,
 * no clock.
 *
 *     version 1   PROXY TCP4 source destination port port CR LF          or TCP6, or UNKNOWN and anything
 *     version 2   12 bytes of signature, version and command, family, length (2), addresses, facts (type, length, value)
 */
import { LimitError, ProtocolError } from "../lib/errors.ts";
import { Accumulator } from "../lib/stream/accumulator.ts";
import { concat } from "../lib/stream/concat.ts";
import { parseIp } from "../lib/stream/net_range.ts";
import type { SocketAddress } from "../lib/stream/stream.ts";
import type { Dialogue } from "./_dialogue.ts";

/** The ends of the original connection. */
export interface ProxiedAddresses {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
}

export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Absent: the header says nothing of them (UNKNOWN, LOCAL, a family without addresses); the connection's own hold. */
  readonly addresses?: ProxiedAddresses;
  /** Server name the client asked for (TLS), protocol it chose, name of the connection: where version 2 tells. */
  readonly authority?: string;
  readonly alpn?: string;
  readonly uniqueId?: Uint8Array;
}

const signature = new Uint8Array([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const line = new TextEncoder().encode("PROXY ");
const maxLineBytes = 107;
const fixedBytes = 16;
/** More than any known sender has to say; the format would allow 64 KiB. */
const maxBytes = 4096;
const command = { local: 0x20, proxy: 0x21 } as const;
const families = { inet: 0x11, inet6: 0x21, unix: 0x31 } as const;
const addressBytes = { inet: 12, inet6: 36, unix: 216 } as const;
const pathBytes = 108;
const fact = { alpn: 1, authority: 2, checksum: 3, uniqueId: 5 } as const;

const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder();

/** Writes a header; without addresses one that says nothing of them. */
export function encodeProxyHeader(version: 1 | 2, addresses: ProxiedAddresses | undefined): Uint8Array {
  const same = addresses && sameFamily(addresses);
  return version === 1 ? encodeLine(same) : encodeBinary(same);
}

/** Both ends in one family: IPv4 beside IPv6 is written as IPv6. Undefined where that cannot be. */
function sameFamily({ source, destination }: ProxiedAddresses): ProxiedAddresses | undefined {
  if (source.family === destination.family) return { source, destination };
  if (source.family === "unix" || destination.family === "unix") return undefined;
  const mapped = (address: Extract<SocketAddress, { port: number }>): SocketAddress =>
    address.family === "inet6" ? address : { ...address, family: "inet6", host: `::ffff:${address.host}` };
  return { source: mapped(source), destination: mapped(destination) };
}

function encodeLine(addresses: ProxiedAddresses | undefined): Uint8Array {
  const { source, destination } = addresses ?? {};
  if (!source || !destination || source.family === "unix" || destination.family === "unix") {
    return new TextEncoder().encode("PROXY UNKNOWN\r\n");
  }
  const family = source.family === "inet" ? "TCP4" : "TCP6";
  const hosts = [source.host, destination.host].map((host) => host.replace(/%.*$/, ""));
  return new TextEncoder().encode(`PROXY ${family} ${hosts.join(" ")} ${source.port} ${destination.port}\r\n`);
}

function encodeBinary(addresses: ProxiedAddresses | undefined): Uint8Array {
  if (!addresses) return concat([signature, new Uint8Array([command.local, 0, 0, 0])]);
  const { source, destination } = addresses;
  const { family } = source;
  const length = addressBytes[family];
  const head = new Uint8Array([command.proxy, families[family], length >> 8, length & 255]);
  if (source.family === "unix" || destination.family === "unix") {
    return concat([signature, head, pathOf(source), pathOf(destination)]);
  }
  const ports = new Uint8Array([source.port, destination.port].flatMap((port) => [port >> 8, port & 255]));
  return concat([signature, head, parseIp(source.host)!, parseIp(destination.host)!, ports]);
}

/** A path filled up with zeros; an abstract name begins with one. */
function pathOf(address: SocketAddress): Uint8Array {
  const bytes = new Uint8Array(pathBytes);
  const { path } = address as { path: string };
  bytes.set(new TextEncoder().encode(path.replace(/^@/, "\0")).subarray(0, pathBytes));
  return bytes;
}

/**
 * Reads a header. The result is `null`, and everything is left over, for a stream that begins otherwise, unless a
 * header is required.
 */
export class ProxyHeaderReader implements Dialogue<ProxyHeader | null> {
  readonly #required: boolean;
  readonly #bytes = new Accumulator();

  constructor(options: { readonly required: boolean }) {
    this.#required = options.required;
  }

  push(chunk: Uint8Array): void {
    this.#bytes.append(chunk);
  }

  next(): { result: ProxyHeader | null; rest: Uint8Array } | null {
    if (this.#bytes.length === 0) return null;
    if (this.#begins(line)) return this.#bytes.length < line.length ? null : this.#readLine();
    if (this.#begins(signature)) return this.#bytes.length < fixedBytes ? null : this.#readBinary();
    if (!this.#required) return { result: null, rest: this.#bytes.take() };
    throw new ProtocolError("the connection does not begin with a PROXY header (accept-proxy=require)");
  }

  /** Whether the bytes so far are those of `wanted`. */
  #begins(wanted: Uint8Array): boolean {
    const count = Math.min(wanted.length, this.#bytes.length);
    for (let i = 0; i < count; i++) if (this.#bytes.at(i) !== wanted[i]) return false;
    return true;
  }

  #readLine(): { result: ProxyHeader; rest: Uint8Array } | null {
    const count = Math.min(maxLineBytes, this.#bytes.length);
    let end = line.length;
    while (end < count && this.#bytes.at(end) !== 0x0a) end++;
    if (end === maxLineBytes) throw malformed(`no end of line within ${maxLineBytes} bytes`, "2.1");
    if (end === count) return null;
    const all = this.#bytes.take();
    return { result: parseLine(latin1.decode(all.subarray(0, end + 1))), rest: all.subarray(end + 1) };
  }

  #readBinary(): { result: ProxyHeader; rest: Uint8Array } | null {
    const length = fixedBytes + (this.#bytes.at(14) << 8 | this.#bytes.at(15));
    if (length > maxBytes) throw new LimitError(`PROXY header of ${length} bytes exceeds ${maxBytes}`);
    if (this.#bytes.length < length) return null;
    const all = this.#bytes.take();
    return { result: parseBinary(all.subarray(0, length)), rest: all.subarray(length) };
  }
}

function malformed(why: string, section: string): ProtocolError {
  return new ProtocolError(`malformed PROXY header: ${why} (PROXY protocol section ${section})`);
}

function parseLine(text: string): ProxyHeader {
  if (/^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/.test(text)) return { version: 1 };
  const match = /^PROXY TCP([46]) ([^ \r\n]+) ([^ \r\n]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n$/.exec(text);
  if (!match) throw malformed("it is not a line of family, addresses and ports", "2.1");
  const end = (host: string, port: string): SocketAddress => {
    const size = match[1] === "4" ? 4 : 16;
    if (host.includes("%") || parseIp(host)?.length !== size) throw malformed(`"${host}" is no such address`, "2.1");
    if (Number(port) > 65535) throw malformed(`port ${port}`, "2.1");
    return { family: size === 4 ? "inet" : "inet6", host, port: Number(port) };
  };
  return { version: 1, addresses: { source: end(match[2]!, match[4]!), destination: end(match[3]!, match[5]!) } };
}

function parseBinary(bytes: Uint8Array): ProxyHeader {
  const [versionAndCommand, familyByte] = [bytes[12]!, bytes[13]!];
  if (versionAndCommand !== command.local && versionAndCommand !== command.proxy) {
    throw malformed(`version and command 0x${versionAndCommand.toString(16)}`, "2.2");
  }
  // The low half is the kind of socket, which says nothing that matters here.
  const family = ([undefined, "inet", "inet6", "unix"] as const)[familyByte >> 4];
  const block = bytes.subarray(fixedBytes);
  const length = family === undefined ? 0 : addressBytes[family];
  if (versionAndCommand === command.local) return { version: 2 };
  if (block.length < length) throw malformed(`${block.length} bytes of addresses instead of ${length}`, "2.2");
  // Where the family is not known, nobody knows where its addresses end.
  if (family === undefined) return { version: 2 };
  return { version: 2, addresses: readAddresses(family, block), ...readFacts(bytes, fixedBytes + length) };
}

function readAddresses(family: SocketAddress["family"], block: Uint8Array): ProxiedAddresses {
  if (family === "unix") {
    const path = (from: number): SocketAddress => ({ family, path: readPath(block.subarray(from, from + pathBytes)) });
    return { source: path(0), destination: path(pathBytes) };
  }
  const size = family === "inet" ? 4 : 16;
  const end = (n: number): SocketAddress => ({
    family,
    host: printIp(block.subarray(n * size, (n + 1) * size)),
    port: block[2 * size + 2 * n]! << 8 | block[2 * size + 2 * n + 1]!,
  });
  return { source: end(0), destination: end(1) };
}

function readPath(bytes: Uint8Array): string {
  const abstract = bytes[0] === 0 && bytes.some((byte) => byte !== 0);
  const name = abstract ? bytes.subarray(1) : bytes;
  const end = name.indexOf(0);
  return (abstract ? "@" : "") + utf8.decode(end < 0 ? name : name.subarray(0, end));
}

function printIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16));
  // URLs have the shortest form of an address.
  return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1);
}

/** The facts that mean something to us, from `at` on; the others are skipped. */
function readFacts(bytes: Uint8Array, at: number): Omit<ProxyHeader, "version" | "addresses"> {
  const facts: { authority?: string; alpn?: string; uniqueId?: Uint8Array } = {};
  while (at < bytes.length) {
    const length = at + 3 <= bytes.length ? bytes[at + 1]! << 8 | bytes[at + 2]! : Infinity;
    const end = at + 3 + length;
    if (end > bytes.length) throw malformed("a fact is longer than the header", "2.2");
    const value = bytes.subarray(at + 3, end);
    switch (bytes[at]) {
      case fact.alpn:
        facts.alpn = utf8.decode(value);
        break;
      case fact.authority:
        facts.authority = utf8.decode(value);
        break;
      case fact.uniqueId:
        facts.uniqueId = value;
        break;
      case fact.checksum:
        checkSum(bytes, at + 3, value);
        break;
    }
    at = end;
  }
  return facts;
}

/** The checksum covers the whole header with itself as zeros. */
function checkSum(bytes: Uint8Array, at: number, value: Uint8Array): void {
  const zeroed = bytes.slice();
  zeroed.fill(0, at, at + value.length);
  const wanted = value.length === 4 ? new DataView(value.buffer, value.byteOffset).getUint32(0) : undefined;
  if (crc32c(zeroed) !== wanted) throw malformed("the checksum is wrong", "2.2.3");
}

/** Castagnoli's CRC-32 (RFC 4960 appendix B), bit by bit: headers are short. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
