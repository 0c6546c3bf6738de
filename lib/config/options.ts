/** Options of addresses: from the names users write to keys of the document. */
import { ConfigError } from "../errors.ts";
import type { AddressType } from "../protocol.ts";
import type { Fieldset, Schema } from "../schema.ts";
import { whyAbsent } from "./absent_options.ts";
import { connectOptions, listenOptions, streamOptions } from "./engine_options.ts";
import type { Found, Names } from "./names.ts";
import { engineFields, ownerOf, pluginOf, type Role, type Settings, type Stack, typeName } from "./stack.ts";
import { suggestion } from "./suggest.ts";

export interface WrittenOption {
  readonly name: string;
  readonly value?: string;
}

// socat has these spellings beside the plain ones.
const prefixes = ["so-", "tcp-", "ip-", "ipv6-", "o-", "openssl-", "pty-", "unix-"];

/** `SO_ReuseAddr` is `so-reuseaddr`. */
function normal(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

/** `name` in the one form, then without each of socat's prefixes it has. */
function spellings(name: string): string[] {
  const wanted = normal(name);
  return [wanted, ...prefixes.filter((p) => wanted.startsWith(p)).map((p) => wanted.slice(p.length))];
}

/** The key of the setting that `name` means in `fields`, with and without socat's prefixes. */
function findKey(name: string, fields: Fieldset): string | undefined {
  for (const spelling of spellings(name)) {
    for (const [key, schema] of Object.entries(fields)) {
      if (normal(key) === spelling || schema.notes.aliases?.includes(spelling)) return key;
    }
  }
  return undefined;
}

function spellingsOf(fields: Fieldset): string[] {
  return Object.entries(fields).flatMap(([key, schema]) => [normal(key), ...(schema.notes.aliases ?? [])]);
}

/** Reads one option into the settings it belongs to. Throws `ConfigError`, which names it. */
export function applyOption(stack: Stack, option: WrittenOption, names: Names, isUrl: boolean): void {
  const { levels, role } = stack;
  let name = option.name;
  let depth = 0;
  for (; depth < levels.length - 1 && /^base\./i.test(name); depth++) name = name.slice("base.".length);
  if (depth === 0) {
    const engine = engineFields(role);
    const key = findKey(name, engine);
    if (key !== undefined) return setOption(levels[0].settings, key, engine[key]!, option);
  }
  for (const [i, level] of levels.entries()) {
    if (i < depth) continue;
    const { fields } = pluginOf(level).spec;
    const key = findKey(name, fields);
    if (key === undefined) continue;
    const schema = fields[key]!;
    const meant = schema.notes.below;
    if (!meant) return setOption(level.settings, key, schema, option);
    const lower = ownerOf(meant, levels.slice(i + 1));
    if (lower) return setOption(lower.settings, meant, schema, option);
  }
  const known = [engineFields(role), ...levels.slice(depth).map((level) => pluginOf(level).spec.fields)];
  const hints = isUrl ? urlHint : hintFor(name, levels.map((level) => level.type));
  throw refusal(name, typeName(stack), role, known, names.types.map((found) => fieldsOf(found)), hints);
}

/** Reads one option of a transform. */
export function applyTransformOption(
  { type, fields, settings }: { type: AddressType; fields: Fieldset; settings: Settings },
  option: WrittenOption,
  names: Names,
): void {
  const key = findKey(option.name, fields);
  if (key !== undefined) return setOption(settings, key, fields[key]!, option);
  const others = names.types.map((found) => fieldsOf(found));
  throw refusal(option.name, type.names[0]!, "local", [fields], others, hintFor(option.name, [type]));
}

/**
 * Writes the value of one option. An empty value leaves a switch at its default, is an empty text, and an error anywhere
 * else: a limit that is not there (`range=`) must not go unnoticed. Lists grow; of others the last one given wins.
 */
function setOption(settings: Settings, key: string, schema: Schema<unknown>, { name, value }: WrittenOption): void {
  if (value === "" && schema.type === "boolean") {
    delete settings[key];
    return;
  }
  const printed = schema.print(schema.fromText(value, name));
  const before = settings[key];
  settings[key] = schema.repeatable && Array.isArray(before) ? [...before, ...printed as unknown[]] : printed;
}

/** Whether any address type has an option `name`. */
export function isOption(name: string, names: Names): boolean {
  return names.types.some((found) => findKey(name, fieldsOf(found).fields) !== undefined);
}

interface TypeFields {
  readonly type: AddressType;
  readonly fields: Fieldset;
}

function fieldsOf(found: Found): TypeFields {
  const own = (found.protocol ?? found.layer).spec.fields;
  const engine = found.type.role === "listen" ? listenOptions : connectOptions;
  return { type: found.type, fields: { ...streamOptions.fields, ...engine.fields, ...own } };
}

/** What may have been meant where an address has no such option. */
interface Hints {
  /** Added to every refusal. */
  readonly always: string;
  /** Added where no option resembles the name. */
  readonly otherwise: string;
}

const urlHint: Hints = { always: "; a comma that belongs to the URL is written %2C or \\,", otherwise: "" };

/** `name` stands among the options of one of `types`, each over the next. */
function hintFor(name: string, types: readonly (AddressType | undefined)[]): Hints {
  const text = types.map((type) => type?.parameters).find((parameters) => parameters?.form === "text");
  if (text?.form === "text") {
    return { always: "", otherwise: `; a comma that belongs to the ${text.label} is written \\,` };
  }
  return { always: "", otherwise: /\s/.test(name) ? "; each address is a word of its own: no quotes around both" : "" };
}

function refusal(
  name: string,
  type: string,
  role: Role,
  known: readonly Fieldset[],
  others: readonly TypeFields[],
  hints: Hints,
): ConfigError {
  const hint = hints.always;
  // A type that has the option: rather of the same role, so that TCP-LISTEN leads to OPENSSL-LISTEN.
  const owners = others.filter((other) => findKey(name, other.fields) !== undefined);
  const family = type.replace(/-.*/, "");
  const owner = owners.find((other) => other.type.names[0]!.startsWith(family)) ??
    owners.find((other) => other.type.role === role) ?? owners[0];
  if (owner) {
    const did = `did you mean ${owner.type.names[0]}?`;
    return new ConfigError(`option "${name}" does not apply to ${type} (${did})${hint}`);
  }
  const why = spellings(name).map(whyAbsent).find((why) => why !== undefined);
  if (why !== undefined) return new ConfigError(`option "${name}" of ${type} ${why}${hint}`);
  const near = suggestion(normal(name), known.flatMap(spellingsOf));
  return new ConfigError(`unknown option "${name}" of ${type}${near || hints.otherwise}${hint}`);
}
