// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { L7mpError, LimitError, StreamError } from "../lib/errors.ts";
import { concat } from "../lib/stream/concat.ts";
import { cutAt, cuts } from "../tests/support/cuts.ts";
import { collectingLog, makeStep, runStep, stepContext } from "../tests/support/steps.ts";
import { lengthPrefix } from "./length_prefix.ts";

function split(pieces: readonly Uint8Array[], settings: Record<string, unknown> = {}): number[][] {
  return runStep(makeStep(lengthPrefix, settings, stepContext("byte")), pieces).map((m) => [...m]);
}
function join(messages: readonly Uint8Array[], settings: Record<string, unknown> = {}, log = collectingLog().log) {
  return concat(runStep(makeStep(lengthPrefix, settings, stepContext("datagram", { log })), messages));
}
const u8 = (...numbers: number[]) => new Uint8Array(numbers);

Deno.test("LENGTHPREFIX writes four bytes, most significant first", () => {
  assertEquals([...join([u8(7, 8), u8()])], [0, 0, 0, 2, 7, 8, 0, 0, 0, 0]);
});
Deno.test("LENGTHPREFIX writes the least significant byte first with little", () => {
  assertEquals([...join([u8(7, 8)], { bytes: 2, little: true })], [2, 0, 7, 8]);
});
Deno.test("LENGTHPREFIX reads messages, also empty ones", () => {
  assertEquals(split([u8(0, 2, 7, 8, 0, 0, 0, 1, 9)], { bytes: 2 }), [[7, 8], [], [9]]);
});
Deno.test("LENGTHPREFIX refuses a length beyond max at once, of any width", () => {
  const error = assertThrows(() => split([u8(0, 6)], { bytes: 2, max: 5 }), LimitError);
  assertEquals(error.message, "LENGTHPREFIX: message of 6 bytes exceeds max=5");
  assertThrows(() => split([u8(255, 255, 255, 255, 255, 255, 255, 255)], { bytes: 8 }), LimitError, "max-message=64M");
});
Deno.test("LENGTHPREFIX calls a cut message an error", () => {
  assertThrows(() => split([u8(0, 0, 0, 3, 1)]), StreamError, "inside a message (1 bytes of 3)");
  assertThrows(() => split([u8(0, 0)]), StreamError, "(2 bytes of 4)");
});
Deno.test("LENGTHPREFIX drops a message its length cannot tell, and says so", () => {
  const { log, lines } = collectingLog();
  assertEquals([...join([new Uint8Array(256), u8(1)], { bytes: 1 }, log)], [1, 1]);
  assertEquals(lines, ["W datagram of 256 bytes does not fit LENGTHPREFIX,bytes=1, dropped"]);
});

const settings = fc.record({ bytes: fc.integer({ min: 1, max: 8 }), little: fc.boolean() });

Deno.test("LENGTHPREFIX: split(join(messages)) is messages, however the bytes are cut", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 255 })), cuts, settings, (messages, cuts, spec) => {
    assertEquals(split(cutAt(join(messages, spec), cuts), spec), messages.map((m) => [...m]));
  }));
});
Deno.test("LENGTHPREFIX: random bytes give messages or an error of ours", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), cuts, settings, (data, cuts, spec) => {
    try {
      split(cutAt(data, cuts), spec);
    } catch (error) {
      if (!(error instanceof L7mpError)) throw error;
    }
  }));
});
