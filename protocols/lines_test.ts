// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConfigError, L7mpError, LimitError } from "../lib/errors.ts";
import { cutAt, cuts } from "../tests/support/cuts.ts";
import { bytes, collectingLog, makeStep, runStep, stepContext, text } from "../tests/support/steps.ts";
import { lines } from "./lines.ts";

function split(input: string[], settings: Record<string, unknown> = {}, context = stepContext("byte")): string[] {
  return runStep(makeStep(lines, settings, context), input.map(bytes)).map(text);
}
function join(messages: string[], settings: Record<string, unknown> = {}): string {
  return runStep(makeStep(lines, settings, stepContext("datagram")), messages.map(bytes)).map(text).join("");
}

Deno.test("LINES splits at newlines and takes CR LF away", () => {
  assertEquals(split(["a\nbc\r\n\nd"]), ["a", "bc", "", "d"]);
});
Deno.test("LINES keeps a CR that no newline follows", () => {
  assertEquals(split(["a\rb\n\r\rc\n"]), ["a\rb", "\r\rc"]);
});
Deno.test("LINES puts a line together that came in pieces, CR and LF apart", () => {
  assertEquals(split(["h", "el", "lo\r", "\nwor", "ld\n"]), ["hello", "world"]);
});
Deno.test("LINES gives an unfinished last line as a message", () => {
  assertEquals(split(["a\nb"]), ["a", "b"]);
});
Deno.test("LINES with strict drops an unfinished last line and says so", () => {
  const { log, lines } = collectingLog();
  let dropped = 0;
  const context = stepContext("byte", { log, drop: () => dropped += 1 });
  assertEquals(split(["a\nb"], { strict: true }, context), ["a"]);
  assertEquals(dropped, 1);
  assertEquals(lines, ["W LINES: unfinished line of 1 bytes, dropped"]);
});
Deno.test("LINES with strip=0 keeps line ends, and joining adds only missing ones", () => {
  assertEquals(split(["a\r\nb\nc"], { strip: false }), ["a\r\n", "b\n", "c"]);
  assertEquals(join(["a\r\n", "b\n", "c"], { strip: false }), "a\r\nb\nc\n");
});
Deno.test("LINES joins messages with a newline each, whatever is in them", () => {
  assertEquals(join(["a", "", "b\nc"]), "a\n\nb\nc\n");
});
Deno.test("LINES joins a message that ends in the separator without a second one", () => {
  assertEquals(join(["a\n", "b", "\n", "", "c\r\n"]), "a\nb\n\n\nc\r\n");
  assertEquals(join(["a==", "b\n"], { sep: "==" }), "a==b\n==");
});
Deno.test("LINES splits at a separator of several bytes, also across chunks", () => {
  assertEquals(split(["a=", "=b=c=", "=", "===d"], { sep: "==" }), ["a", "b=c", "", "=d"]);
});
Deno.test("LINES does not take bytes of one separator for the next", () => {
  assertEquals(split(["a===b"], { sep: "==" }), ["a", "=b"]);
  assertEquals(split(["a==", "=b"], { sep: "==" }), ["a", "=b"]);
});
Deno.test("LINES ends the session at a line longer than max, before it is complete", () => {
  const error = assertThrows(() => split(["abcdef"], { max: 5 }), LimitError);
  assertEquals(error.message, "LINES: line of more than 5 bytes exceeds max=5");
  assertThrows(() => split(["abc", "def\n"], { max: 5 }), LimitError);
  assertEquals(split(["abcde", "\n"], { max: 5 }), ["abcde"]);
});
Deno.test("LINES takes a line that just fits, whose separator comes in pieces", () => {
  assertEquals(split(["abcde=", "=x"], { max: 5, sep: "==" }), ["abcde", "x"]);
});
Deno.test("LINES with strict tells of a line that is too long once, however long it goes on", () => {
  const { log, lines: told } = collectingLog();
  let dropped = 0;
  const context = stepContext("byte", { log, drop: () => dropped += 1 });
  const step = makeStep(lines, { strict: true, max: "5", sep: "==" }, context);
  const got: string[] = [];
  const emit = ({ data }: { data: Uint8Array }) => void got.push(text(data));
  for (const piece of ["aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "=", "=b=="]) step.push({ data: bytes(piece) }, emit);
  assertEquals([got, dropped, told.length], [["b"], 1, 1]);
});
Deno.test("LINES names max-message when that is the bound", () => {
  const context = stepContext("byte", { maxMessageBytes: 2 ** 20 });
  const error = assertThrows(() => split(["x".repeat(2 ** 20 + 1)], {}, context), LimitError);
  assertEquals(error.message, "LINES: line of more than 1048576 bytes exceeds max-message=1M");
});
Deno.test("LINES with strict drops a line that is too long and goes on behind it", () => {
  for (const input of [["abc\nabcdef\ng\n"], ["abc\nabc", "def", "ghi\ng\n"]]) {
    const { log, lines } = collectingLog();
    assertEquals(split(input, { strict: true, max: 5 }, stepContext("byte", { log })), ["abc", "g"]);
    assertEquals(lines, ["W LINES: line of more than 5 bytes exceeds max=5, dropped"]);
  }
});
Deno.test("LINES refuses an empty separator", () => {
  assertThrows(() => lines.check!(lines.spec.parse({ sep: "" }, "")), ConfigError);
});

const separators = fc.constantFrom("\n", "\0", "==", "aba");

Deno.test("LINES: split(join(messages)) is messages", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), separators, (messages, sep) => {
    const separator = bytes(sep);
    // A message must not contain a separator, nor, where one can overlap itself, make one at its border.
    const clean = messages.map((m) => m.filter((b) => b !== 13 && !separator.includes(b)));
    const joined = runStep(makeStep(lines, { sep }, stepContext("datagram")), clean);
    assertEquals(runStep(makeStep(lines, { sep }, stepContext("byte")), joined), clean);
  }));
});
Deno.test("LINES: any splitting gives the same messages", () => {
  const few = fc.array(fc.constantFrom(10, 13, 0, 61, 97, 98), { maxLength: 200 }).map((a) => new Uint8Array(a));
  const settings = fc.record({
    sep: separators,
    strip: fc.boolean(),
    strict: fc.boolean(),
    max: fc.integer({ min: 1, max: 30 }),
  });
  const outcome = (pieces: Uint8Array[], spec: Record<string, unknown>) => {
    try {
      return runStep(makeStep(lines, spec, stepContext("byte")), pieces).map(text);
    } catch (error) {
      if (!(error instanceof L7mpError)) throw error;
      return error.message;
    }
  };
  fc.assert(
    fc.property(few, cuts, settings, (data, cuts, spec) => {
      assertEquals(outcome(cutAt(data, cuts), spec), outcome([data], spec));
    }),
    { numRuns: 500 },
  );
});
