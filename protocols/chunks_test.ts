// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { cutAt, cuts } from "../tests/support/cuts.ts";
import { bytes, makeStep, runStep, stepContext, text } from "../tests/support/steps.ts";
import { chunks } from "./chunks.ts";

Deno.test("CHUNKS makes each block a message", () => {
  assertEquals(runStep(makeStep(chunks, {}, stepContext("byte")), ["ab", "c"].map(bytes)).map(text), ["ab", "c"]);
});
Deno.test("CHUNKS:2 cuts longer blocks", () => {
  const step = makeStep(chunks, { max: 2 }, stepContext("byte"));
  assertEquals(runStep(step, ["abcde", "fg"].map(bytes)).map(text), ["ab", "cd", "e", "fg"]);
});
Deno.test("CHUNKS writes messages one after another, uncut", () => {
  const step = makeStep(chunks, { max: 2 }, stepContext("datagram"));
  assertEquals(runStep(step, ["abc", "", "d"].map(bytes)).map(text), ["abc", "d"]);
});
Deno.test("CHUNKS: join(split(bytes)) is the bytes, and no message is longer than max or empty", () => {
  const max = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), cuts, max, (data, cuts, max) => {
    const messages = runStep(makeStep(chunks, { max }, stepContext("byte")), cutAt(data, cuts));
    assert(messages.every(({ length }) => length > 0 && length <= (max ?? Infinity)));
    const joined = runStep(makeStep(chunks, { max }, stepContext("datagram")), messages);
    assertEquals(joined.flatMap((piece) => [...piece]), [...data]);
  }));
});
