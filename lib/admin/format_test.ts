// The layouts of ?format=, as npm:format-json makes them.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { formatJson, formats } from "./format.ts";

const cluster = { name: "a", spec: { protocol: "TCP", port: 1 }, endpoints: [{ name: "e" }, []], none: {}, no: null };

const golden: Readonly<Record<string, string>> = {
  plain: `{
  "name": "a",
  "spec": {
    "protocol": "TCP",
    "port": 1
  },
  "endpoints": [
    {
      "name": "e"
    },
    []
  ],
  "none": {},
  "no": null
}`,
  terse: '{"name":"a","spec":{"protocol":"TCP","port":1},"endpoints":[{"name":"e"},[]],"none":{},"no":null}',
  space:
    '{ "name": "a", "spec": { "protocol": "TCP", "port": 1 }, "endpoints": [ { "name": "e" }, [] ], "none": {}, "no": null }',
  lines: `{ "name": "a"
, "spec": { "protocol": "TCP", "port": 1 }
, "endpoints": [ { "name": "e" }, [] ]
, "none": {}
, "no": null
}`,
  diffy: `{ "name": "a"
, "spec":
  { "protocol": "TCP"
  , "port": 1
  }
, "endpoints":
  [ { "name": "e"
    }
  , []
  ]
, "none": {}
, "no": null
}`,
};

for (const format of formats) {
  Deno.test(`formatJson() lays out ${format} as the original does`, () => {
    assertEquals(formatJson(cluster, format), golden[format]);
  });
}

Deno.test("formatJson() lays out a list: one item a line, and deeper ones under each other", () => {
  assertEquals(formatJson([{ a: 1, b: [2] }, "x"], "lines"), '[ { "a": 1, "b": [ 2 ] }\n, "x"\n]');
  assertEquals(formatJson([[1, [2]]], "diffy"), "[ [ 1\n  , [ 2\n    ]\n  ]\n]");
  for (const format of formats) assertEquals([formatJson([], format), formatJson({}, format)], ["[]", "{}"]);
});

Deno.test("formatJson() takes a format it does not know, and none, as plain", () => {
  assertEquals([formatJson([1], "neat"), formatJson([1], null)], ["[\n  1\n]", "[\n  1\n]"]);
});

Deno.test("formatJson() keeps the data, whatever it is and however it is laid out", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.constantFrom(...formats), (value, format) => {
    assertEquals(JSON.parse(formatJson(value, format)), JSON.parse(JSON.stringify(value)));
  }));
});
