// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { L7mpError, LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import { concat } from "../../lib/stream/concat.ts";
import { cutAt, cuts } from "../../tests/support/cuts.ts";
import { bytes, text } from "../../tests/support/steps.ts";
import { type BodyDecoder, bodyDecoder, bodyEncoder, ChunkedDecoder, ChunkedEncoder } from "./body.ts";
import type { Framing } from "./framing.ts";

/** Gives the pieces to the decoder, and what it found: body, and what came after it. */
function decode(decoder: BodyDecoder, pieces: readonly Uint8Array[]): { body: Uint8Array; rest: Uint8Array } {
  const body: Uint8Array[] = [];
  const after: Uint8Array[] = [];
  for (const piece of pieces) {
    if (decoder.done) {
      after.push(piece);
      continue;
    }
    decoder.push(piece);
    for (let data = decoder.next(); data !== null; data = decoder.next()) {
      assert(data.length > 0, "an empty view");
      body.push(data.slice());
    }
    if (decoder.done) after.push(decoder.rest());
  }
  return { body: concat(body), rest: concat(after) };
}

const chunked = (wire: string) => {
  const decoder = new ChunkedDecoder();
  const { body, rest } = decode(decoder, [bytes(wire)]);
  return { body: text(body), rest: text(rest), done: decoder.done, trailers: decoder.trailers };
};

Deno.test("ChunkedDecoder reads chunks, extensions and trailers", () => {
  assertEquals(chunked('5;a=b;c="d e"\r\nhello\r\n001\r\n!\r\n0;last\r\nA: b\r\nC:d\r\n\r\nmore'), {
    body: "hello!",
    rest: "more",
    done: true,
    trailers: [["A", "b"], ["C", "d"]],
  });
  assertEquals(chunked("0\r\n\r\n"), { body: "", rest: "", done: true, trailers: [] });
});

for (
  const [what, wire] of [
    ["no size", "\r\nhello\r\n"],
    ["a size that is no number", "5x\r\nhello\r\n"],
    ["a size with a prefix", "0x5\r\nhello\r\n"],
    ["a sign", "+5\r\nhello\r\n"],
    ["a space before the size", " 5\r\nhello\r\n"],
    ["a space after the size", "5 \r\nhello\r\n"],
    ["a size of more digits than a number holds", "00000000000005\r\nhello\r\n"],
    ["a size line that ends in LF alone", "5\nhello\r\n"],
    ["a CR in an extension", "5;a\rb\r\nhello\r\n"],
    ["a chunk that is longer than its size", "5\r\nhello!\r\n"],
    ["a chunk that ends in LF alone", "5\r\nhello\n0\r\n\r\n"],
    ["trailers that end in LF alone", "0\r\nA: b\n\r\n"],
    ["an end in LF alone", "0\r\n\n"],
    ["a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"],
  ]
) {
  Deno.test(`ChunkedDecoder refuses ${what}`, () => {
    const error = assertThrows(() => chunked(wire!), ProtocolError, "RFC 9112");
    assertEquals(error.code, "BAD_REQUEST");
  });
}

Deno.test("ChunkedDecoder bounds size lines and trailers", () => {
  assertEquals(chunked(`1;${"x".repeat(1000)}\r\na\r\n`).body, "a");
  assertThrows(() => chunked(`1;${"x".repeat(1100)}\r\na\r\n`), LimitError);
  assertThrows(() => chunked(`1;${"x".repeat(1100)}`), LimitError);
  assertThrows(() => chunked(`0\r\n${"A: b\r\n".repeat(10_000)}`), LimitError);
});

for (
  const [framing, wire] of [
    [{ kind: "length", length: 6 }, "hello"],
    [{ kind: "chunked" }, "5\r\nhello\r\n"],
    [{ kind: "chunked" }, "5\r\nhel"],
    [{ kind: "chunked" }, "0\r\n"],
    [{ kind: "chunked" }, ""],
  ] as const
) {
  Deno.test(`a body of kind ${framing.kind} that ends after ${JSON.stringify(wire)} is cut`, () => {
    const decoder = bodyDecoder(framing);
    decode(decoder, [bytes(wire)]);
    assertEquals(assertThrows(() => decoder.end(), StreamError).code, "CUT");
  });
}
Deno.test("a body that ends with the connection may end anywhere", () => {
  const decoder = bodyDecoder({ kind: "close" });
  assertEquals(text(decode(decoder, [bytes("a"), bytes("b")]).body), "ab");
  assertEquals(decoder.done, false);
  decoder.end();
  assertEquals(decoder.done, true);
});

Deno.test("an encoder with a length takes neither more nor less", () => {
  const encoder = bodyEncoder({ kind: "length", length: 2 });
  encoder.encode(bytes("a"));
  assertThrows(() => encoder.end(), StreamError, "shorter than its Content-Length");
  assertThrows(() => encoder.encode(bytes("bc")), StreamError, "longer than its Content-Length");
  encoder.encode(bytes("b"));
  assertEquals(encoder.end().length, 0);
});
Deno.test("ChunkedEncoder writes nothing for an empty block, which would be the end", () => {
  assertEquals(new ChunkedEncoder().encode(new Uint8Array(0)), []);
  assertEquals(text(new ChunkedEncoder().end([["A", "b"]])), "0\r\nA: b\r\n\r\n");
});

const blocks = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array(40_000).fill(7))));

for (const kind of ["length", "chunked"] as const) {
  Deno.test(`a body of kind ${kind} reads back, however it is cut`, () => {
    fc.assert(
      fc.property(blocks, cuts, fc.uint8Array(), (blocks, cuts, more) => {
        const length = blocks.reduce((sum, block) => sum + block.length, 0);
        const framing: Framing = kind === "length" ? { kind, length } : { kind };
        const encoder = bodyEncoder(framing);
        const wire = concat([...blocks.flatMap((block) => encoder.encode(block)), encoder.end(), more]);
        const decoder = bodyDecoder(framing);
        const { body, rest } = decode(decoder, cutAt(wire, cuts));
        assertEquals(body, concat(blocks));
        assertEquals(rest, more);
        decoder.end();
      }),
      { numRuns: 50 },
    );
  });
}
Deno.test("ChunkedDecoder reads one byte at a time", () => {
  const wire = bytes("5;x\r\nhello\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\nz");
  const { body, rest } = decode(new ChunkedDecoder(), Array.from(wire, (byte) => new Uint8Array([byte])));
  assertEquals([text(body), text(rest)], ["helloabc", "z"]);
});
Deno.test("ChunkedDecoder: random bytes give a body or an error of ours", () => {
  const piece = fc.oneof(
    fc.uint8Array(),
    fc.constantFrom(...["\r\n", "0\r\n", "5\r\nhello", ";", "A: b\r\n"].map(bytes)),
  );
  fc.assert(fc.property(fc.array(piece), (pieces) => {
    try {
      decode(new ChunkedDecoder(), pieces);
    } catch (error) {
      if (!(error instanceof L7mpError)) throw error;
    }
  }));
});
