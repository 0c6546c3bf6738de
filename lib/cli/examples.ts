/** Makes up a command line that shows a type or an option; a test checks that each is accepted. */
import { listenOptions, retryFields } from "../config/engine_options.ts";
import type { AddressType, Direction } from "../protocol.ts";
import type { OptionEntry, TypeEntry } from "./catalog.ts";
import type { OverlayEntry } from "./overlays.ts";

/** A command line with an address of this type, and with this option where one is given. */
export function exampleOf(entry: TypeEntry, option?: OptionEntry): string {
  const { type, direction, what } = entry;
  const [parameters, tail] = exampleParameters(type);
  const use = oneWay[option?.name ?? ""] ?? direction;
  const needed = type.example === undefined || what === "transform" ? "" : `,${type.example}`;
  const shown = option === undefined || needed.split(",").some((part) => part.split("=")[0] === option.name);
  const many = type.role === "listen"
    ? option?.name !== "fork" && option?.name !== "oneshot"
    : option?.name === needsFork;
  const fork = many && what === "address";
  const word = quoted(
    `${type.names[0]}${parameters}${fork ? ",fork" : ""}${needed}${shown ? "" : `,${exampleOption(option)}`}`,
  );
  if (what === "transform") return `l7mp UDP-LISTEN:8080,fork ${word} TCP:127.0.0.1:8081`;
  const first = option !== undefined && firstOnly.has(option.name);
  if (use === "read") return `l7mp -u ${word} -${tail}`;
  if (use === "write") return first ? `l7mp -U ${word} -${tail}` : `l7mp -u - ${word}${tail}`;
  return type.role === "listen" || first ? `l7mp ${word} PIPE${tail}` : `l7mp - ${word}${tail}`;
}

/** The option that makes no sense without `fork`. */
const needsFork = "max-children";

/** Options that need an address to be used in one direction. */
const oneWay: Readonly<Record<string, Direction>> = { rdonly: "read", wronly: "write" };

/** Options that only the first address can have. */
const firstOnly: ReadonlySet<string> = new Set(
  Object.keys(listenOptions.fields).filter((key) => !(key in retryFields)).map((key) => key.replaceAll("_", "-")),
);

/** A command line with this overlay, and with this option of it where one is given. */
export function overlayExample({ name, role }: OverlayEntry, option?: OptionEntry): string {
  const more = option ? `,${exampleOption(option)}` : "";
  if (role === "listen") return `l7mp ${name}:TCP-LISTEN:8080,fork${more} PIPE`;
  return `l7mp - ${name}:TCP:127.0.0.1:8080${more}`;
}

export interface OptionUse {
  readonly entry: TypeEntry;
  readonly option: OptionEntry;
}

/** The example for an option that several types take: rather with one that has a peer. */
export function optionExample(uses: readonly OptionUse[]): string {
  const { entry, option } = uses.find(({ entry: { type } }) => type.role !== "local") ?? uses[0]!;
  return exampleOf(entry, option);
}

/** What stands after the type name, and what at the end of the line. */
function exampleParameters({ names, parameters }: AddressType): [parameters: string, tail: string] {
  const path = "path" in parameters && parameters.path ? "/path" : "";
  const host = /^[A-Z]+6\b/.test(names[0]!) ? "[::1]" : "127.0.0.1";
  switch (parameters.form) {
    case "none":
      return ["", ""];
    case "host:port":
      return [`:${host}:8080${path}`, ""];
    case "[host:]port":
      return [`:8080${path}`, ""];
    case "server:host:port":
      return [":127.0.0.1:example.org:80", ""];
    case "number":
      return [":0", ""];
    case "words":
      return ["", " -- sort -r"];
    case "text":
      return [`:${textExamples[parameters.label] ?? parameters.label}`, ""];
  }
}

const textExamples: Readonly<Record<string, string>> = {
  path: "./example",
  name: "example",
  string: "greeting",
  text: "greeting",
  file: "./example.log",
  "command line": "sort -r",
  command: "sort -r",
  "shell text": "sort | uniq",
  bytes: "1024",
};

/** `fork`, `retry=3`. */
function exampleOption({ name, schema }: OptionEntry): string {
  if (schema.isSwitch) return schema.notes.default === true ? `${name}=0` : name;
  return `${name}=${exampleValue(schema)}`;
}

function exampleValue({ type, json, notes }: OptionEntry["schema"]): string {
  if (notes.example !== undefined) return notes.example;
  const known = valueExamples[type];
  if (known !== undefined) return known;
  const { enum: choices, minimum, items } = json() as {
    enum?: string[];
    minimum?: number;
    items?: { enum?: string[] };
  };
  const choice = choices?.[0] ?? items?.enum?.[0];
  if (choice !== undefined) return choice;
  if (type === "number") return String(Math.max(minimum ?? 1, 3));
  if (type.includes("|")) return type.split("|")[0]!;
  return typeof notes.default === "string" ? notes.default : "example";
}

const valueExamples: Readonly<Record<string, string>> = {
  seconds: "2",
  bytes: "64k",
  octal: "600",
  net: "127.0.0.0/8",
  "host[:port]": "127.0.0.1",
  "group:interface": "239.1.2.3:127.0.0.1",
  "group:interface:source": "239.1.2.3:127.0.0.1:127.0.0.2",
};

/** For a shell, where it would take the word apart. */
function quoted(word: string): string {
  return /^[\w.,:/=@%+-]+$/.test(word) ? word : `'${word}'`;
}
