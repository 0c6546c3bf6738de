// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { L7mpError, LimitError, ProtocolError } from "../lib/errors.ts";
import { bytes, cutAt, text } from "../tests/support/steps.ts";
import { HeadReader, parseRequestHead } from "./_http_head.ts";

const request = "GET /chat?a=1 HTTP/1.1\r\nHost: h:80\r\nX-A:  b \r\nx-a: c\r\nEmpty:\r\n\r\n";

Deno.test("parseRequestHead() reads method, target, version and headers", () => {
  const { headers, ...line } = parseRequestHead(bytes(request));
  assertEquals(line, { method: "GET", target: "/chat?a=1", version: "1.1" });
  assertEquals({ ...headers }, { host: "h:80", "x-a": "b, c", empty: "" });
});

for (
  const [what, head] of [
    ["a missing version", "GET /\r\n\r\n"],
    ["another protocol", "GET / HTTP/2.0\r\n\r\n"],
    ["two spaces", "GET  / HTTP/1.1\r\n\r\n"],
    ["no request line", "\r\n"],
    ["a method that is no token", "G@T / HTTP/1.1\r\n\r\n"],
    ["a folded header", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"],
    ["a header without colon", "GET / HTTP/1.1\r\nA\r\n\r\n"],
    ["a space before the colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n"],
    ["a control character", "GET / HTTP/1.1\r\nA: b\0\r\n\r\n"],
    ["a bare CR", "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n"],
  ]
) {
  Deno.test(`parseRequestHead() refuses ${what}`, () => {
    assertThrows(() => parseRequestHead(bytes(head!)), ProtocolError, "RFC 9112 section");
  });
}

Deno.test("HeadReader gives back what follows the head", () => {
  const found = new HeadReader(1000).push(bytes(`${request}more`))!;
  assertEquals(found.head.method, "GET");
  assertEquals(text(found.rest), "more");
});
Deno.test("HeadReader takes lines that end in LF alone", () => {
  const found = new HeadReader(1000).push(bytes("GET / HTTP/1.0\nA: b\n\nrest"))!;
  assertEquals({ ...found.head.headers }, { a: "b" });
  assertEquals(text(found.rest), "rest");
});
Deno.test("HeadReader refuses a head beyond its bound, complete or not", () => {
  const size = bytes(request).length;
  assert(new HeadReader(size).push(bytes(request)));
  assertThrows(() => new HeadReader(size - 1).push(bytes(request)), LimitError);
  assertThrows(() => new HeadReader(size - 1).push(bytes(request.slice(0, -2).padEnd(size, "x"))), LimitError);
});

const cuts = fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }));
const token = fc.stringMatching(/^[A-Za-z0-9-]{1,12}$/);
const heads = fc.record({
  method: token,
  target: fc.stringMatching(/^\/[!-~]{0,20}$/),
  headers: fc.dictionary(token.map((name) => name.toLowerCase()), fc.stringMatching(/^([!-~]([ -~]{0,10}[!-~])?)?$/)),
});

Deno.test("HeadReader: any splitting of a printed head gives the head", () => {
  fc.assert(fc.property(heads, fc.uint8Array(), cuts, ({ method, target, headers }, rest, cuts) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const head = bytes(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`);
    const all = new Uint8Array([...head, ...rest]);
    const reader = new HeadReader(100_000);
    const after: number[] = [];
    let found: ReturnType<HeadReader["push"]> = null;
    for (const piece of cutAt(all, cuts)) {
      if (found) after.push(...piece);
      else found = reader.push(piece);
    }
    assertEquals({ ...found!.head, headers: { ...found!.head.headers } }, {
      method,
      target,
      version: "1.1",
      headers: { ...headers },
    });
    assertEquals([...found!.rest, ...after], [...rest]);
  }));
});
Deno.test("HeadReader: random bytes give a head or an error of ours", () => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.uint8Array(), fc.constant(bytes("\r\n\r\n")))), (pieces) => {
    try {
      const reader = new HeadReader(200);
      for (const piece of pieces) if (reader.push(piece)) break;
    } catch (error) {
      if (!(error instanceof L7mpError)) throw error;
    }
  }));
});
