// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../lib/errors.ts";
import { splitWords } from "./_words.ts";

Deno.test("splitWords() counts runs of spaces once", () => {
  assertEquals(splitWords("  echo  a   b "), ["echo", "a", "b"]);
});

Deno.test("splitWords() keeps quoted spaces together and drops the quotes", () => {
  assertEquals(splitWords(`sh -c "echo 'a b'" 'c "d'`), ["sh", "-c", "echo 'a b'", 'c "d']);
});

Deno.test("splitWords() takes the character after a backslash as it is, except in single quotes", () => {
  assertEquals(splitWords(String.raw`a\ b "c\"d" 'e\f' g\\h`), ["a b", 'c"d', String.raw`e\f`, String.raw`g\h`]);
});

Deno.test("splitWords() makes an empty word of empty quotes", () => {
  assertEquals(splitWords(`a "" ''b`), ["a", "", "b"]);
});

Deno.test("splitWords() keeps brackets, commas and colons", () => {
  assertEquals(splitWords("echo a(b,c)[d:e]{f!!g}h,ij"), ["echo", "a(b,c)[d:e]{f!!g}h,ij"]);
});

Deno.test("splitWords() refuses an open quote", () => {
  assertThrows(() => splitWords(`echo "unbalanced`), ConfigError, 'unexpected end of address "echo "unbalanced"');
});
