/** Makes addresses for property tests out of what the plug-ins say of themselves. */
import * as fc from "fast-check";
import type { AddressType } from "../../lib/protocol.ts";
import type { Schema } from "../../lib/schema.ts";
import { applyDefaults } from "../../lib/config/defaults.ts";
import type { SpecDocument } from "../../lib/config/document.ts";
import { parseAddress } from "../../lib/config/endpoint_parser.ts";
import { quote } from "../../lib/config/lexer.ts";
import type { Found, Names } from "../../lib/config/names.ts";
import { specOf } from "../../lib/config/pair.ts";
import { engineFields, type Place } from "../../lib/config/stack.ts";

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
    case "server:host:port":
      return fc.tuple(host, fc.option(port), host, port)
        .map(([server, at, h, p]) => `:${server}${at === null ? "" : `:${at}`}:${h}:${p}`);
    case "number":
      return fc.nat().map((n) => `:${n}`);
    case "text":
      return text.map((value) => `:${quote(value)}`);
  }
}

const awkward = [
  "a",
  "b c",
  "/x",
  "a,b:c!!d=e",
  "'\"\\",
  "(",
  "]{",
  "\0\n\t",
  "\u00fc\ufffd",
  "http://h/",
  "u:p",
  "a: b",
  "1000",
];

/** Values to try by the type of the schema; options of other types are left out. */
const values: Readonly<Record<string, readonly (string | undefined)[]>> = {
  boolean: [undefined, "0", "1"],
  number: ["0", "1", "0x10", "200", "1000"],
  bytes: ["1", "4k", "0x10"],
  seconds: ["0", "0.5", "2m", "inf", "1.5ms"],
  octal: ["600", "0777"],
  string: awkward,
  net: ["10.0.0.0/8", "[fd00::]/8", "127.0.0.1"],
  "ip4|ip6": ["ip4", "IP6"],
  "host[:port]": ["h", ":5", "[::1]:5"],
};

function optionOf(key: string, schema: Schema<unknown>): fc.Arbitrary<string> {
  const name = key.replaceAll("_", "-");
  const fitting = values[schema.type]!.filter((value) => {
    try {
      schema.fromText(value, key);
      return true;
    } catch {
      return false;
    }
  });
  const options = fitting.map((value) => value === undefined ? `,${name}` : `,${name}=${quote(value)}`);
  return fc.constantFrom("", ...options);
}

function wordOf(found: Found, names: Names): fc.Arbitrary<string> {
  const { type } = found;
  const listens = type.role === "listen";
  const fields = Object.entries({ ...(found.protocol ?? found.layer).spec.fields, ...engineFields(type.role) })
    .filter(([key, schema]) => schema.type in values && !["address", "port", "path", "oneshot"].includes(key))
    // An overlay in front may take an option of the same name for its own.
    .filter(([key, { type }]) => names.registry.layers.every((l) => (l.spec.fields[key]?.type ?? type) === type))
    // A listener's bind is its host again.
    .filter(([key]) => key !== "bind" || type.parameters.form !== "[host:]port");
  const options = fc.uniqueArray(fc.constantFrom(...fields), { maxLength: 4, selector: ([key]) => key })
    .chain((chosen) => fc.tuple(...chosen.map(([key, schema]) => optionOf(key, schema))));
  const overlays = names.registry.layers.flatMap((layer) => layer.overlays ?? [])
    .filter(({ role }) => type.role !== "local" && (role === "listen") === listens).map(({ name }) => `${name}:`);
  return fc.tuple(fc.constantFrom("", "", ...overlays), fc.constantFrom(...type.names), parametersOf(type), options)
    .map(([before, name, parameters, written]) => before + name + parameters + written.join(""));
}

/** Addresses that parse, of every type of `names` but those whose program follows `--`: single ones and dual ones. */
export function addressWord(names: Names): fc.Arbitrary<string> {
  const types = names.types.filter((found) => found.type.parameters.form !== "words");
  const single = fc.constantFrom(...types).chain((found) => wordOf(found, names));
  return fc.oneof({ weight: 4, arbitrary: single }, fc.tuple(single, single).map((halves) => halves.join("!!")));
}

/** The spec of a word as address1 or address2, with the defaults of a command line. */
export function specOfWord(word: string, names: Names, place: Place): SpecDocument {
  const address = parseAddress(word, names);
  const stacks = "single" in address ? [address.single] : [address.dual.read, address.dual.write];
  for (const stack of stacks) applyDefaults(stack, "single" in address ? place : "destination", { ipVersion: 4 });
  return specOf(address, place);
}
