// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import { bytes } from "../../tests/support/steps.ts";
import { keepsAlive, requestFraming, responseFraming } from "./framing.ts";
import { parseRequestHead, parseResponseHead } from "./head.ts";

const wire = (first: string, lines: string) => bytes(`${first}\n${lines}\n`.replaceAll("\n", "\r\n"));
const request = (lines: string, version = "1.1") => parseRequestHead(wire(`POST / HTTP/${version}`, lines));
const response = (status: number, lines: string) => parseResponseHead(wire(`HTTP/1.1 ${status} X`, lines));

Deno.test("requestFraming() knows the lengths of bodies", () => {
  assertEquals(requestFraming(request("")), { kind: "length", length: 0 });
  assertEquals(requestFraming(request("Content-Length: 12\n")), { kind: "length", length: 12 });
  assertEquals(requestFraming(request("Transfer-Encoding: Chunked\n")), { kind: "chunked" });
});

for (
  const [what, lines, version] of [
    ["both lengths", "Content-Length: 1\nTransfer-Encoding: chunked\n"],
    ["two lengths", "Content-Length: 1\nContent-Length: 2\n"],
    ["the same length twice", "Content-Length: 1\nContent-Length: 1\n"],
    ["a list of lengths", "Content-Length: 1, 1\n"],
    ["a sign", "Content-Length: +1\n"],
    ["a negative length", "Content-Length: -1\n"],
    ["a hexadecimal length", "Content-Length: 0x10\n"],
    ["an empty length", "Content-Length:\n"],
    ["a length that no number holds", `Content-Length: ${"9".repeat(16)}\n`],
    ["chunked before another coding", "Transfer-Encoding: chunked, gzip\n"],
    ["chunked twice", "Transfer-Encoding: chunked, chunked\n"],
    ["chunked on two lines", "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n"],
    ["no chunked at all", "Transfer-Encoding: gzip\n"],
    ["an empty coding", "Transfer-Encoding:\n"],
    ["chunked in HTTP/1.0", "Transfer-Encoding: chunked\n", "1.0"],
    ["a disguised coding", "Transfer-Encoding: \x0bchunked\n"],
  ]
) {
  Deno.test(`requestFraming() refuses ${what}`, () => {
    const error = assertThrows(() => requestFraming(request(lines!, version)), ProtocolError, "RFC 9112");
    assertEquals(error.code, "BAD_REQUEST");
  });
}
Deno.test("requestFraming() tells a coding that is not known here from a malformed one", () => {
  const error = assertThrows(() => requestFraming(request("Transfer-Encoding: gzip, chunked\n")), ProtocolError);
  assertEquals(error.code, "NOT_IMPLEMENTED");
});

Deno.test("responseFraming() knows which answers have no body, and which end with the connection", () => {
  const none = { kind: "length", length: 0 } as const;
  assertEquals(responseFraming(response(200, ""), "GET"), { kind: "close" });
  assertEquals(responseFraming(response(200, "Content-Length: 3\n"), "GET"), { kind: "length", length: 3 });
  assertEquals(responseFraming(response(200, "Transfer-Encoding: chunked\n"), "GET"), { kind: "chunked" });
  assertEquals(responseFraming(response(200, "Content-Length: 3\n"), "HEAD"), none);
  for (const status of [100, 204, 304]) assertEquals(responseFraming(response(status, ""), "GET"), none);
});

Deno.test("keepsAlive() knows when a connection carries another message", () => {
  assertEquals(keepsAlive(request("")), true);
  assertEquals(keepsAlive(request("Connection: x, Close\n")), false);
  assertEquals(keepsAlive(request("", "1.0")), false);
  assertEquals(keepsAlive(request("Connection: keep-alive\n", "1.0")), true);
  assertEquals(keepsAlive(request("Connection: keep-alive, close\n", "1.0")), false);
});
