// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConnectError, ProtocolError } from "../lib/errors.ts";
import { parseIp } from "../lib/stream/net_range.ts";
import { cuts } from "../tests/support/cuts.ts";
import { listen, play, splitPlay } from "../tests/support/dialogues.ts";
import { Socks5Client, type Socks5Request } from "./_socks5_codec.ts";

const plain: Socks5Request = { host: "192.0.2.7", port: 8080 };
const granted = "05000001 00000000 0000";

Deno.test("Socks5Client asks for an IPv4 address without a login (RFC 1928 sections 3 and 4)", () => {
  assertEquals(play(new Socks5Client(plain), ["0500", granted]), {
    sent: ["050100", "05010001c00002071f90"],
    rest: "",
  });
});

Deno.test("Socks5Client leaves names to the proxy", () => {
  const { sent } = play(new Socks5Client({ host: "name.example", port: 80 }), ["0500", granted]);
  assertEquals(sent[1], "050100030c6e616d652e6578616d706c650050");
});

Deno.test("Socks5Client sends IPv6 addresses as 16 bytes", () => {
  const { sent } = play(new Socks5Client({ host: "2001:db8::1", port: 443 }), ["0500", granted]);
  assertEquals(sent[1], "0501000420010db800000000000000000000000101bb");
});

Deno.test("Socks5Client logs in where the proxy asks for it (RFC 1929 section 2)", () => {
  const request = { ...plain, user: "me", password: "secret" };
  assertEquals(play(new Socks5Client(request), ["0502", "0100", granted]).sent, [
    "05020002",
    "01026d6506736563726574",
    "05010001c00002071f90",
  ]);
  assertEquals(play(new Socks5Client(request), ["0500", granted]).sent.length, 2, "no login that nobody asked for");
});

Deno.test("Socks5Client takes answers with an address of any type and keeps what follows", () => {
  for (const address of ["01 01020304 0050", "03 03 616263 0050", `04 ${"00".repeat(16)} 0050`, "03 00 0050"]) {
    const { rest } = play(new Socks5Client(plain), ["0500", `050000 ${address} 68690a`]);
    assertEquals(rest, "68690a");
  }
});

for (
  const [code, text, retryable] of [
    [1, "general failure", true],
    [2, "connection not allowed by the rules of the proxy", false],
    [3, "network unreachable", true],
    [4, "host unreachable", true],
    [5, "connection refused", true],
    [6, "TTL expired", true],
    [7, "command not supported", false],
    [8, "address type not supported", false],
    [99, "unknown fault", true],
  ] as const
) {
  Deno.test(`Socks5Client names reply ${code}`, () => {
    const answer = `05${code.toString(16).padStart(2, "0")}`;
    const error = assertThrows(() => play(new Socks5Client(plain), ["0500", answer]), ConnectError);
    assertEquals((error as ConnectError).message, `${text} (code ${code}) for 192.0.2.7:8080`);
    assertEquals((error as ConnectError).retryable, retryable);
  });
}

const faults: readonly (readonly [what: string, user: string | undefined, answers: string[], wanted: string])[] = [
  ["a proxy that wants a login", undefined, ["05ff"], "needs authentication; use socksuser= and sockspass="],
  ["a login method we did not offer", undefined, ["0502"], "needs authentication"],
  ["a proxy that takes nothing we have", "me", ["05ff"], "takes neither a password nor none"],
  ["a method that was not offered", "me", ["0501"], "method 1, which was not offered"],
  ["a refused login", "me", ["0502", "0101"], "login refused (status 1)"],
  ["another version", undefined, ["04"], "version 4 instead of 5"],
  ["HTTP", undefined, ["48545450"], "this looks like HTTP"],
  ["another version in the reply", undefined, ["0500", "00"], "version 0 instead of 5"],
  ["another version in the answer to the login", "me", ["0502", "0700"], "version 7 instead of 1"],
  ["an unknown type of address", undefined, ["0500", "050000020000"], "address type 2"],
];
for (const [what, user, answers, wanted] of faults) {
  Deno.test(`Socks5Client refuses ${what}`, () => {
    const request = { ...plain, ...(user && { user, password: "x" }) };
    const error = assertThrows(() => play(new Socks5Client(request), answers)) as Error;
    assertEquals(error instanceof ConnectError || error instanceof ProtocolError, true, String(error));
    assertEquals(error.message.includes(wanted), true, error.message);
  });
}

Deno.test("Socks5Client refuses a name of more than 255 bytes", () => {
  assertThrows(() => play(new Socks5Client({ host: "x".repeat(256), port: 1 }), ["0500"]), ConnectError, "256 bytes");
});

const text = fc.string({ minLength: 1, maxLength: 60 });
const request = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
  port: fc.integer({ min: 1, max: 65535 }),
  user: fc.option(text, { nil: undefined }),
  password: text,
});

/** Reads what the client sent, by the layout of the RFCs. */
function understood(sent: readonly string[]): Socks5Request {
  const [, ...messages] = sent.map((message) => Uint8Array.fromHex(message));
  const [login, ask] = messages.length === 2 ? messages : [undefined, messages[0]!];
  const [host, port] = ask![3] === 3
    ? [new TextDecoder().decode(ask!.subarray(5, 5 + ask![4]!)), ask!.subarray(5 + ask![4]!)]
    : ask![3] === 1
    ? [ask!.subarray(4, 8).join("."), ask!.subarray(8)]
    : [ask!.subarray(4, 20).toHex(), ask!.subarray(20)];
  assertEquals(port.length, 2);
  const users = login && new TextDecoder().decode(login.subarray(2, 2 + login[1]!));
  const password = login && new TextDecoder().decode(login.subarray(3 + login[1]!));
  return { host, port: port[0]! << 8 | port[1]!, user: users, password };
}

Deno.test("Socks5Client: any request is understood as it was meant", () => {
  fc.assert(fc.property(request, (request) => {
    const answers = request.user === undefined ? ["0500", granted] : ["0502", "0100", granted];
    const { host, ...others } = understood(play(new Socks5Client(request), answers).sent);
    const { host: wanted, user, password, port } = request;
    assertEquals(others, { port, user, password: user === undefined ? undefined : password });
    assertEquals(host, parseIp(wanted)?.length === 16 ? parseIp(wanted)!.toHex() : wanted);
  }));
});

Deno.test("Socks5Client: any splitting of the answers gives the same", () => {
  fc.assert(fc.property(request, cuts, (request, cuts) => {
    const answers = request.user === undefined ? ["0500", `${granted}0102`] : ["0502", "0100", `${granted}0102`];
    assertEquals(splitPlay(new Socks5Client(request), answers, cuts), play(new Socks5Client(request), answers));
  }));
});

Deno.test("Socks5Client: random bytes give a result or an error of ours", () => {
  fc.assert(
    fc.property(request, fc.boolean(), fc.uint8Array(), (request, versioned, bytes) => {
      if (versioned && bytes.length > 1) [bytes[0], bytes[1]] = [5, request.user === undefined ? 0 : 2];
      listen(new Socks5Client(request), bytes);
    }),
    { numRuns: 1000 },
  );
});
