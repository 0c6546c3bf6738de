// @ts-types="../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
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
