// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { addressWord, specOfWord } from "../support/address_words.ts";
import { addressFromSpec, printAddress } from "../../lib/config/address_printer.ts";
import { absentOptions } from "../../lib/config/absent_options.ts";
import { namesOf } from "../../lib/config/names.ts";
import { isOption } from "../../lib/config/options.ts";
import { registry } from "../../protocols/mod.ts";

const names = namesOf(registry);

for (const place of ["listener", "destination"] as const) {
  Deno.test(`every address type prints as it was parsed, as ${place}`, () => {
    fc.assert(
      fc.property(addressWord(names), (word) => {
        const spec = specOfWord(word, names, place);
        const again = printAddress(addressFromSpec(spec, place, registry, "spec"));
        assertEquals(specOfWord(again, names, place), spec);
      }),
      { numRuns: 1000 },
    );
  });
}

Deno.test("no address type has an option that is said not to be in this version", () => {
  assertEquals([...absentOptions].filter((name) => isOption(name, names)), []);
});
