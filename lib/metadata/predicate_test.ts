// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { processorMs } from "../../tests/support/processor_time.ts";
import type { PredicateDocument } from "../config/document.ts";
import { ConfigError } from "../errors.ts";
import { checkPredicateKeys, compilePredicate, loadRegex, usesRegex } from "./predicate.ts";

await loadRegex();

const at = "rules[0].match";

const metadata = {
  name: "cli-1",
  IP: { src_addr: "10.0.0.1", dst_addr: "127.0.0.1", unknown: undefined },
  TCP: { src_port: 12345, dst_port: 80 },
  HTTP: { method: "GET", headers: { host: "Example.org", "x/y": "slash", "set-cookie": ["a=1", "b=2"] } },
  labels: { nothing: null, flag: true, empty: "", zero: 0, tags: ["Red", "green", { n: [1, "Two"] }] },
};

function match(predicate: PredicateDocument, of: unknown = metadata): boolean {
  return compilePredicate(predicate, at)(of);
}

function table(op: string, rows: readonly (readonly [path: string, value: unknown, expected: boolean])[]) {
  for (const [path, value, expected] of rows) {
    assertEquals(match({ op, path, value }), expected, JSON.stringify({ op, path, value }));
  }
}

Deno.test("predicate: test is deep equality", () => {
  table("test", [
    ["/name", "cli-1", true],
    ["/name", "cli-", false],
    ["/TCP/src_port", 12345, true],
    ["/TCP/src_port", "12345", false],
    ["/TCP", { dst_port: 80, src_port: 12345 }, true],
    ["/TCP", { src_port: 12345 }, false],
    ["/labels/tags", ["Red", "green", { n: [1, "Two"] }], true],
    ["/labels/tags", ["green", "Red", { n: [1, "Two"] }], false],
    ["/labels/tags", { "0": "Red", "1": "green", "2": { n: [1, "Two"] } }, false],
    ["/labels/nothing", null, true],
    ["/labels/missing", null, false],
    ["/labels/flag", true, true],
    ["/labels/zero", false, false],
  ]);
  // What is undefined is absent.
  assert(match({ op: "test", path: "/IP", value: { src_addr: "10.0.0.1", dst_addr: "127.0.0.1" } }));
});

Deno.test("predicate: in, contained and intersects compare deeply", () => {
  table("in", [
    ["/HTTP/method", ["POST", "GET"], true],
    ["/HTTP/method", ["POST"], false],
    ["/HTTP/method", [], false],
    ["/labels/tags/2", [1, { n: [1, "Two"] }], true],
    ["/labels/missing", [null], false],
  ]);
  table("contained", [
    ["/labels/tags", "green", true],
    ["/labels/tags", { n: [1, "Two"] }, true],
    ["/labels/tags", "blue", false],
    ["/name", "cli-1", false],
    ["/labels/missing", 1, false],
  ]);
  table("intersects", [
    ["/labels/tags", ["blue", "green"], true],
    ["/labels/tags", ["blue"], false],
    ["/labels/tags", [], false],
    ["/name", ["cli-1"], false],
  ]);
});

Deno.test("predicate: contains, starts and ends", () => {
  table("contains", [
    ["/name", "li-", true],
    ["/name", "", true],
    ["/name", "LI", false],
    ["/HTTP/headers/set-cookie", "a=1", true],
    ["/HTTP/headers/set-cookie", "a", false],
  ]);
  table("starts", [["/name", "cli", true], ["/name", "li", false], ["/name", "cli-11", false]]);
  table("ends", [["/name", "-1", true], ["/name", "cli", false], ["/name", "", true]]);
});

Deno.test("predicate: ends looks at the end, not at the first occurrence, and not before the start", () => {
  assert(match({ op: "ends", path: "/a", value: "ab" }, { a: "abab" }));
  assert(!match({ op: "ends", path: "/a", value: "xyz" }, { a: "ab" }));
});

Deno.test("i-3: what has another type than an operation wants is no match, and no error", () => {
  for (const op of ["contains", "starts", "ends", "matches"]) {
    for (const path of ["/TCP/src_port", "/labels/nothing", "/labels/flag", "/labels/missing", "/IP", "/name/x/y"]) {
      assertEquals(match({ op, path, value: "1" }), false, `${op} ${path}`);
    }
  }
  for (const op of ["less", "more"]) {
    for (
      const path of ["/name", "/labels/nothing", "/labels/flag", "/labels/missing", "/labels/tags", "/labels/empty"]
    ) {
      assertEquals(match({ op, path, value: 0.5 }), false, `${op} ${path}`);
    }
  }
  for (const nothing of [undefined, null, "text", 5, []]) {
    assertEquals(match({ op: "starts", path: "/a/b", value: "x" }, nothing), false);
  }
});

Deno.test("predicate: less and more", () => {
  table("less", [["/TCP/dst_port", 81, true], ["/TCP/dst_port", 80, false], ["/labels/zero", 0.5, true]]);
  table("more", [["/TCP/dst_port", 79, true], ["/TCP/dst_port", 80, false], ["/labels/zero", -1, true]]);
  assertEquals(match({ op: "less", path: "/a", value: 5 }, { a: "4" }), false);
});

Deno.test("predicate: defined and undefined; null is defined", () => {
  const rows: [string, boolean][] = [
    ["/name", true],
    ["/labels/nothing", true],
    ["/labels/empty", true],
    ["/labels/zero", true],
    ["/labels/missing", false],
    ["/name/more", false],
    ["/IP/unknown", false],
    ["/HTTP/headers/x~1y", true],
    ["/HTTP/headers/toString", false],
    ["HTTP/headers/host/", true],
    ["/", true],
  ];
  for (const [path, expected] of rows) {
    assertEquals(match({ op: "defined", path }), expected, path);
    assertEquals(match({ op: "undefined", path }), !expected, path);
  }
});

Deno.test("predicate: type", () => {
  const rows: Record<string, { yes: readonly unknown[]; no: readonly unknown[] }> = {
    number: { yes: [0, -1.5], no: ["0", null, undefined] },
    string: { yes: ["", "a"], no: [0, [], undefined] },
    boolean: { yes: [true, false], no: [0, "true"] },
    object: { yes: [{}, [], null], no: ["", 1, undefined] },
    array: { yes: [[], [1]], no: [{}, null, "[]"] },
    null: { yes: [null], no: [undefined, 0, ""] },
    undefined: { yes: [undefined], no: [null, 0] },
    date: { yes: ["2026-02-28", "1999-12-31"], no: ["2026-13-01", "2026-1-1", "2026-02-28T00:00:00Z", 20260228] },
    time: { yes: ["23:59:60Z", "00:00:00.123456+02:00"], no: ["24:00:00Z", "12:00:00", "12:00Z", undefined] },
    "date-time": {
      yes: ["2026-02-28T12:00:00Z", "2026-02-28t12:00:00.5-01:30"],
      no: ["2026-02-28 12:00:00Z", "2026-02-28"],
    },
    lang: { yes: ["de", "en-US", "zh-Hant-TW"], no: ["*", "e", "en_US", "", "en-", null, true] },
    "lang-range": { yes: ["*", "en-*", "de-DE"], no: ["", "en-", "1"] },
    iri: {
      yes: ["http://a/b?c#d", "urn:x", "http://ä/%20"],
      no: ["/a/b", "a b:c", "http://a b", "http://%zz", "1a:b", ""],
    },
    "absolute-iri": { yes: ["http://a/b?c", "urn:x"], no: ["http://a/b#c", "//a/b"] },
  };
  for (const [value, { yes, no }] of Object.entries(rows)) {
    const test = compilePredicate({ op: "type", path: "/a", value }, at);
    for (const a of yes) assert(test({ a }), `${JSON.stringify(a)} is ${value}`);
    for (const a of no) assert(!test({ a }), `${JSON.stringify(a)} is not ${value}`);
  }
});

Deno.test("predicate: ignore_case", () => {
  const yes: PredicateDocument[] = [
    { op: "test", path: "/HTTP/headers/host", value: "EXAMPLE.org" },
    { op: "test", path: "/labels/tags", value: ["rED", "GREEN", { n: [1, "two"] }] },
    { op: "in", path: "/HTTP/method", value: ["get"] },
    { op: "contains", path: "/HTTP/headers/host", value: "PLE" },
    { op: "contains", path: "/labels/tags", value: "RED" },
    { op: "starts", path: "/HTTP/headers/host", value: "exa" },
    { op: "ends", path: "/HTTP/headers/host", value: "ORG" },
    { op: "matches", path: "/HTTP/headers/host", value: "^example\\.ORG$" },
    { op: "contained", path: "/labels/tags", value: { n: [1, "TWO"] } },
    { op: "intersects", path: "/labels/tags", value: ["RED"] },
  ];
  for (const predicate of yes) {
    assert(match({ ...predicate as object, ignore_case: true }), JSON.stringify(predicate));
    assert(!match(predicate), `with case: ${JSON.stringify(predicate)}`);
  }
});

Deno.test("predicate: matches finds anywhere, and false on what is no string", () => {
  table("matches", [
    ["/name", "i-[0-9]", true],
    ["/name", "^i", false],
    ["/HTTP/headers/host", "\\.org$", true],
    ["/TCP/src_port", "1", false],
  ]);
});

Deno.test("predicate: matches takes linear time", () => {
  const evil = compilePredicate({ op: "matches", path: "/a", value: "(a+)+$" }, at);
  const start = processorMs();
  assertEquals(evil({ a: "a".repeat(50) + "b" }), false);
  assertEquals(evil({ a: "a".repeat(50) }), true);
  assert(processorMs() - start < 1000);
});

Deno.test("predicate: what RE2 does not take is refused when compiled", () => {
  const cases: [string, RegExp][] = [
    ["(", /^rules\[0\]\.match\.value: "\(" is not a regular expression of RE2: missing closing \)/],
    ["(?=a)b", /is not a regular expression of RE2: .*`\(\?=`/],
    ["(a)\\1", /is not a regular expression of RE2: invalid escape sequence: `\\1`/],
    ["a{1001}", /is not a regular expression of RE2: invalid repeat count/],
    ["((a{100}){100}){100}", /is too big; use smaller counts$/],
    ["(x{1000}y{1000}z){1}", /"\(x\{1000\}y\{1000\}z\)\{1\}" is too big; use smaller counts$/],
    ["a".repeat(2001), /is longer than 2000 characters/],
  ];
  for (const [value, message] of cases) {
    const error = assertThrows(() => compilePredicate({ op: "matches", path: "/a", value }, at), ConfigError);
    assert(message.test(error.message), error.message);
  }
});

Deno.test("predicate: and, or, not, also without anything to apply", () => {
  const yes = { op: "defined", path: "/name" };
  const no = { op: "undefined", path: "/name" };
  const rows: [op: string, apply: unknown[], expected: boolean][] = [
    ["and", [], true],
    ["and", [yes, yes], true],
    ["and", [yes, no], false],
    ["or", [], true],
    ["or", [no, yes], true],
    ["or", [no, no], false],
    ["not", [], true],
    ["not", [no, no], true],
    ["not", [no, yes], false],
    ["not", [yes], false],
  ];
  for (const [op, apply, expected] of rows) {
    assertEquals(match({ op, apply }), expected, `${op} ${JSON.stringify(apply)}`);
  }
});

Deno.test("predicate: the path of a combination goes before those of its parts", () => {
  const inner = { op: "test", path: "/host", value: "Example.org" };
  assert(match({ op: "and", path: "/HTTP/headers", apply: [inner] }));
  assert(match({ op: "and", path: "/HTTP", apply: [{ op: "or", path: "headers", apply: [inner] }] }));
  assert(!match({ op: "and", path: "/IP", apply: [inner] }));
  assert(match({ op: "not", path: "/nowhere", apply: [inner] }));
  assert(match({ op: "and", path: "/nowhere", apply: [{ op: "undefined", path: "/a" }] }));
});

Deno.test("predicate: any string matches everything, and so does the form of a dump", () => {
  for (const predicate of ["*", "", "anything", { match: "*" }]) assert(match(predicate), JSON.stringify(predicate));
});

Deno.test("i-46: predicates take the same paths as everything else", () => {
  for (const path of ["/IP/src_addr", "IP/src_addr", "/IP/src_addr/"]) {
    assert(match({ op: "test", path, value: "10.0.0.1" }), path);
  }
  assert(match({ op: "test", path: "/HTTP/headers/x~1y", value: "slash" }));
  assert(match({ op: "type", path: "/", value: "object" }));
});

Deno.test("predicate: an IPv4 address in the form of IPv6 means the IPv4 address", () => {
  const path = "/IP/src_addr";
  const rows: [op: string, value: unknown, expected: boolean][] = [
    ["test", "::ffff:10.0.0.1", true],
    ["test", "::FFFF:10.0.0.1", true],
    ["test", "::ffff:10.0.0.2", false],
    ["in", ["::1", "::ffff:10.0.0.1"], true],
    ["starts", "::ffff:10.", true],
    ["starts", "::ffff:", true],
    ["starts", "::ffff:11.", false],
    ["ends", "::ffff:10.0.0.1", true],
    ["contains", "::ffff:10.0", true],
    ["matches", "^::ffff:10\\.", true],
    ["matches", "::ffff:(10|192)\\.", true],
    ["matches", "^::ffff:11\\.", false],
  ];
  for (const [op, value, expected] of rows) {
    assertEquals(match({ op, path, value }), expected, `${op} ${value}`);
    const mapped = { IP: { src_addr: "2001:db8::1" } };
    assertEquals(match({ op, path, value }, mapped), false, `${op} ${value} of IPv6`);
  }
  assert(match({ op: "test", path: "/IP", value: { src_addr: "::ffff:10.0.0.1", dst_addr: "::ffff:127.0.0.1" } }));
});

Deno.test("predicate: every mistake is refused, with its path", () => {
  const path = "/a";
  const cases: [predicate: unknown, message: string][] = [
    [{}, "rules[0].match.op: is missing"],
    [[], "rules[0].match: [] is not a predicate"],
    [null, "rules[0].match: null is not a predicate"],
    [{ match: 5 }, "rules[0].match.op: is missing"],
    [{ op: "strats", path, value: "x" }, 'rules[0].match.op: unknown operation "strats"; did you mean "starts"?'],
    [{ op: "toString", path, value: "x" }, 'rules[0].match.op: unknown operation "toString"'],
    [{ op: 5 }, "rules[0].match.op: unknown operation 5"],
    [{ op: "test", value: 1 }, "rules[0].match.path: is missing"],
    [{ op: "test", path: 5, value: 1 }, "rules[0].match.path: 5 is not a path such as /IP/src_addr"],
    [{ op: "test", path }, "rules[0].match.value: is missing"],
    [{ op: "starts", path, value: 5 }, "rules[0].match.value: 5 is not a string"],
    [{ op: "less", path, value: "5" }, 'rules[0].match.value: "5" is not a number'],
    [{ op: "in", path, value: "GET" }, 'rules[0].match.value: "GET" is not a list'],
    [{ op: "intersects", path }, "rules[0].match.value: is missing"],
    [{ op: "type", path, value: "strnig" }, 'rules[0].match.value: unknown type "strnig"; did you mean "string"?'],
    [{ op: "test", path, value: 1, ignore_case: "yes" }, 'rules[0].match.ignore_case: "yes" is not true or false'],
    [{ op: "and", path }, "rules[0].match.apply: is missing"],
    [{ op: "and", apply: {} }, "rules[0].match.apply: {} is not a list of predicates"],
    [{ op: "and", apply: ["*"] }, 'rules[0].match.apply[0]: "*" is not a predicate'],
    [
      { op: "and", apply: [{ op: "defined", path }, { op: "or", apply: [{ op: "annd" }] }] },
      'rules[0].match.apply[1].apply[0].op: unknown operation "annd"; did you mean "and"?',
    ],
  ];
  for (const [predicate, message] of cases) {
    const error = assertThrows(() => compilePredicate(predicate as PredicateDocument, at), ConfigError);
    assertEquals(error.message, message);
  }
});

Deno.test("predicate: deep nesting works to a bound, and is refused beyond it", () => {
  const nested = (levels: number) => {
    let predicate: PredicateDocument = { op: "defined", path: "/name" };
    for (let i = 1; i < levels; i++) predicate = { op: "and", apply: [predicate] };
    return predicate;
  };
  assert(match(nested(1000)));
  assertThrows(() => compilePredicate(nested(1001), at), ConfigError, "nests deeper than 1000 levels");
  let value: unknown = 1;
  for (let i = 0; i < 100_000; i++) value = [value];
  for (const op of ["test", "in", "starts"]) {
    const predicate = { op, path: "/name", value };
    assertThrows(
      () => compilePredicate(predicate, at),
      ConfigError,
      "rules[0].match.value: nests deeper than 1000 levels",
    );
  }
});

Deno.test("predicate: a caller's deep metadata is no match, and no error", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assertEquals(match({ op: "test", path: "/a", value: [[[1]]] }, { a: deep }), false);
  assertEquals(match({ op: "contained", path: "/a", value: [[1]] }, { a: deep }), false);
});

Deno.test("checkPredicateKeys() refuses keys that say nothing", () => {
  const fine = {
    op: "and",
    path: "/a",
    apply: [{ op: "test", path: "/b", value: { any: "thing" }, ignore_case: true }],
  };
  for (const document of ["*", { match: "*" }, fine]) checkPredicateKeys(document, at);
  assertEquals(
    assertThrows(() => checkPredicateKeys({ op: "or", apply: [{ op: "test", ignorecase: true }] }, at), ConfigError)
      .message,
    'rules[0].match.apply[0].ignorecase: unknown key; did you mean "ignore_case"?',
  );
});

Deno.test("usesRegex() finds the operation anywhere in a document", () => {
  const inner = { op: "matches", path: "/a", value: "b" };
  assert(usesRegex({ rules: [{ match: { op: "or", apply: [{ op: "not", apply: [inner] }] } }] }));
  assert(!usesRegex({ rules: [{ match: { op: "starts", path: "matches", value: "matches" } }], admin: null }));
});

const value = fc.oneof(fc.jsonValue(), fc.constantFrom("a", "::ffff:1.2.3.4", "1.2.3.4", "[a-z]+(b|c)*$", "date"));
const path = fc.oneof(fc.constantFrom("/", "/a", "a/b", "/a/0", "/a/b/c", "/__proto__"), fc.string());
const operation = fc.constantFrom(
  "test",
  "in",
  "contains",
  "starts",
  "ends",
  "matches",
  "less",
  "more",
  "defined",
  "undefined",
  "type",
  "contained",
  "intersects",
);
const { predicate } = fc.letrec<{ predicate: Record<string, unknown> }>((tie) => ({
  predicate: fc.oneof(
    { maxDepth: 3 },
    fc.record({ op: operation, path, value, ignore_case: fc.boolean() }, { requiredKeys: ["op", "path"] }),
    fc.record({ op: fc.constantFrom("and", "or", "not"), path, apply: fc.array(tie("predicate"), { maxLength: 3 }) }, {
      requiredKeys: ["op", "apply"],
    }),
  ),
}));

function compiled(predicate: unknown) {
  try {
    return compilePredicate(predicate as PredicateDocument, at);
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
  }
}

Deno.test("property: a predicate is refused with a ConfigError, or says yes or no to any metadata", () => {
  let said = 0;
  const metadata = fc.oneof(fc.anything(), fc.dictionary(fc.constantFrom("a", "b", "c"), fc.anything()));
  fc.assert(
    fc.property(predicate, metadata, (predicate, metadata) => {
      const test = compiled(predicate);
      if (test) said += 1;
      const answer = test?.(metadata);
      assert(answer === undefined || typeof answer === "boolean");
    }),
    { numRuns: 1000 },
  );
  assert(said > 100, `only ${said} were valid`);
  fc.assert(fc.property(fc.anything(), (document) => void compiled(document)));
});

Deno.test("property: a predicate that went through JSON says the same", () => {
  fc.assert(fc.property(predicate, fc.jsonValue(), (predicate, metadata) => {
    const again = compiled(JSON.parse(JSON.stringify(predicate)));
    assertEquals(again?.(metadata), compiled(predicate)?.(JSON.parse(JSON.stringify(metadata))));
  }));
});

Deno.test("property: test is true of a copy of the value, not of anything", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
    const test = compilePredicate({ op: "test", path: "/", value: a }, at);
    assert(test(structuredClone(a)));
    assertEquals(test(b), compilePredicate({ op: "test", path: "/", value: b }, at)(a));
  }));
});

Deno.test("predicate: one document is made ready once, however often it is asked for", () => {
  const document = { op: "matches", path: "/a", value: "b" };
  assertEquals(compilePredicate(document, at), compilePredicate(document, "elsewhere"));
  assert(compilePredicate(document, at) !== compilePredicate({ ...document }, at));
});
