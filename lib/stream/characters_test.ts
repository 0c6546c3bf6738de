// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { cutAt, cuts } from "../../tests/support/cuts.ts";
import { bytes, runStep, text } from "../../tests/support/steps.ts";
import { wholeCharacters } from "./characters.ts";

const limits = fc.integer({ min: 4, max: 12 });
const join = (blocks: readonly Uint8Array[]) => blocks.flatMap((block) => [...block]);

Deno.test("wholeCharacters() keeps characters whole, and everything in order, however text is cut", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), cuts, limits, (written, cuts, limit) => {
    const blocks = runStep(wholeCharacters(limit), cutAt(bytes(written), cuts));
    assertEquals(
      blocks.map((block) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(block)).join(""),
      written,
    );
    assert(blocks.every(({ length }) => length > 0 && length <= limit));
  }));
});

Deno.test("wholeCharacters() passes what is no UTF-8 as it is", () => {
  const few = fc.array(fc.constantFrom(0x61, 0x80, 0xc3, 0xe2, 0xf0, 0xf8, 0xff)).map((list) => new Uint8Array(list));
  fc.assert(fc.property(few, cuts, limits, (data, cuts, limit) => {
    const blocks = runStep(wholeCharacters(limit), cutAt(data, cuts));
    assertEquals(join(blocks), [...data]);
    assert(blocks.every(({ length }) => length > 0 && length <= limit));
  }));
});

Deno.test("wholeCharacters() holds back no more than the beginning of a character", () => {
  const step = wholeCharacters(100);
  const emitted: string[] = [];
  const push = (...data: number[]) => step.push({ data: new Uint8Array(data) }, ({ data }) => emitted.push(text(data)));
  push(0x61, 0xe2, 0x82);
  push(0xac, 0x62);
  push(0xf0, 0x9f);
  assertEquals(emitted, ["a", "\u20acb"]);
});
