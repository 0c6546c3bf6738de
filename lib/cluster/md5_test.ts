// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { createHash } from "node:crypto";
import { md5, md5Hex } from "./md5.ts";

/** RFC 1321, appendix A.5. */
const suite: readonly (readonly [text: string, digest: string])[] = [
  ["", "d41d8cd98f00b204e9800998ecf8427e"],
  ["a", "0cc175b9c0f1b6a831c399e269772661"],
  ["abc", "900150983cd24fb0d6963f7d28e17f72"],
  ["message digest", "f96b697d7cb7938d525a2f31aaf161d0"],
  ["abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"],
  ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"],
  ["1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"],
];

Deno.test("md5Hex() gives the digests of RFC 1321", () => {
  for (const [text, digest] of suite) assertEquals(md5Hex(text), digest);
});

Deno.test("md5Hex() is what the runtime's MD5 says, at all lengths and beyond ASCII", () => {
  const expected = (text: string) => createHash("md5").update(text, "utf8").digest("hex");
  for (let length = 0; length < 200; length++) assertEquals(md5Hex("x".repeat(length)), expected("x".repeat(length)));
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
    const wellFormed = text.toWellFormed();
    assertEquals(md5Hex(wellFormed), expected(wellFormed));
  }));
});

Deno.test("md5() gives words whose lowest byte comes first", () => {
  assertEquals(md5("").map((word) => word.toString(16)), ["d98c1dd4", "4b2008f", "980980e9", "7e42f8ec"]);
});
