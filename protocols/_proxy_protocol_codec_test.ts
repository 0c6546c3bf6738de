// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { LimitError, ProtocolError } from "../lib/errors.ts";
import { parseIp } from "../lib/stream/net_range.ts";
import type { SocketAddress } from "../lib/stream/stream.ts";
import { cuts } from "../tests/support/cuts.ts";
import { listen, play, splitPlay } from "../tests/support/dialogues.ts";
import { bytes, text } from "../tests/support/steps.ts";
import {
  encodeProxyHeader,
  type ProxiedAddresses,
  type ProxyHeader,
  ProxyHeaderReader,
} from "./_proxy_protocol_codec.ts";

const inet = (host: string, port: number): SocketAddress => ({ family: "inet", host, port });
const inet6 = (host: string, port: number): SocketAddress => ({ family: "inet6", host, port });
const unix = (path: string): SocketAddress => ({ family: "unix", path });

const required = { required: true };
const readHex = (hex: string, options = required) => play(new ProxyHeaderReader(options), [hex]);
const readText = (written: string, options = required) => readHex(bytes(written).toHex(), options);

const four = { source: inet("192.0.2.1", 56324), destination: inet("192.0.2.2", 443) };
const six = { source: inet6("2001:db8::1", 4000), destination: inet6("2001:db8::2", 443) };
const paths = { source: unix("@abstract"), destination: unix("/run/x.sock") };
const signature = "0d0a0d0a000d0a515549540a";

Deno.test("a version 1 header is written as section 2.1 shows it", () => {
  const lines: readonly (readonly [ProxiedAddresses | undefined, string])[] = [
    [four, "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"],
    [six, "PROXY TCP6 2001:db8::1 2001:db8::2 4000 443\r\n"],
    [{ source: inet6("fe80::1%eth0", 1), destination: inet6("fe80::2", 2) }, "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"],
    [{ source: inet("1.2.3.4", 5), destination: inet6("::1", 6) }, "PROXY TCP6 ::ffff:1.2.3.4 ::1 5 6\r\n"],
    [paths, "PROXY UNKNOWN\r\n"],
    [undefined, "PROXY UNKNOWN\r\n"],
  ];
  for (const [addresses, wanted] of lines) assertEquals(text(encodeProxyHeader(1, addresses)), wanted);
});

Deno.test("a version 2 header is written as section 2.2 lays it out", () => {
  assertEquals(encodeProxyHeader(2, four).toHex(), `${signature}2111000cc0000201c0000202dc0401bb`);
  assertEquals(
    encodeProxyHeader(2, six).toHex(),
    `${signature}2121002420010db800000000000000000000000120010db80000000000000000000000020fa001bb`,
  );
  const path = (hex: string) => hex.padEnd(216, "0");
  assertEquals(
    encodeProxyHeader(2, paths).toHex(),
    `${signature}213100d8${path(`00${bytes("abstract").toHex()}`)}${path(bytes("/run/x.sock").toHex())}`,
  );
  assertEquals(encodeProxyHeader(2, undefined).toHex(), `${signature}20000000`);
  assertEquals(
    encodeProxyHeader(2, { source: unix("/x"), destination: inet("1.2.3.4", 5) }).toHex().slice(24),
    "20000000",
  );
});

Deno.test("ProxyHeaderReader reads version 1 and keeps what follows", () => {
  const { result, rest } = readText("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET / ");
  assertEquals(result, { version: 1, addresses: four });
  assertEquals(text(Uint8Array.fromHex(rest)), "GET / ");
  assertEquals(readText("PROXY TCP6 2001:db8::1 2001:db8::2 4000 443\r\n").result, { version: 1, addresses: six });
  assertEquals(readText("PROXY UNKNOWN\r\n").result, { version: 1 });
  assertEquals(readText("PROXY UNKNOWN ffff::1 whatever 7\r\n").result, { version: 1 });
});

Deno.test("ProxyHeaderReader reads facts of version 2, and skips those it does not know", () => {
  const facts = "01 0002 6832" + "02 0003 612e62" + "e0 0001 ff" + "05 0002 0102" + "04 0000";
  const { result, rest } = readHex(`${signature} 2111 0023 c0000201c0000202dc0401bb ${facts} 6869`);
  assertEquals(rest, "6869");
  assertEquals(result, {
    version: 2,
    addresses: four,
    alpn: "h2",
    authority: "a.b",
    uniqueId: new Uint8Array([1, 2]),
  });
});

for (
  const [what, hex] of [
    ["LOCAL, with whatever it carries", "2011 000c c0000201c0000202dc0401bb"],
    ["an unknown family", "2100 0003 010203"],
    ["a family of the future", "2141 0001 01"],
  ]
) {
  Deno.test(`ProxyHeaderReader takes ${what} for a header without addresses`, () => {
    assertEquals(readHex(`${signature} ${hex} aa`), { sent: [], rest: "aa", result: { version: 2 } });
  });
}

Deno.test("ProxyHeaderReader checks the checksum where there is one (section 2.2.3)", () => {
  const withSum = (sum: string) => `${signature} 2111 0013 c0000201c0000202dc0401bb 03 0004 ${sum}`;
  assertEquals(readHex(withSum("d6c8c75f")).result, { version: 2, addresses: four });
  assertThrows(() => readHex(withSum("12345678")), ProtocolError, "the checksum is wrong");
});

for (
  const [what, written] of [
    ["an address of the other version", "PROXY TCP4 ::1 ::1 1 2\r\n"],
    ["no address", "PROXY TCP4 localhost 1.2.3.4 1 2\r\n"],
    ["a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"],
    ["a leading zero", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"],
    ["a port out of range", "PROXY TCP4 1.2.3.4 1.2.3.4 70000 2\r\n"],
    ["two spaces", "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"],
    ["a missing port", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"],
    ["a family it does not have", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"],
    ["an end of line without CR", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"],
    ["no end of line within 107 bytes", `PROXY UNKNOWN ${"x".repeat(93)}`],
  ]
) {
  Deno.test(`ProxyHeaderReader refuses version 1 with ${what}`, () => {
    assertThrows(() => readText(written!), ProtocolError, "(PROXY protocol section 2.1)");
  });
}

for (
  const [what, hex] of [
    ["another version", "1111 0000"],
    ["another command", "2211 0000"],
    ["addresses that are cut", "2111 000b c0000201c0000202dc0401"],
    ["a fact that is cut", "2111 000f c0000201c0000202dc0401bb 01 0001"],
    ["a fact without its length", "2111 000e c0000201c0000202dc0401bb 01 00"],
  ]
) {
  Deno.test(`ProxyHeaderReader refuses version 2 with ${what}`, () => {
    assertThrows(() => readHex(`${signature} ${hex}`), ProtocolError, "(PROXY protocol section 2.2)");
  });
}

Deno.test("ProxyHeaderReader bounds version 2 before it has come", () => {
  assertThrows(() => readHex(`${signature} 2111 ffff`), LimitError, "exceeds 4096");
});

Deno.test("ProxyHeaderReader lets pass or refuses what begins otherwise", () => {
  for (const first of ["G", "PROXX", "PROXIES", "\r\n\r\n\0\r\nQUIX"]) {
    const { result, rest } = readText(first, { required: false });
    assertEquals([result, text(Uint8Array.fromHex(rest))], [null, first]);
    assertThrows(() => readText(first), ProtocolError, "does not begin with a PROXY header");
  }
});

const port = fc.integer({ min: 0, max: 65535 });
const path = fc.stringMatching(/^(\/[a-z]{1,40}|@[a-z]{1,40}|)$/).map(unix);
const pair = (end: fc.Arbitrary<SocketAddress>) => fc.record({ source: end, destination: end });
const addresses = fc.oneof(
  pair(fc.tuple(fc.ipV4(), port).map(([host, port]) => inet(host, port))),
  pair(fc.tuple(fc.ipV6(), port).map(([host, port]) => inet6(host, port))),
  pair(path),
);

/** Addresses whose hosts are compared by their bytes. */
function comparable(header: ProxyHeader | null | undefined) {
  const end = (address: SocketAddress) =>
    address.family === "unix" ? address : { ...address, host: parseIp(address.host)?.toHex() };
  const { source, destination } = header?.addresses ?? {};
  return source && destination && { source: end(source), destination: end(destination) };
}

Deno.test("PROXY header: what is written is read again", () => {
  fc.assert(
    fc.property(addresses, fc.constantFrom(1 as const, 2 as const), fc.uint8Array(), (addresses, version, after) => {
      const { result, rest } = readHex(encodeProxyHeader(version, addresses).toHex() + after.toHex());
      const known = version === 2 || addresses.source.family !== "unix";
      assertEquals((result as ProxyHeader).version, version);
      assertEquals(comparable(result), known ? comparable({ version, addresses }) : undefined);
      assertEquals(rest, after.toHex());
    }),
  );
});

Deno.test("PROXY header: any splitting gives the same", () => {
  fc.assert(fc.property(addresses, fc.constantFrom(1 as const, 2 as const), cuts, (addresses, version, cuts) => {
    const written = [`${encodeProxyHeader(version, addresses).toHex()}010203`];
    const whole = play(new ProxyHeaderReader(required), written);
    assertEquals(splitPlay(new ProxyHeaderReader(required), written, cuts), whole);
  }));
});

Deno.test("ProxyHeaderReader: random bytes give a result or an error of ours", () => {
  const start = fc.constantFrom(
    "",
    "PROXY ",
    "PROXY TCP4 ",
    "PROXY UNKNOWN",
    "\r\n\r\n\0\r\nQUIT\n",
    "\r\n\r\n\0\r\nQUIT\n!\x11\0",
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), fc.boolean(), (start, random, required) => {
      listen(new ProxyHeaderReader({ required }), new Uint8Array([...bytes(start), ...random]));
    }),
    { numRuns: 2000 },
  );
});
