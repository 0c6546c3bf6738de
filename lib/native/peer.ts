/** Who sent a datagram: a key that costs nothing, and an address that is made when somebody asks. */
import type { Peer } from "../driver.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { AF_INET, AF_INET6, sockaddrIn, sockaddrIn6 } from "./layout.ts";
import { decodeSockaddr } from "./sockaddr.ts";

/**
 * The key holds the whole address: for IPv4 the number `address * 65536 + port`, otherwise the address's bytes, one
 * character each.
 */
export class NativePeer implements Peer {
  #address: SocketAddress | undefined;

  constructor(readonly key: number | string) {}

  get address(): SocketAddress {
    if (!this.#address) {
      const bytes = new Uint8Array(128);
      this.#address = decodeSockaddr(bytes, this.encode(bytes, 0));
    }
    return this.#address;
  }

  /** Writes the `sockaddr` to `bytes` at `at` and returns its length. */
  encode(bytes: Uint8Array, at: number): number {
    const key = this.key;
    if (typeof key === "string") {
      for (let i = 0; i < key.length; i++) bytes[at + i] = key.charCodeAt(i);
      return key.length;
    }
    const host = Math.floor(key / 65536);
    bytes[at] = AF_INET;
    bytes[at + 1] = 0;
    bytes[at + 2] = key >> 8 & 255;
    bytes[at + 3] = key & 255;
    bytes[at + 4] = host >>> 24;
    bytes[at + 5] = host >>> 16;
    bytes[at + 6] = host >>> 8;
    bytes[at + 7] = host;
    bytes.fill(0, at + 8, at + sockaddrIn.size);
    return sockaddrIn.size;
  }
}

/** The key of the `sockaddr` of `length` bytes at `at`. */
export function peerKey(bytes: Uint8Array, at: number, length: number): number | string {
  const family = length < 2 ? 0 : bytes[at]! | bytes[at + 1]! << 8;
  if (family === AF_INET) {
    const host = bytes[at + 4]! * 0x1000000 + (bytes[at + 5]! << 16 | bytes[at + 6]! << 8 | bytes[at + 7]!);
    return host * 65536 + (bytes[at + 2]! << 8 | bytes[at + 3]!);
  }
  // The flow label is no part of an IPv6 address.
  if (family === AF_INET6) bytes.fill(0, at + sockaddrIn6.flow, at + sockaddrIn6.address);
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
