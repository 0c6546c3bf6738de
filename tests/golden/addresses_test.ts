// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { addressWord, specOfWord } from "../support/address_words.ts";
import { addressFromSpec, printAddress } from "../../lib/config/address_printer.ts";
import { whyAbsent } from "../../lib/config/absent_options.ts";
import { namesOf } from "../../lib/config/names.ts";
import { connectOptions, listenOptions, streamOptions } from "../../lib/config/engine_options.ts";
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
  const ofTypes = names.types.map((found) => (found.protocol ?? found.layer).spec);
  const fields = [streamOptions, listenOptions, connectOptions, ...ofTypes].flatMap((spec) =>
    Object.entries(spec.fields)
  );
  const known = fields.flatMap(([key, { notes }]) => [key.replaceAll("_", "-"), ...(notes.aliases ?? [])]);
  assertEquals([...new Set(known)].filter((name) => whyAbsent(name) !== undefined), []);
});
