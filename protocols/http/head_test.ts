// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { L7mpError, LimitError, ProtocolError } from "../../lib/errors.ts";
import { cutAt, cuts } from "../../tests/support/cuts.ts";
import { bytes, text } from "../../tests/support/steps.ts";
import { encodeHead, HeadReader, parseRequestHead, parseResponseHead, ResponseHeadReader } from "./head.ts";

const request = "GET /chat?a=1 HTTP/1.1\r\nHost: h:80\r\nX-A:  b \r\nx-a: c\r\nEmpty:\r\n\r\n";

Deno.test("parseRequestHead() reads method, target, version and headers", () => {
  const { headers, lines, ...line } = parseRequestHead(bytes(request));
  assertEquals(line, { method: "GET", target: "/chat?a=1", version: "1.1" });
  assertEquals({ ...headers }, { host: "h:80", "x-a": "b, c", empty: "" });
  assertEquals(lines, [["Host", "h:80"], ["X-A", "b"], ["x-a", "c"], ["Empty", ""]]);
});
Deno.test("parseRequestHead() takes octets above 127 as they are", () => {
  const head = new Uint8Array([
    ...bytes("GET /"),
    0xc3,
    0xa0,
    ...bytes(" HTTP/1.1\r\nA: "),
    0xff,
    ...bytes("\r\n\r\n"),
  ]);
  const { target, headers } = parseRequestHead(head);
  assertEquals([target, headers["a"]], ["/\xc3\xa0", "\xff"]);
});
Deno.test("parseResponseHead() reads status and reason", () => {
  const { status, reason, headers } = parseResponseHead(bytes("HTTP/1.0 404  Not  Found \r\nA: b\r\n\r\n"));
  assertEquals([status, reason, headers["a"]], [404, "Not  Found", "b"]);
  assertEquals(parseResponseHead(bytes("HTTP/1.1 200\r\n\r\n")).reason, "");
});
for (
  const [what, head] of [
    ["another protocol", "SSH-2.0-x\r\n\r\n"],
    ["a code of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["another version", "HTTP/2.0 200 OK\r\n\r\n"],
    ["a folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"],
  ]
) {
  Deno.test(`parseResponseHead() refuses ${what}`, () => {
    assertThrows(() => parseResponseHead(bytes(head!)), ProtocolError, "RFC 9112 section");
  });
}

for (
  const [what, head] of [
    ["a missing version", "GET /\r\n\r\n"],
    ["another protocol", "GET / FTP/1.1\r\n\r\n"],
    ["another version without a space", "GET /HTTP/1.1\r\n\r\n"],
    ["a CR in the target", "GET /\ra HTTP/1.1\r\n\r\n"],
    ["a space before the first header", "GET / HTTP/1.1\r\n A: b\r\n\r\n"],
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

Deno.test("parseRequestHead() knows a version that is not spoken here", () => {
  const error = assertThrows(() => parseRequestHead(bytes("GET / HTTP/2.0\r\n\r\n")), ProtocolError);
  assertEquals(error.code, "BAD_VERSION");
});
Deno.test("parseRequestHead() refuses more lines than a head may have", () => {
  const lines = (count: number) => bytes(`GET / HTTP/1.1\r\n${"A: b\r\n".repeat(count)}\r\n`);
  assertEquals(parseRequestHead(lines(200)).lines.length, 200);
  assertThrows(() => parseRequestHead(lines(201)), LimitError);
});
Deno.test("encodeHead() refuses what would be another line", () => {
  for (const value of ["a\r\nB: c", "a\nb", "a\rb", "a\0b", "€"]) {
    assertThrows(() => encodeHead("GET / HTTP/1.1", [["A", value]]), RangeError);
  }
});

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
Deno.test("HeadReader passes over empty lines before a request, however they come", () => {
  for (const before of ["\r\n", "\n", "\r\n\r\n\n"]) {
    assertEquals(new HeadReader(1000).push(bytes(before + request))!.head.method, "GET");
    const reader = new HeadReader(1000);
    for (const byte of before) assertEquals(reader.push(bytes(byte)), null);
    assertEquals(reader.push(bytes(request))!.head.method, "GET");
  }
});

Deno.test("HeadReader refuses a head beyond its bound, complete or not", () => {
  const size = bytes(request).length;
  assert(new HeadReader(size).push(bytes(request)));
  assertThrows(() => new HeadReader(size - 1).push(bytes(request)), LimitError);
  assertThrows(() => new HeadReader(size - 1).push(bytes(request.slice(0, -2).padEnd(size, "x"))), LimitError);
});

Deno.test("HeadReader refuses at once what no request begins with: its end might never come", () => {
  const hello = new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
  const tls = assertThrows(() => new HeadReader(1000).push(hello), ProtocolError, "this is TLS");
  assertEquals(tls.code, "BAD_REQUEST");
  for (const beginning of ["\0", "\x80", "\r\n\r\n\0\r\nQUIT\n", "{"]) {
    assertThrows(() => new HeadReader(1000).push(bytes(beginning)), ProtocolError, "RFC 9112 section 3");
  }
  assertThrows(() => new HeadReader(1000).push(bytes("\r\n\x16\x03")), ProtocolError, "this is TLS");
  const reader = new HeadReader(1000);
  assertEquals([reader.push(bytes("")), reader.push(bytes("G")), reader.push(bytes("\x16"))], [null, null, null]);
});

Deno.test("ResponseHeadReader refuses at once what no response begins with: another kind of server says its line and waits", () => {
  for (const beginning of ["220 mail.example\r\n", "SSH-2.0-x\r\n", "\x15\x03\x03"]) {
    const error = assertThrows(
      () => new ResponseHeadReader(1000).push(bytes(beginning)),
      ProtocolError,
      "malformed status line (RFC 9112 section 4); is it an HTTP server?",
    );
    assertEquals(error.code, "BAD_RESPONSE");
  }
  const reader = new ResponseHeadReader(1000);
  assertEquals([reader.push(bytes("")), reader.push(bytes("H")), reader.push(bytes("220"))], [null, null, null]);
});

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
    const { lines: _, ...read } = found!.head;
    assertEquals({ ...read, headers: { ...read.headers } }, {
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
Deno.test("ResponseHeadReader reads what encodeHead() wrote", () => {
  const lines = fc.array(fc.tuple(token, fc.stringMatching(/^([!-~]([ -~]{0,10}[!-~])?)?$/)));
  const code = fc.integer({ min: 100, max: 999 });
  fc.assert(fc.property(code, lines, cuts, (status, lines, cuts) => {
    const reader = new ResponseHeadReader(100_000);
    let found: ReturnType<ResponseHeadReader["push"]> = null;
    for (const piece of cutAt(encodeHead(`HTTP/1.1 ${status} Fine`, lines), cuts)) found = reader.push(piece);
    assertEquals([found!.head.status, found!.head.reason, found!.head.lines], [status, "Fine", lines]);
  }));
});
