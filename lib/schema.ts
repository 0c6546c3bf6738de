/**
 * Schema values: a type, its check, its default, help and secret mark in one. A plug-in's settings are one
 * `object({...})` of them; the command line, the document, the help and the plan all read the same value.
 */
import { ConfigError } from "./errors.ts";

/** Help and habits of one setting. */
export interface Notes<T> {
  readonly help?: string;
  readonly default?: T;
  /** Other spellings on the command line (`SP` for `sourceport`), lower case with `-`. */
  readonly aliases?: readonly string[];
  /** Printed as `***` in plans and logs. */
  readonly secret?: boolean;
  /** What is printed of a secret instead, where only a part of it must not be seen. */
  readonly mask?: (text: string) => string;
  /** In truth this key of what lies under the layer: `socksport` is the `port` of the connection to the proxy. */
  readonly below?: string;
  /** A value for the help's example, as typed; absent: made up from the type. */
  readonly example?: string;
  /** Known to say why it is refused, or has no effect; not listed in the help. */
  readonly hidden?: boolean;
  /** Heading of this setting in the help. */
  readonly group?: string;
}

export interface Schema<T> {
  /** Short name of the type for help: `seconds`, `bytes`, `list of net`. */
  readonly type: string;
  readonly notes: Notes<T>;
  /** True for a setting that may be given several times on the command line: its value is a list. */
  readonly repeatable?: boolean;
  /** True for a switch: on the command line it needs no value. */
  readonly isSwitch?: boolean;
  /** Checks a value of the document. `at` is its path, such as `listeners[0].spec.port`. Throws `ConfigError`. */
  parse(value: unknown, at: string): T;
  /**
   * Reads the command line's text; `undefined` when no value was written. `at` is the option's name for messages.
   * Throws `ConfigError`, which says what is allowed.
   */
  fromText(text: string | undefined, at: string): T;
  /** The command line's text of a value, where the document's form does not print as it; inverse of `fromText`. */
  toText?(value: T): string;
  /** The document's form of a value, the inverse of `parse`. */
  print(value: T): unknown;
  /** JSON Schema of the document's form. */
  json(): Record<string, unknown>;
}

function fail(at: string, value: unknown, expected: string): never {
  throw new ConfigError(`${at}: ${JSON.stringify(value) ?? String(value)} is not ${expected}`);
}

function needText(text: string | undefined, at: string): string {
  if (text === undefined) throw new ConfigError(`option "${at}" requires a value`);
  return text;
}

export function string(notes: Notes<string> & { pattern?: RegExp; expected?: string } = {}): Schema<string> {
  const check = (value: string, at: string) =>
    notes.pattern && !notes.pattern.test(value) ? fail(at, value, notes.expected ?? `like ${notes.pattern}`) : value;
  return {
    type: "string",
    notes,
    parse: (value, at) => typeof value === "string" ? check(value, at) : fail(at, value, "a string"),
    fromText: (text, at) => check(needText(text, at), `option "${at}"`),
    print: (value) => value,
    json: () => ({ type: "string", ...(notes.pattern && { pattern: notes.pattern.source }) }),
  };
}

/** A switch. On the command line `name` and `name=1` are on, `name=0` is off. */
export function boolean(notes: Notes<boolean> = {}): Schema<boolean> {
  return {
    type: "boolean",
    notes,
    isSwitch: true,
    parse: (value, at) => typeof value === "boolean" ? value : fail(at, value, "true or false"),
    fromText(text, at) {
      if (text === undefined || /^(1|true|yes|on)$/i.test(text)) return true;
      if (/^(0|false|no|off)$/i.test(text)) return false;
      if (/^\d/.test(text)) throw new ConfigError(`trailing garbage in numerical value of option "${at}=${text}"`);
      throw new ConfigError(`missing numerical value of option "${at}=${text}"`);
    },
    print: (value) => value,
    json: () => ({ type: "boolean" }),
  };
}

export interface Range {
  readonly min?: number;
  readonly max?: number;
}

/** The error for a number outside of its range; a limit that no user meets is left out. */
function outOfRange(at: string, written: string, { min, max = Infinity }: Range): ConfigError {
  return new ConfigError(`${at}: ${written} out of range ${min}..${max < Number.MAX_SAFE_INTEGER ? max : ""}`);
}

/** Reads decimal, `0x` hex and octal with a leading 0, as socat does. Messages are socat's. */
function integerFromText(text: string | undefined, at: string): number {
  if (text === undefined || text === "") throw new ConfigError(`option "${at}" requires a value`);
  const match = /^[+-]?(0[xX][0-9a-fA-F]+|\d+)/.exec(text);
  if (!match) throw new ConfigError(`missing numerical value of option "${at}=${text}"`);
  if (match[0].length < text.length) {
    throw new ConfigError(`trailing garbage in numerical value of option "${at}=${text}"`);
  }
  const negative = text.startsWith("-");
  const digits = text.replace(/^[+-]/, "");
  const value = /^0[0-7]+$/.test(digits) ? parseInt(digits, 8) : Number(digits);
  return negative ? -value : value;
}

/** An integer; `bare` is what it is on the command line without a value. */
export function integer({ bare, ...notes }: Notes<number> & Range & { readonly bare?: number } = {}): Schema<number> {
  const { min = -Infinity, max = Infinity } = notes;
  const check = (value: number, at: string) => {
    if (value < min || value > max) throw outOfRange(at, String(value), { min, max });
    return value;
  };
  return {
    type: "number",
    notes,
    isSwitch: bare !== undefined,
    parse: (value, at) => Number.isInteger(value) ? check(value as number, at) : fail(at, value, "an integer"),
    fromText: (text, at) =>
      text === undefined && bare !== undefined ? bare : check(integerFromText(text, at), `option "${at}"`),
    print: (value) => value,
    json: () => ({
      type: "integer",
      ...(min > -Infinity && { minimum: min }),
      ...(max < Infinity && { maximum: max }),
    }),
  };
}

/** A number of attempts: without a value, or as -1, without end (Infinity). */
export function attempts(notes: Notes<number> = {}): Schema<number> {
  const check = (value: unknown, at: string) => {
    if (!Number.isInteger(value) || (value as number) < -1) return fail(at, value, "a count, or -1 for ever");
    return value === -1 ? Infinity : value as number;
  };
  return {
    type: "attempts",
    notes,
    isSwitch: true,
    parse: check,
    fromText: (text, at) => text === undefined ? Infinity : check(integerFromText(text, at), `option "${at}"`),
    print: (value) => value === Infinity ? -1 : value,
    json: () => ({ type: "integer", minimum: -1 }),
  };
}

/** A file mode: octal on the command line, an octal string such as "600" in the document. */
export function mode(notes: Notes<number> = {}): Schema<number> {
  const read = (text: string, at: string) => /^[0-7]{1,5}$/.test(text) ? parseInt(text, 8) : fail(at, text, "octal");
  return {
    type: "octal",
    notes,
    parse: (value, at) =>
      typeof value === "string" ? read(value, at) : fail(at, value, 'an octal string such as "600"'),
    fromText: (text, at) => read(needText(text, at), `option "${at}"`),
    print: (value) => value.toString(8),
    json: () => ({ type: "string", pattern: "^[0-7]{1,5}$" }),
  };
}

const millisecondsPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `0.5`, `2s`, `500ms`, `inf` to milliseconds; a bare number counts `bareUnitMs`. Undefined: not a duration. */
export function readDuration(text: string, bareUnitMs: number): number | undefined {
  if (/^inf(inite)?$/i.test(text)) return Infinity;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(ms|s|m|h)?$/.exec(text);
  if (!match) return undefined;
  const unit = match[2] === undefined ? bareUnitMs : millisecondsPerUnit[match[2]]!;
  return Number(match[1]) * unit;
}

export function printDuration(ms: number): string {
  if (ms === Infinity) return "inf";
  for (const [unit, size] of [["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const) {
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms === 0 ? "0s" : `${ms}ms`;
}

/** A time; the value is milliseconds. A bare number is seconds on the command line, milliseconds in the document. */
export function duration({ negative, ...notes }: Notes<number> & { readonly negative?: boolean } = {}): Schema<number> {
  const check = (ms: number, at: string, written: unknown) => {
    if (ms < 0 && !negative) throw outOfRange(at, String(written), { min: 0 });
    return ms;
  };
  return {
    type: "seconds",
    notes,
    parse(value, at) {
      const ms = typeof value === "number" ? value : typeof value === "string" ? readDuration(value, 1) : undefined;
      return check(ms ?? fail(at, value, "a time such as 500ms or 2s"), at, value);
    },
    fromText(text, at) {
      const written = needText(text, at);
      const ms = readDuration(written, 1000);
      if (ms !== undefined) return check(ms, `option "${at}"`, written);
      if (/^[+-]?[\d.]/.test(written)) {
        throw new ConfigError(`trailing garbage in numerical value of option "${at}=${written}"`);
      }
      throw new ConfigError(`missing numerical value of option "${at}=${written}"`);
    },
    print: printDuration,
    json: () => ({ type: ["string", "number"] }),
  };
}

/** `4096`, `64k`, `1M`, `2G` (1024-based) to bytes. Undefined: not a size. */
export function readSize(text: string): number | undefined {
  const match = /^(0[xX][0-9a-fA-F]+|\d+)([kKmMgG]?)$/.exec(text);
  if (!match) return undefined;
  const digits = match[1]!;
  const value = /^0[0-7]+$/.test(digits) ? parseInt(digits, 8) : Number(digits);
  return value * 1024 ** " kmg".indexOf(match[2]!.toLowerCase() || " ");
}

/** A number of bytes. */
export function size(notes: Notes<number> & Range = {}): Schema<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = notes;
  const check = (value: number | undefined, at: string, written: unknown) => {
    if (value === undefined || !Number.isInteger(value)) return fail(at, written, "a size such as 4096, 64k or 1M");
    if (value < min || value > max) throw outOfRange(at, String(value), { min, max });
    return value;
  };
  return {
    type: "bytes",
    notes,
    parse: (value, at) => check(typeof value === "string" ? readSize(value) : value as number, at, value),
    fromText(text, at) {
      const written = needText(text, at);
      if (!/^\d/.test(written)) throw new ConfigError(`missing numerical value of option "${at}=${written}"`);
      const bytes = readSize(written);
      if (bytes === undefined) {
        throw new ConfigError(`trailing garbage in numerical value of option "${at}=${written}"`);
      }
      return check(bytes, `option "${at}"`, written);
    },
    print: (value) => value,
    json: () => ({ type: ["integer", "string"], minimum: min }),
  };
}

export function choice<const T extends string>(values: readonly T[], notes: Notes<T> = {}): Schema<T> {
  const check = (value: unknown, at: string) =>
    values.includes(value as T) ? value as T : fail(at, value, `one of ${values.join(", ")}`);
  return {
    type: values.join("|"),
    notes,
    parse: check,
    fromText: (text, at) => check(needText(text, at).toLowerCase(), `option "${at}"`),
    print: (value) => value,
    json: () => ({ enum: [...values] }),
  };
}

/** A setting that may be given several times; the document holds a list (a single value counts as a list of one). */
export function list<T>(item: Schema<T>, notes: Notes<readonly T[]> = {}): Schema<readonly T[]> {
  return {
    type: item.type,
    notes: { ...item.notes as Notes<never>, ...notes },
    repeatable: true,
    parse: (value, at) =>
      Array.isArray(value) ? value.map((v, i) => item.parse(v, `${at}[${i}]`)) : [item.parse(value, at)],
    fromText: (text, at) => [item.fromText(text, at)],
    print: (value) => value.map((v) => item.print(v)),
    json: () => ({ anyOf: [item.json(), { type: "array", items: item.json() }] }),
  };
}

/** A value read by a function of the plug-in's own, written as a string both in the document and on the command line. */
export function custom<T>(
  type: string,
  read: (text: string) => T,
  write: (value: T) => string,
  notes: Notes<T> = {},
): Schema<T> {
  const parse = (text: string, at: string) => {
    try {
      return read(text);
    } catch (error) {
      throw new ConfigError(`${at}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  return {
    type,
    notes,
    parse: (value, at) => {
      if (typeof value === "number") return parse(String(value), at);
      return typeof value === "string" ? parse(value, at) : fail(at, value, "a string");
    },
    fromText: (text, at) => parse(needText(text, at), `option "${at}"`),
    print: (value) => write(value),
    json: () => ({ type: ["string", "number"] }),
  };
}

export type Fieldset = Readonly<Record<string, Schema<unknown>>>;

// A field without a default is absent from the value until somebody sets it.
export type Values<F extends Fieldset> = { [K in keyof F]: F[K] extends Schema<infer T> ? T | undefined : never };

/** The settings of one plug-in. Keys are the document's: lower case with `_`. */
export interface ObjectSchema<T = Record<string, unknown>> {
  readonly fields: Fieldset;
  /** Checks the fields of `value` it knows; the caller refuses unknown keys. Defaults are filled in. */
  parse(value: Readonly<Record<string, unknown>>, at: string): T;
  /** The document's form, without fields that are undefined. */
  print(value: T): Record<string, unknown>;
  json(): Record<string, unknown>;
}

// deno-lint-ignore no-explicit-any
export function object<F extends Record<string, Schema<any>>>(fields: F): ObjectSchema<Values<F>> {
  return {
    fields,
    parse(value, at) {
      const result: Record<string, unknown> = {};
      for (const [key, schema] of Object.entries(fields)) {
        const given = value[key];
        result[key] = given === undefined ? schema.notes.default : schema.parse(given, at ? `${at}.${key}` : key);
      }
      return result as Values<F>;
    },
    print(value) {
      const result: Record<string, unknown> = {};
      for (const [key, schema] of Object.entries(fields)) {
        const v = (value as Record<string, unknown>)[key];
        if (v !== undefined) result[key] = schema.print(v);
      }
      return result;
    },
    json: () => ({
      type: "object",
      properties: Object.fromEntries(
        Object.entries(fields).map(([k, s]) => [k, {
          ...s.json(),
          ...(s.notes.help && { description: s.notes.help }),
          ...(s.notes.default !== undefined && { default: s.print(s.notes.default) }),
        }]),
      ),
    }),
  };
}

/** Whether `value` is an object of a document: with keys, no list. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value type of an object schema: `type TcpSpec = SpecOf<typeof tcpSpec>`. */
export type SpecOf<S> = S extends ObjectSchema<infer T> ? T : never;

/** The nearest of `names` to a misspelt `word`, or undefined when none is near (optimal string alignment distance). */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const d = distance(word.toLowerCase(), name.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [name, d];
  }
  return best;
}

function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let d = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2]! + 1);
      row[j] = d;
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length]!;
}
