// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertNotEquals } from "@std/assert";
import * as fc from "fast-check";
import { cutAt, cuts } from "../../tests/support/cuts.ts";
import { FrameReader } from "../../tests/support/raw_websocket.ts";
import { patternBytes } from "../../tests/support/streams.ts";
import { FrameWriter, maxHeaderBytes, opcodes } from "./frames.ts";

function written(masked: boolean, payload: Uint8Array, { at = 0, opcode = opcodes.binary as number, fin = true } = {}) {
  const target = new Uint8Array(at + payload.length + maxHeaderBytes);
  const end = new FrameWriter(masked).put(target, at, { opcode, fin, payload });
  return target.slice(at, end);
}

/** The payload of a masked frame, unmasked as RFC 6455 section 5.3 has it. */
function unmasked(frame: Uint8Array, headerBytes: number): Uint8Array {
  const key = frame.subarray(headerBytes - 4, headerBytes);
  return frame.slice(headerBytes).map((byte, i) => byte ^ key[i % 4]!);
}

Deno.test("FrameWriter writes the unmasked frames of RFC 6455 section 5.7", () => {
  const hello = new TextEncoder().encode("Hello");
  const text = opcodes.text;
  assertEquals([...written(false, hello, { opcode: text })], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
  assertEquals([...written(false, hello.slice(0, 3), { opcode: text, fin: false })], [0x01, 0x03, 0x48, 0x65, 0x6c]);
  assertEquals([...written(false, hello.slice(3), { opcode: opcodes.continuation })], [0x80, 0x02, 0x6c, 0x6f]);
  assertEquals([...written(false, new Uint8Array(256)).slice(0, 4)], [0x82, 0x7e, 0x01, 0x00]);
  assertEquals([...written(false, new Uint8Array(65_536)).slice(0, 10)], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
});

Deno.test("FrameWriter masks payloads of any length, wherever they lie in memory", () => {
  for (const length of [0, 1, 5, 125, 255, 256, 257, 259, 1000, 65_535]) {
    for (const at of [0, 1, 2, 3]) {
      const payload = patternBytes(length);
      const frame = written(true, payload, { at });
      const headerBytes = length < 126 ? 6 : 8;
      assertEquals(frame[1]! & 0x80, 0x80);
      assertEquals(unmasked(frame, headerBytes), payload, `${length} bytes at ${at}`);
    }
  }
});

Deno.test("FrameWriter: what it writes is read again as it was, however the bytes are cut", () => {
  const lengths = fc.oneof(fc.nat(300), fc.constantFrom(125, 126, 65_535, 65_536));
  const opcode = fc.constantFrom(...Object.values(opcodes));
  const frame = fc.record({ opcode, fin: fc.boolean(), payload: lengths.map(patternBytes) });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 4 }), fc.boolean(), cuts, (frames, masked, cuts) => {
      const writer = new FrameWriter(masked);
      const target = new Uint8Array(frames.reduce((sum, { payload }) => sum + payload.length + maxHeaderBytes, 0));
      const end = frames.reduce((at, one) => writer.put(target, at, one), 0);
      const reader = new FrameReader();
      for (const piece of cutAt(target.subarray(0, end), cuts)) reader.push(piece);
      for (const { opcode, fin, payload } of frames) {
        const { mask: _, ...found } = reader.next()!;
        assertEquals(found, { fin, reserved: 0, opcode, masked, payload });
      }
      assertEquals(reader.rest.length, 0);
    }),
    { numRuns: 40 },
  );
});

Deno.test("FrameWriter takes another key for each frame", () => {
  const writer = new FrameWriter(true);
  const keys = Array.from({ length: 300 }, () => {
    const target = new Uint8Array(maxHeaderBytes);
    writer.put(target, 0, { opcode: opcodes.binary, fin: true, payload: new Uint8Array(0) });
    return [...target.subarray(2, 6)].join();
  });
  assertNotEquals(keys[0], "0,0,0,0");
  assertEquals(new Set(keys).size > 290, true);
});
