// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { formatPath, getAtPath, parsePath, setAtPath } from "./pointer.ts";

const guarded = ["__proto__", "constructor", "prototype"];
const key = fc.oneof(fc.string(), fc.constantFrom("a", "b", "", "~", "/", "~1", "~0", "0", "1abc", "10.0.0.1", "-"))
  .filter((key) => !guarded.includes(key));
const keys = fc.array(key, { maxLength: 5 });

Deno.test("getAtPath() and setAtPath() take a path with and without slashes around it", () => {
  for (const path of ["/a", "a", "/a/", "a/"]) {
    assertEquals(getAtPath({ a: 1 }, path), 1, path);
    assertEquals(setAtPath({ a: 1, b: 2 }, path, 3), { a: 3, b: 2 }, path);
  }
  for (const path of ["/", ""]) {
    const document = { a: 1 };
    assertStrictEquals(getAtPath(document, path), document);
    assertEquals(setAtPath(document, path, { v: 1 }), { v: 1 });
    assertEquals(setAtPath(document, path, "v"), "v");
  }
});

Deno.test("i-46: paths are those of RFC 6901, with its escapes", () => {
  // The document and the pointers of RFC 6901 section 5 whose results do not differ by the slashes around them.
  const document = {
    foo: ["bar", "baz"],
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
  };
  const results: Record<string, unknown> = {
    "/foo": ["bar", "baz"],
    "/foo/0": "bar",
    "/a~1b": 1,
    "/c%d": 2,
    "/e^f": 3,
    "/g|h": 4,
    "/i\\j": 5,
    '/k"l': 6,
    "/ ": 7,
    "/m~0n": 8,
  };
  for (const [path, value] of Object.entries(results)) assertEquals(getAtPath(document, path), value, path);
  assertEquals(parsePath("/~01"), ["~1"]);
  assertEquals(parsePath("/a//b"), ["a", "", "b"]);
  assertEquals(parsePath("/a//"), ["a", ""]);
  assertEquals(parsePath("//"), [""]);
});

Deno.test("i-45: keys that begin with a digit are whole keys", () => {
  const document = setAtPath({}, "/peers/10.0.0.1/1abc", true);
  assertEquals(document, { peers: { "10.0.0.1": { "1abc": true } } });
  assertEquals(getAtPath({ peers: { "10": "wrong" } }, "/peers/10.0.0.1"), undefined);
});

Deno.test("i-45: no path reaches the nature of an object", () => {
  for (const name of guarded) {
    assertEquals(getAtPath({ a: {} }, `/a/${name}`), undefined);
    assertEquals(getAtPath({}, `/${name}/toString`), undefined);
    for (const path of [`/${name}`, `/${name}/polluted`, `/a/${name}/polluted`]) {
      assertThrows(() => setAtPath({ a: {} }, path, 1), ConfigError, `"${name}" is no key that may be set`);
    }
  }
  const value = JSON.parse('{"__proto__": {"polluted": 1}}');
  const document = setAtPath({}, "/a", value) as { a: Record<string, unknown> };
  assertEquals(document.a.polluted, undefined);
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

Deno.test("getAtPath() is undefined where nothing is", () => {
  for (
    const path of ["/b", "/a/b", "/a/0", "/list/2", "/list/01", "/list/-", "/list/length", "/list/-1", "/n/x", "/e/x"]
  ) {
    assertEquals(getAtPath({ a: "text", list: [1, 2], n: null, e: "" }, path), undefined, path);
  }
  assertEquals(getAtPath({ n: null }, "/n"), null);
  for (const document of [undefined, null, "text", 5]) assertEquals(getAtPath(document, "/a"), undefined);
});

Deno.test("setAtPath() makes what is missing, and objects of what is empty", () => {
  assertEquals(setAtPath({ list: [{ a: 1 }] }, "/list/1/x/y", "v"), { list: [{ a: 1 }, { x: { y: "v" } }] });
  assertEquals(setAtPath({}, "/a/0/b", "v"), { a: { "0": { b: "v" } } });
  for (const empty of [null, 0, "", false, undefined]) {
    assertEquals(setAtPath({ a: empty }, "/a/b", 1), { a: { b: 1 } });
    assertEquals(setAtPath(empty, "/a/b", 1), { a: { b: 1 } });
  }
  assertEquals(setAtPath({ list: [1] }, "/list/-", 2), { list: [1, 2] });
  assertEquals(setAtPath({ list: [1] }, "/list/0", 2), { list: [2] });
});

Deno.test("setAtPath() says what is in the way, and then changes nothing", () => {
  const cases: [path: string, message: string][] = [
    ["/a/b/c", 'cannot set "/a/b/c": /a/b is "text", not an object'],
    ["/a/n/c/d", 'cannot set "/a/n/c/d": /a/n is 5, not an object'],
    ["/list/3", 'cannot set "/list/3": /list is a list of 2, which has no place "3"'],
    ["/list/01", 'cannot set "/list/01": /list is a list of 2, which has no place "01"'],
    ["/list/length", 'cannot set "/list/length": /list is a list of 2, which has no place "length"'],
  ];
  for (const [path, message] of cases) {
    const document = { a: { b: "text", n: 5 }, list: [1, 2] };
    assertEquals(assertThrows(() => setAtPath(document, path, {}), ConfigError).message, message);
    assertEquals(document, { a: { b: "text", n: 5 }, list: [1, 2] });
  }
  const { status, message } = assertThrows(() => setAtPath("text", "/a", 1), ConfigError);
  assertEquals([status, message], [500, 'cannot set "/a": / is "text", not an object']);
});

Deno.test("setAtPath() copies what it puts in, however deep", () => {
  const value = { deep: { list: [{ x: 1 }] } };
  const document = setAtPath({}, "/a", value);
  value.deep.list[0]!.x = 2;
  assertEquals(getAtPath(document, "/a/deep/list/0/x"), 1);
  const whole = setAtPath({}, "/", value);
  assertNotStrictEquals(whole, value);
  let abyss: unknown = 1;
  for (let i = 0; i < 100_000; i++) abyss = [abyss];
  assert(Array.isArray(getAtPath(setAtPath({}, "/abyss", abyss), "/abyss")));
});

Deno.test("property: what was set is got", () => {
  fc.assert(fc.property(fc.jsonValue(), keys, fc.jsonValue(), (seed, keys, value) => {
    // A JSON value may hold lists and texts on the way; those have tests of their own.
    const document = { seed, place: {} };
    const path = formatPath(["place", ...keys]);
    const result = setAtPath(document, path, value);
    assertEquals(getAtPath(result, path), value);
    assertEquals(getAtPath(result, path.slice(1)), value);
    assertEquals(getAtPath(result, "/seed"), seed);
  }));
});

Deno.test("property: setting anything anywhere works and JSON can say the result, or is a ConfigError", () => {
  const asJson = (value: unknown) => JSON.parse(JSON.stringify(value));
  // `-` is written where nothing is ever read.
  const path = fc.oneof(fc.string(), fc.constantFrom("/0", "/0/a", "a/0/b")).filter((path) => !path.includes("-"));
  fc.assert(fc.property(fc.jsonValue(), path, fc.jsonValue(), (document, path, value) => {
    try {
      assertEquals(getAtPath(asJson(setAtPath(document, path, value)), path), asJson(value));
    } catch (error) {
      assert(error instanceof ConfigError, String(error));
    }
  }));
});

Deno.test("property: a formatted path parses to its keys, getAtPath() never throws", () => {
  fc.assert(fc.property(fc.array(fc.string()), (keys) => assertEquals(parsePath(formatPath(keys)), keys)));
  fc.assert(fc.property(fc.anything(), fc.string(), (document, path) => void getAtPath(document, path)));
});
