// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { lexAddress, quote, textOf, tokenize } from "./lexer.ts";

const textsOf = (address: string) => tokenize(address).map((t) => "special" in t ? { [t.special]: 1 } : t.text);

Deno.test("tokenize() cuts at colons, commas and double exclamation marks, and nowhere else", () => {
  assertEquals(textsOf("a:b,c!!d!e"), ["a", { ":": 1 }, "b", { ",": 1 }, "c", { "!!": 1 }, "d!e"]);
});

Deno.test("tokenize() takes quotes away and keeps brackets, hiding specials in both, as socat does", () => {
  assertEquals(textsOf('echo a(b,c)[d:e]{f!!g}"h,i"j'), ["echo a(b,c)[d:e]{f!!g}h,ij"]);
  assertEquals(textsOf("'a,b'\"c:d\""), ["a,bc:d"]);
  assertEquals(textsOf(`{"a":1,'b':2}`), [`{"a":1,'b':2}`]);
  assertEquals(textsOf(")a]b"), [")a]b"]);
});

Deno.test("tokenize() reads escapes everywhere", () => {
  assertEquals(textsOf("a\\,b\\:c\\!!\\\\\\q"), ["a,b:c!!\\q"]);
  assertEquals(textsOf("\\n\\t\\r\\0\\a"), ["\n\t\r\0\x07"]);
  assertEquals(textsOf('"a\\"b\\n"'), ['a"b\n']);
  assertEquals(textsOf("(a\\,b)"), ["(a,b)"]);
});

Deno.test("tokenize() says what is missing when a quote, bracket or escape does not end", () => {
  for (const [address, what] of [['FILE:D/ab"cd', '"'], ["a(b", ")"], ["a{[}", "]"], ["a'", "'"]]) {
    const error = assertThrows(() => tokenize(address!), ConfigError, `unexpected end of address "${address}`);
    assertEquals((error as Error).message.endsWith(`syntax error, ${what} is missing`), true);
  }
  assertThrows(() => tokenize("a\\"), ConfigError, "syntax error");
});

Deno.test("lexAddress() keeps the options of each half apart and cuts them at the first equals sign", () => {
  const [first, second, ...rest] = lexAddress("a:b,x=1=2,y!!c,z=");
  assertEquals(textOf(first!.body), "a:b");
  assertEquals(first!.options, [{ name: "x", value: "1=2" }, { name: "y" }]);
  assertEquals(second!.options, [{ name: "z", value: "" }]);
  assertEquals(rest, []);
});

Deno.test("quote() writes any text so that tokenize() reads it back", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertEquals(textOf(tokenize(quote(text))), text);
    assertEquals(tokenize(quote(text)).length, text === "" ? 0 : 1);
  }));
});

Deno.test("tokenize() gives tokens or a ConfigError for any text", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."a:,!\\\"'()[]{}0=/") }), (text) => {
    try {
      tokenize(text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
  }));
});
