// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, ConnectError } from "../../lib/errors.ts";
import { headerItems } from "./header.ts";
import { makeHeader } from "./make_header.ts";

const metadata = { name: "s", some: { a: 1, b: { c: [2] } }, zero: 0, list: [1] };

function made(items: unknown): { header: unknown; missing: string[] } {
  const missing: string[] = [];
  const header = makeHeader(headerItems.parse(items, "header"), metadata, (path) => missing.push(path));
  return { header, missing };
}
const headerOf = (...items: unknown[]) => made(items).header;
const version = { JSONSocketVersion: 1 };

Deno.test("makeHeader() copies the whole metadata, the content of a part, or a part with its level", () => {
  assertEquals(headerOf(), version);
  assertEquals(headerOf({ path: "/" }), { ...metadata, ...version });
  assertEquals(headerOf({ path: "/some" }), { ...metadata.some, ...version });
  assertEquals(headerOf({ path: { from: "/some" } }), { ...metadata.some, ...version });
  assertEquals(headerOf({ path: { from: "/some", to: "/some" } }), { some: metadata.some, ...version });
  assertEquals(headerOf({ path: { from: "some/b/", to: "x/y" } }), { x: { y: { c: [2] } }, ...version });
  assertEquals(headerOf({ path: { from: "/zero", to: "/zero" } }), { zero: 0, ...version });
});

Deno.test("makeHeader() leaves out what is missing, and says so", () => {
  assertEquals(made([{ path: { from: "/none", to: "/some" } }]), { header: version, missing: ["/none"] });
  assertEquals(made([{ path: "/none" }]), { header: version, missing: ["/none"] });
});

Deno.test("makeHeader() sets values, with or without a trailing slash, making objects on the way", () => {
  for (const key of ["/a/b", "/a/b/", "a/b"]) {
    assertEquals(headerOf({ set: { key, value: "v" } }), { a: { b: "v" }, ...version });
  }
});

Deno.test("makeHeader() applies items in order: different targets merge, the root replaces what was there", () => {
  assertEquals(
    headerOf(
      { path: { from: "/some/a", to: "/labels/a" } },
      { set: { key: "/labels/field", value: "value" } },
      { set: { key: "/JSONSocketVersion", value: 7 } },
    ),
    { labels: { a: 1, field: "value" }, ...version },
  );
  assertEquals(headerOf({ set: { key: "/x", value: 1 } }, { path: "/some" }), { ...metadata.some, ...version });
});

Deno.test("makeHeader() shares nothing with the metadata, nor with its settings", () => {
  const before = structuredClone(metadata);
  const items = headerItems.parse([{ set: { key: "/o", value: { a: 1 } } }, { path: { from: "/some", to: "/s" } }], "");
  const first = makeHeader(items, metadata, () => {}) as { o: Record<string, unknown>; s: Record<string, unknown> };
  first.o.a = 2;
  first.s.a = 2;
  assertEquals(metadata, before);
  assertEquals(makeHeader(items, metadata, () => {}), { o: { a: 1 }, s: metadata.some, ...version });
});

Deno.test("i-37: makeHeader() does not change its items when the short form is used", () => {
  const written = [{ path: "/some" }];
  made(written);
  assertEquals(written, [{ path: "/some" }]);
});

Deno.test("makeHeader() refuses a header that is no object in the end", () => {
  for (const from of ["/name", "/list"]) {
    assertThrows(() => headerOf({ path: from }), ConnectError, "and not an object");
  }
});

Deno.test("headerItems refuses what is no item, by its path", () => {
  const wrong: [unknown, string][] = [
    [{}, "header: {} is not a list of items"],
    [[1], "header[0]: 1 is not one of {path: {from, to}} and {set: {key, value}}"],
    [[{ path: "/", set: {} }], "header[0]: "],
    [[{ path: 1 }], "header[0].path: 1 is not an object"],
    [[{ path: { to: "/" } }], "header[0].path.from: is missing"],
    [[{ path: { from: "/", two: "/" } }], "header[0].path.two: unknown key; known are from, to"],
    [[{ set: { key: "/a" } }], "header[0].set.value: is missing"],
    [[{ set: { key: 1, value: 1 } }], "header[0].set.key: 1 is not a string"],
    [[{ set: { key: "/__proto__/x", value: 1 } }], "header[0].set.key: "],
    [[{ path: "/", more: 1 }], "header[0].more: unknown key; known are path"],
  ];
  for (const [value, message] of wrong) {
    assertThrows(() => headerItems.parse(value, "header"), ConfigError, message);
  }
});

Deno.test("headerItems is an object or a list on the command line", () => {
  const object = headerItems.fromText('{"a":1}', "header");
  assertEquals(object, [{ set: { key: "/", value: { a: 1 } } }]);
  assertEquals(headerItems.toText!(object), '{"a":1}');
  const list = headerItems.fromText('[{"path":"/IP"},{"set":{"key":"/x","value":1}}]', "header");
  assertEquals(headerItems.fromText(headerItems.toText!(list), "header"), list);
  assertThrows(() => headerItems.fromText("a: b", "header"), ConfigError, "is not a JSON object");
  assertThrows(() => headerItems.fromText("1", "header"), ConfigError, "is not a list of items");
  assertThrows(() => headerItems.fromText(undefined, "header"), ConfigError, 'option "header" requires a value');
});
