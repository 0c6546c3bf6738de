// Properties of what the kernel is given and gives: whatever its bytes are, there is an address or an error of ours.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { parseIp } from "../stream/net_range.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { AF_INET, AF_INET6, AF_UNIX, sockaddrIn6, sockaddrStorageBytes } from "./layout.ts";
import { libcFailure } from "./libc.ts";
import { NativePeer, peerKey } from "./peer.ts";
import { decodeSockaddr, encodeSockaddr, formatIp6 } from "./sockaddr.ts";

function property(name: string, run: () => void): void {
  Deno.test({ name, ignore: libcFailure !== undefined, fn: run });
}

const port = fc.integer({ min: 0, max: 65_535 });
const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => bytes.join("."));
const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
const ip6 = fc.array(word, { minLength: 8, maxLength: 8 })
  .map((words) => Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255])));
const path = fc.string({ unit: "binary", minLength: 1, maxLength: 107 })
  .filter((text) => !text.includes("\0") && new TextEncoder().encode(text).length <= 107);
const address: fc.Arbitrary<SocketAddress> = fc.oneof(
  fc.record({ family: fc.constant("inet" as const), host: ip4, port }),
  fc.record({ family: fc.constant("inet6" as const), host: ip6.map(formatIp6), port }),
  fc.record({ family: fc.constant("unix" as const), path }),
);
/** A `sockaddr_storage` whose family is mostly one we know, and how much of it is said to be filled. */
const anything = fc.record({
  family: fc.oneof(fc.constantFrom(AF_UNIX, AF_INET, AF_INET6), fc.integer({ min: 0, max: 65_535 })),
  rest: fc.uint8Array({ minLength: sockaddrStorageBytes - 2, maxLength: sockaddrStorageBytes - 2 }),
  length: fc.integer({ min: 0, max: sockaddrStorageBytes }),
}).map(({ family, rest, length }) => ({ bytes: new Uint8Array([family & 255, family >> 8, ...rest]), length }));

property("decodeSockaddr() gives back every address that encodeSockaddr() takes", () => {
  fc.assert(fc.property(address, (address) => {
    const bytes = encodeSockaddr(address);
    assertEquals(decodeSockaddr(bytes, bytes.length), address);
    // The kernel writes into more room than it fills.
    const storage = new Uint8Array(sockaddrStorageBytes).fill(0xff);
    storage.set(bytes);
    assertEquals(decodeSockaddr(storage, bytes.length), address);
  }));
});

property("encodeSockaddr() takes any text as a host or a path, or throws a ConfigError", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), ip6.map(formatIp6).map((ip) => `${ip}%nowhere0`));
  fc.assert(fc.property(text, fc.constantFrom("inet", "inet6", "unix"), (text, family) => {
    const address = family === "unix" ? { family, path: text } : { family, host: text, port: 1 };
    try {
      assert(encodeSockaddr(address as SocketAddress).length <= sockaddrStorageBytes);
    } catch (error) {
      assert(error instanceof ConfigError, `${error}`);
    }
  }));
});

property("decodeSockaddr() makes an address of whatever bytes the kernel may give", () => {
  fc.assert(fc.property(anything, ({ bytes, length }) => {
    const found = decodeSockaddr(bytes, length);
    if (found.family === "unix") {
      const name = bytes.slice(2, Math.max(2, length));
      const [start, end] = name[0] === 0 ? [1, name.length] : [0, (name.indexOf(0) + 1 || name.length + 1) - 1];
      const text = new TextDecoder().decode(name.slice(start, end));
      assertEquals(found.path, name[0] === 0 ? `@${text}` : text);
    } else assert(parseIp(found.host)?.length === (found.family === "inet" ? 4 : 16) && found.port <= 65_535);
  }));
});

property("decodeSockaddr() gives an unbound UNIX end no name", () => {
  const bytes = new Uint8Array(sockaddrStorageBytes);
  bytes[0] = AF_UNIX;
  for (const length of [0, 2]) assertEquals(decodeSockaddr(bytes, length), { family: "unix", path: "" });
});

property("formatIp6() writes what reads back as the same bytes", () => {
  fc.assert(fc.property(ip6, (bytes) => assertEquals(parseIp(formatIp6(bytes)), bytes)));
});

// RFC 5952 section 4.2: the longest run, the first of equal ones, and no single word.
for (const text of ["2001:db8::1", "2001:db8:0:1:1:1:1:1", "2001:0:0:1::1", "2001:db8::1:0:0:1", "::", "1::"]) {
  property(`formatIp6() writes ${text}`, () => assertEquals(formatIp6(parseIp(text)!), text));
}

property("the key of a peer is its address: equal for equal ones, different for others, and whole", () => {
  fc.assert(fc.property(address, address, (one, other) => {
    const keys = [one, other].map((address) => {
      const bytes = encodeSockaddr(address);
      const key = peerKey(bytes, 0, bytes.length);
      const back = new Uint8Array(sockaddrStorageBytes);
      assertEquals(back.subarray(0, new NativePeer(key).encode(back, 0)), bytes);
      assertEquals(new NativePeer(key).address, address);
      return key;
    });
    assertEquals(keys[0] === keys[1], JSON.stringify(one) === JSON.stringify(other));
  }));
});

property("the key of a peer leaves out the flow label, which may change from packet to packet", () => {
  fc.assert(fc.property(ip6, port, fc.uint8Array({ minLength: 4, maxLength: 4 }), (ip, port, label) => {
    const bytes = encodeSockaddr({ family: "inet6", host: formatIp6(ip), port });
    const labelled = bytes.slice();
    labelled.set(label, sockaddrIn6.flow);
    assertEquals(peerKey(labelled, 0, labelled.length), peerKey(bytes, 0, bytes.length));
  }));
});

property("the key of a peer takes whatever bytes the kernel may give", () => {
  fc.assert(fc.property(anything, ({ bytes, length }) => {
    const peer = new NativePeer(peerKey(bytes, 0, length));
    assert(["inet", "inet6", "unix"].includes(peer.address.family));
  }));
});
