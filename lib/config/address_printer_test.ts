// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ConfigError } from "../errors.ts";
import type { AddressType } from "../protocol.ts";
import type { Schema } from "../schema.ts";
import { testRegistry } from "./_test_registry.ts";
import { addressFromSpec, nameOf, printAddress } from "./address_printer.ts";
import { applyDefaults } from "./defaults.ts";
import { parseAddress, type ParsedAddress } from "./endpoint_parser.ts";
import { quote } from "./lexer.ts";
import { type Found, namesOf } from "./names.ts";
import { specOf } from "./pair.ts";
import { engineFields, type Place } from "./stack.ts";

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

const host = fc.oneof(fc.constantFrom("h", "127.0.0.1", "[::1]", "[fe80::1%eth0]"), fc.domain());
const port = fc.integer({ min: 1, max: 65535 });
const text = fc.string({ unit: "binary", minLength: 1 });
const path = fc.string({ maxLength: 9 }).map((rest) => `/${quote(rest)}`);

function parametersOf({ parameters }: AddressType): fc.Arbitrary<string> {
  switch (parameters.form) {
    case "none":
    case "words":
      return fc.constant("");
    case "host:port":
      return fc.tuple(host, port, parameters.path ? fc.option(path, { nil: "" }) : fc.constant(""))
        .map(([h, p, rest]) => `:${h}:${p}${rest}`);
    case "[host:]port":
      return fc.tuple(fc.option(host), port, parameters.path ? fc.option(path, { nil: "" }) : fc.constant(""))
        .map(([h, p, rest]) => `:${h === null ? "" : `${h}:`}${p}${rest}`);
    case "number":
      return fc.nat().map((n) => `:${n}`);
    case "text":
      return text.map((value) => `:${quote(value)}`);
  }
}

function optionOf(key: string, schema: Schema<unknown>): fc.Arbitrary<string> {
  const name = key.replaceAll("_", "-");
  const values: Record<string, fc.Arbitrary<string>> = {
    boolean: fc.constantFrom("", "=0", "=1"),
    number: fc.integer({ min: 1, max: 200 }).map((n) => `=${n}`),
    bytes: fc.constantFrom("=1", "=4k", "=0x10"),
    seconds: fc.constantFrom("=0", "=0.5", "=2m", "=inf", "=1.5ms"),
    octal: fc.constantFrom("=600", "=0777"),
    string: text.map((value) => `=${quote(value)}`),
    net: fc.constantFrom("=10.0.0.0/8", "=[fd00::]/8", "=127.0.0.1"),
    "ip4|ip6": fc.constantFrom("=ip4", "=IP6"),
  };
  const value = values[schema.type] ?? fc.constant("");
  return value.map((written) => `,${name}${written}`);
}

function wordOf(found: Found): fc.Arbitrary<string> {
  const { type } = found;
  const fields = Object.entries({ ...(found.protocol ?? found.layer).spec.fields, ...engineFields(type.role) })
    .filter(([key]) => key !== "bind" && key !== "oneshot" && !["address", "port", "path"].includes(key));
  const options = fc.uniqueArray(fc.constantFrom(...fields), { maxLength: 4, selector: ([key]) => key })
    .chain((chosen) => fc.tuple(...chosen.map(([key, schema]) => optionOf(key, schema as Schema<unknown>))));
  const overlay = type.role === "listen" ? "ws-u:" : "ws-c:";
  const front = type.role === "local" ? fc.constant("") : fc.constantFrom("", "", overlay);
  return fc.tuple(front, fc.constantFrom(...type.names), parametersOf(type), options)
    .map(([before, name, parameters, written]) => before + name + parameters + written.join(""));
}

const single = fc.constantFrom(...names.types.filter((found) => found.type.parameters.form !== "words")).chain(wordOf);
const word = fc.oneof({ weight: 4, arbitrary: single }, fc.tuple(single, single).map((halves) => halves.join("!!")));

/** The spec of a word as address1 or address2, defaults and all. */
function specFor(word: string, place: Place) {
  const address = parseAddress(word, names);
  const inner = "single" in address ? place : "destination";
  for (const stack of stacksOf(address)) applyDefaults(stack, inner, { ipVersion: 4 });
  return specOf(address, place);
}
function stacksOf(address: ParsedAddress) {
  return "single" in address ? [address.single] : [address.dual.read, address.dual.write];
}

for (const place of ["listener", "destination"] as const) {
  Deno.test(`printAddress() is the inverse of parsing, for every type as ${place}`, () => {
    fc.assert(
      fc.property(word, (word) => {
        const spec = specFor(word, place);
        const again = printAddress(addressFromSpec(spec, place, testRegistry, "spec"));
        assertEquals(specFor(again, place), spec);
        assertEquals(printAddress(addressFromSpec(specFor(again, place), place, testRegistry, "spec")), again);
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
