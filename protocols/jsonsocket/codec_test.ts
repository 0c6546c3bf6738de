// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { LimitError, ProtocolError } from "../../lib/errors.ts";
import { encodeMessage, judgeRequest, judgeResponse, MessageScanner, parseDatagram, parseMessage } from "./codec.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** Feeds `data` in pieces of `size`; gives the message and all that came after it. */
function scan(data: Uint8Array, size: number): { message: unknown; rest: string } | undefined {
  const scanner = new MessageScanner();
  for (let at = 0; at < data.length; at += size) {
    const found = scanner.push(data.subarray(at, at + size));
    if (!found) continue;
    const rest = text(found.rest) + text(data.subarray(at + size));
    return { message: parseMessage(found.message), rest };
  }
  return undefined;
}

Deno.test("MessageScanner finds the closing brace, and what follows is payload, however the bytes are cut", () => {
  const header = { JSONSocketVersion: 1, text: 'a } { " \\ ] é', list: [{ deep: [{}] }, "}"] };
  fc.assert(fc.property(fc.integer({ min: 1, max: 200 }), fc.string(), (size, payload) => {
    const sent = bytes(` \r\n\t${JSON.stringify(header)}${payload}`);
    assertEquals(scan(sent, size), { message: header, rest: text(bytes(payload)) });
  }));
});

Deno.test("MessageScanner reads back any object that was encoded", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (header) => {
    // What cannot be said in JSON (-0) is not compared.
    const said = JSON.parse(JSON.stringify(header));
    assertEquals(JSON.stringify(scan(encodeMessage(header), 7)?.message), JSON.stringify(said));
  }));
});

Deno.test("MessageScanner gives a message or an error of ours for any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
    try {
      scan(data, 3);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }));
});

Deno.test("MessageScanner refuses what begins with no brace, what is too large and what is too deep", () => {
  for (const wrong of ["dummy", "[1]", '"x"', "1"]) {
    assertThrows(() => new MessageScanner().push(bytes(wrong)), ProtocolError, "no JSON object");
  }
  const scanner = new MessageScanner();
  scanner.push(bytes('{"a":"'));
  assertThrows(() => scanner.push(new Uint8Array(65_536).fill(0x61)), LimitError, "larger than 65536 bytes");
  assertThrows(() => new MessageScanner().push(bytes(" ".repeat(65_537))), LimitError, "larger than 65536 bytes");
  assertThrows(() => new MessageScanner().push(bytes('{"a":'.repeat(101))), LimitError, "nested more than 100 deep");
});

Deno.test("parseDatagram() takes one object and nothing after it", () => {
  assertEquals(parseDatagram(bytes('{"a":1}\n')), { a: 1 });
  for (const wrong of ["", "dummy", '{"a":1', '{"a":1} x', "{a:1}", "{}{}"]) {
    assertThrows(() => parseDatagram(bytes(wrong)), ProtocolError, "no JSON object");
  }
  assertThrows(() => parseDatagram(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), ProtocolError);
});

Deno.test("i-38: judgeRequest() accepts version 1 only, and answers 505 to other versions, 400 to what is none", () => {
  const status = (JSONSocketVersion: unknown) => judgeRequest({ JSONSocketVersion })?.status;
  assertEquals([1, 2, 0, -1].map(status), [undefined, 505, 505, 505]);
  assertEquals([undefined, "a", "1", 0.4, null, true, {}].map(status), [400, 400, 400, 400, 400, 400, 400]);
  assertEquals(judgeRequest({ JSONSocketVersion: 2 })?.reason, "JSONSocketVersion 2 is not supported, only 1 is");
});

Deno.test("i-37: judgeResponse() needs a status, which must be known and 2xx, and a version", () => {
  const of = (message: Record<string, unknown>) => judgeResponse({ JSONSocketVersion: 1, ...message });
  assertEquals(of({ JSONSocketStatus: 200 }), undefined);
  assertEquals(of({ JSONSocketStatus: 299 }), undefined);
  assertEquals(of({ Status: 200 })?.reason, "the response has no JSONSocketStatus");
  for (const status of ["200", 20, 700, 200.5, null]) {
    assertEquals(
      of({ JSONSocketStatus: status })?.reason,
      `the response has the unknown JSONSocketStatus ${JSON.stringify(status)}`,
    );
  }
  assertEquals(of({ JSONSocketStatus: 404, JSONSocketMessage: "no\nroute" }), {
    reason: 'refused with JSONSocketStatus 404: "no\\nroute"',
    status: 404,
  });
  const reason = (JSONSocketVersion: unknown) => judgeResponse({ JSONSocketVersion, JSONSocketStatus: 200 })?.reason;
  assertEquals(reason(undefined), "the response has no JSONSocketVersion, and only 1 is supported");
  for (const wrong of [0, 2, "1"]) {
    const shown = JSON.stringify(wrong);
    assertEquals(reason(wrong), `the response has JSONSocketVersion ${shown}, and only 1 is supported`);
  }
});
