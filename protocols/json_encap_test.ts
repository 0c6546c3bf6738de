// @ts-types="../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { bytes, collectingLog, makeStep, runStep, stepContext, text } from "../tests/support/steps.ts";
import { jsonDecap } from "./json_decap.ts";
import { jsonEncap } from "./json_encap.ts";

const context = stepContext("datagram", { session: { name: "cli-1", metadata: { IP: { src_addr: "127.0.0.1" } } } });

Deno.test("JSONENCAP wraps a message with the session's metadata", () => {
  const [message] = runStep(makeStep(jsonEncap, {}, context), [bytes("hi")]).map(text);
  assertEquals(message, '{"metadata":{"IP":{"src_addr":"127.0.0.1"}},"payload":"aGk="}');
});
Deno.test("JSONENCAP backward is JSONDECAP forward, and the other way round", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array()), (messages) => {
    const there = runStep(makeStep(jsonEncap, {}, context), messages);
    assertEquals(runStep(makeStep(jsonEncap, {}, context, "backward"), there), messages);
    assertEquals(runStep(makeStep(jsonDecap, {}, context), there), messages);
    assertEquals(runStep(makeStep(jsonDecap, {}, context, "backward"), messages), there);
  }));
});
Deno.test("JSONDECAP drops what it cannot read, counts it, and goes on", () => {
  const { log, lines } = collectingLog();
  const bad = ["{", "[]", "null", '{"payload":1}', '{"payload":"a!"}', "\xff", '{"payload":"aGk="}'];
  let dropped = 0;
  const step = makeStep(jsonDecap, {}, stepContext("datagram", { log, drop: () => dropped += 1 }));
  assertEquals(runStep(step, bad.map(bytes)).map(text), ["hi"]);
  assertEquals(dropped, 6);
  assertEquals(lines.length, 6);
  assertEquals(lines[0], "W JSONDECAP: message of 1 bytes is not JSON, dropped (1 so far)");
  assertEquals(lines[4], 'W JSONDECAP: message of 16 bytes has a "payload" that is not base64, dropped (5 so far)');
});
Deno.test("JSONDECAP: random bytes never throw", () => {
  const step = makeStep(jsonDecap, {}, context);
  fc.assert(fc.property(fc.uint8Array(), (data) => void runStep(step, [data])));
  fc.assert(fc.property(fc.json(), (data) => void runStep(step, [bytes(data)])));
});
