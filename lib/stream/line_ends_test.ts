// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import type { Transform } from "../protocol.ts";
import { bytes, stepContext, text } from "../../tests/support/steps.ts";
import { cr, crnl } from "./line_ends.ts";
import type { StreamKind } from "./stream.ts";

/** What comes out of one direction for each chunk that goes in. */
function pass(
  transform: Transform<Record<string, unknown>>,
  way: "forward" | "backward",
  input: string[],
  kind: StreamKind = "byte",
) {
  const step = transform[way]!({}, stepContext(kind));
  const out: string[] = [];
  for (const chunk of input) step.push({ data: bytes(chunk) }, ({ data }) => out.push(text(data)));
  return out;
}

Deno.test("crnl removes every CR of what comes from the address, wherever chunks are cut", () => {
  assertEquals(pass(crnl, "forward", ["a\r\nb\r", "\n\rc"]), ["a\nb", "\nc"]);
});

Deno.test("crnl writes a CR before every newline of what goes to the address", () => {
  assertEquals(pass(crnl, "backward", ["a\n\nb", "\n"]), ["a\r\n\r\nb", "\r\n"]);
});

Deno.test("crnl emits no empty chunk of bytes, but an empty datagram", () => {
  assertEquals(pass(crnl, "forward", ["\r\r"], "byte"), []);
  assertEquals(pass(crnl, "forward", ["\r\r"], "datagram"), [""]);
});

Deno.test("cr swaps CR and newline", () => {
  assertEquals(pass(cr, "forward", ["a\rb\r"]), ["a\nb\n"]);
  assertEquals(pass(cr, "backward", ["a\nb\n"]), ["a\rb\r"]);
});

Deno.test("line ends come out the same wherever chunks are cut", () => {
  const chunks = fc.array(fc.string({ unit: fc.constantFrom("a", "\r", "\n") }));
  fc.assert(fc.property(chunks, (cut) => {
    for (const transform of [crnl, cr]) {
      for (const way of ["forward", "backward"] as const) {
        assertEquals(pass(transform, way, cut).join(""), pass(transform, way, [cut.join("")]).join(""));
      }
    }
  }));
});

Deno.test("line ends survive the way out and back, for text without CR", () => {
  const lines = fc.string({ unit: fc.constantFrom("a", "\n", "ü") });
  fc.assert(fc.property(lines, (written) => {
    for (const transform of [crnl, cr]) {
      assertEquals(pass(transform, "forward", pass(transform, "backward", [written], "datagram"), "datagram"), [
        written,
      ]);
    }
  }));
});
