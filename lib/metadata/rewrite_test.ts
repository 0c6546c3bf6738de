// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { applyRewrites, parseRewrites, type Rewrite } from "./rewrite.ts";

Deno.test("applyRewrites() applies them in order, each to what the last left", () => {
  const result = applyRewrites({ name: "a", IP: { src_addr: "10.0.0.1" } }, [
    { path: "/labels", value: { user: "u" } },
    { path: "labels/user", value: "v" },
    { path: "/labels/10.0.0.1/x", value: 1 },
    { path: "/name", value: "b" },
  ]);
  assertEquals(result, { name: "b", IP: { src_addr: "10.0.0.1" }, labels: { user: "v", "10.0.0.1": { x: 1 } } });
});

Deno.test("applyRewrites() replaces all metadata at /", () => {
  assertEquals(applyRewrites({ a: 1 }, [{ path: "/", value: { b: 2 } }]), { b: 2 });
  assertEquals(applyRewrites({ a: 1 }, [{ path: "/", value: null }, { path: "/c", value: 3 }]), { c: 3 });
});

Deno.test("applyRewrites() leaves metadata and rule as they were, and sessions apart", () => {
  const seed = { HTTP: { headers: { host: "a" } } };
  const rewrites = [{ path: "/labels", value: { list: [{ n: 1 }] } }, { path: "/HTTP/headers/host", value: "b" }];
  const one = applyRewrites(seed, rewrites) as {
    labels: { list: { n: number }[] };
    HTTP: { headers: { host: string } };
  };
  const other = applyRewrites(seed, rewrites) as typeof one;
  one.labels.list[0]!.n = 2;
  one.HTTP.headers.host = "c";
  assertEquals(other, { labels: { list: [{ n: 1 }] }, HTTP: { headers: { host: "b" } } });
  assertEquals(rewrites[0], { path: "/labels", value: { list: [{ n: 1 }] } });
  assertEquals(seed, { HTTP: { headers: { host: "a" } } });
});

Deno.test("applyRewrites() without rewrites costs nothing", () => {
  const metadata = { a: 1 };
  assertStrictEquals(applyRewrites(metadata, []), metadata);
  assertStrictEquals(applyRewrites(metadata), metadata);
});

Deno.test("applyRewrites() fails with what is in the way", () => {
  const cases: [rewrites: Rewrite[], message: string][] = [
    [[{ path: "/name/x", value: 1 }], 'cannot set "/name/x": /name is "a", not an object'],
    [[{ path: "/", value: "text" }], 'cannot set "/": metadata must stay an object, and not become "text"'],
    [[{ path: "/", value: [] }], 'cannot set "/": metadata must stay an object, and not become []'],
  ];
  for (const [rewrites, message] of cases) {
    const error = assertThrows(() => applyRewrites({ name: "a" }, rewrites), ConfigError);
    assertEquals([error.message, error.status], [message, 500]);
  }
});

Deno.test("parseRewrites() refuses every mistake, with its path", () => {
  const at = "rules[0].action.rewrite";
  const cases: [document: unknown, message: string][] = [
    [{}, "rules[0].action.rewrite: is not a list of rewrites"],
    [["x"], "rules[0].action.rewrite[0]: is not an object"],
    [[{ path: "/a", value: 1 }, { value: 1 }], "rules[0].action.rewrite[1].path: is missing"],
    [[{ path: "/a" }], "rules[0].action.rewrite[0].value: is missing"],
    [[{ path: 5, value: 1 }], "rules[0].action.rewrite[0].path: is not a path such as /labels/user"],
    [
      [{ path: "/a/__proto__/b", value: 1 }],
      'rules[0].action.rewrite[0].path: cannot set "/a/__proto__/b": "__proto__" is no key that may be set',
    ],
  ];
  for (const [document, message] of cases) {
    assertEquals(assertThrows(() => parseRewrites(document, at), ConfigError).message, message);
  }
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  assertThrows(() => parseRewrites([{ path: "/a", value: cycle }], at), ConfigError, "rewrite[0].value: nests deeper");
  assertEquals(parseRewrites(undefined, at), []);
  assertEquals(parseRewrites([{ path: "/a", value: null }], at), [{ path: "/a", value: null }]);
});

Deno.test("property: rewrites that parse give an object or a ConfigError, and never touch their input", () => {
  const rewrites = fc.array(fc.record({
    path: fc.oneof(fc.constantFrom("/", "a", "/a/b", "/a/b/c", "/a/0", "/a/-"), fc.string()),
    value: fc.jsonValue(),
  }));
  fc.assert(fc.property(fc.dictionary(fc.constantFrom("a", "b"), fc.jsonValue()), rewrites, (metadata, document) => {
    const before = JSON.stringify([metadata, document]);
    try {
      const result = applyRewrites(metadata, parseRewrites(document, "rewrite"));
      assert(typeof result === "object" && !Array.isArray(result));
    } catch (error) {
      assert(error instanceof ConfigError, String(error));
    }
    assertEquals(JSON.stringify([metadata, document]), before);
  }));
});
