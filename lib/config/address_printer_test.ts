// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { addressWord, specOfWord } from "../../tests/support/address_words.ts";
import { testRegistry } from "./_test_registry.ts";
import { addressFromSpec, nameOf, printAddress } from "./address_printer.ts";
import { parseAddress } from "./endpoint_parser.ts";
import { namesOf } from "./names.ts";

const names = namesOf(testRegistry);

function printed(word: string): string {
  return printAddress(parseAddress(word, names));
}

Deno.test("printAddress() writes canonical types, parameters, then options", () => {
  assertEquals(printed("tcp:127.0.0.1:http,NoDelay=0"), "TCP:127.0.0.1:80,nodelay=0");
  assertEquals(printed("tcp4-l:80,bind=[::1],fork"), "TCP4-LISTEN:[::1]:80,fork");
  assertEquals(printed("ws+unix:///x,text"), "ws-c:UNIX-CONNECT:/x,text");
  assertEquals(printed("ws://h/a,base.keepalive,keepalive=0"), "WS:h:80/a,keepalive=0,base.keepalive");
  assertEquals(printed("-,crnl!!EXEC:'a b, c'"), "STDIO,crnl!!EXEC:a b\\, c");
});

Deno.test("nameOf() leaves options out and does not quote", () => {
  assertEquals(nameOf(parseAddress("exec:'a, b',stderr", names)), "EXEC:a, b");
  assertEquals(nameOf(parseAddress("ws-u:unix-l:/x", names)), "ws-u:UNIX-LISTEN:/x");
});

for (const place of ["listener", "destination"] as const) {
  Deno.test(`printAddress() is the inverse of parsing, for every type as ${place}`, () => {
    fc.assert(
      fc.property(addressWord(names), (word) => {
        const spec = specOfWord(word, names, place);
        const again = printAddress(addressFromSpec(spec, place, testRegistry, "spec"));
        assertEquals(specOfWord(again, names, place), spec);
        assertEquals(
          printAddress(addressFromSpec(specOfWord(again, names, place), place, testRegistry, "spec")),
          again,
        );
      }),
      { numRuns: 1000 },
    );
  });
}

Deno.test("parseAddress() gives an address or a ConfigError for any text", () => {
  const words = names.types.flatMap(({ type }) => type.names);
  const piece = fc.oneof(
    fc.constantFrom(":", ",", "!!", "=", "/", "://", "+", "-", "[", "]", "'", "ws", "tls", "1", "fork", "::1", "\\"),
    fc.constantFrom(...words),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      try {
        parseAddress(pieces.join(""), names);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});
