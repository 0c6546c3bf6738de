/**
 * JSON predicates (draft-snell-json-test, with `contained` and `intersects`): what a rule's `match` says of a session's
 * metadata. They are checked and made ready once; the test itself never throws, whatever the metadata is: what has not
 * the type that an operation wants is no match.
 */
import type { PredicateDocument } from "../config/document.ts";
import { suggestion } from "../config/suggest.ts";
import { ConfigError } from "../errors.ts";
import { checkDepth, isObject, isSame, maxDepth } from "./plain_data.ts";
import { getAt, parsePath } from "./pointer.ts";
import { typeNames, typeTest } from "./types_of_value.ts";

export type Predicate = (metadata: unknown) => boolean;

type Test = (value: unknown) => boolean;

/** What an operation is made from. */
interface Given {
  readonly value: unknown;
  readonly ignoreCase: boolean;
  /** Path of `value` in the document. */
  readonly at: string;
}

type CompileRegex = typeof import("./regex.ts").compileRegex;

// What `import` gave, kept because asking it again takes a promise. Set once, the same for everybody.
let compileRegex: CompileRegex | undefined;

// Of each document, for as long as there is the document: what is checked first and used later is made once.
const ready = new WeakMap<object, Predicate>();

/** Loads what `matches` needs; must have resolved before a predicate with that operation is compiled. */
export async function loadRegex(): Promise<void> {
  compileRegex ??= (await import("./regex.ts")).compileRegex;
}

/** Whether anything in `document` is a predicate with the operation `matches`, so that `loadRegex` is worth its time. */
export function usesRegex(document: unknown): boolean {
  const seen = new Set<unknown>([document]);
  for (const value of seen) {
    if (!isObject(value)) continue;
    if (value.op === "matches") return true;
    for (const inner of Object.values(value)) seen.add(inner);
  }
  return false;
}

/**
 * The test that `document` describes; a string, and `{match: "*"}` as a dump has it, is true of everything. `at` is the
 * predicate's path for messages: `rules[0].match`. Throws a `ConfigError` for an unknown operation, for what an operation
 * lacks or cannot use, and for a regular expression that RE2 refuses. Keys that say nothing here are ignored. Nobody may
 * change `document` afterwards.
 */
export function compilePredicate(document: PredicateDocument, at: string): Predicate {
  if (typeof document === "string" || isWildcard(document)) return () => true;
  if (!isObject(document)) return compile(document, at, 1);
  let predicate = ready.get(document);
  if (!predicate) ready.set(document, predicate = compile(document, at, 1));
  return predicate;
}

/** Throws a `ConfigError` for the first key that no predicate has. For files; REST callers may send what they like. */
export function checkPredicateKeys(document: unknown, at: string): void {
  if (!isObject(document) || isWildcard(document)) return;
  checkDepth(document, at);
  const op = String(document.op);
  const known = ["op", "path", "ignore_case", Object.hasOwn(second, op) ? "apply" : "value"];
  for (const key of Object.keys(document)) {
    if (!known.includes(key)) throw new ConfigError(`${at}.${key}: unknown key${suggestion(key, known)}`);
  }
  if (Array.isArray(document.apply)) {
    document.apply.forEach((inner, i) => checkPredicateKeys(inner, `${at}.apply[${i}]`));
  }
}

function isWildcard(document: Readonly<Record<string, unknown>>): boolean {
  return typeof document === "object" && document !== null && !("op" in document) && typeof document.match === "string";
}

function compile(document: unknown, at: string, depth: number): Predicate {
  if (!isObject(document) || Array.isArray(document)) throw wrong(at, document, "a predicate");
  if (depth > maxDepth) throw new ConfigError(`${at.slice(0, 100)}...: nests deeper than ${maxDepth} levels`);
  const { op, ignore_case: ignoreCase = false } = document;
  if (op === undefined) throw missing(`${at}.op`);
  if (typeof op !== "string" || !operations.includes(op)) {
    const near = typeof op === "string" ? suggestion(op, operations) : "";
    throw new ConfigError(`${at}.op: unknown operation ${JSON.stringify(op)}${near}`);
  }
  if (typeof ignoreCase !== "boolean") throw wrong(`${at}.ignore_case`, ignoreCase, "true or false");
  const keys = pathOf(document, at, op);
  const combine = second[op];
  const test = combine
    ? combine(applied(document, at, depth))
    : first[op]!({ value: document.value, ignoreCase, at: `${at}.value` });
  return (metadata) => test(getAt(metadata, keys));
}

/** A combination may do without a path: it is then about what is around it. */
function pathOf(document: Record<string, unknown>, at: string, op: string): readonly string[] {
  const path = document.path ?? (Object.hasOwn(second, op) ? "" : undefined);
  if (path === undefined) throw missing(`${at}.path`);
  if (typeof path !== "string") throw wrong(`${at}.path`, path, "a path such as /IP/src_addr");
  return parsePath(path);
}

function applied(document: Record<string, unknown>, at: string, depth: number): readonly Test[] {
  const { apply } = document;
  if (apply === undefined) throw missing(`${at}.apply`);
  if (!Array.isArray(apply)) throw wrong(`${at}.apply`, apply, "a list of predicates");
  return apply.map((inner, i) => compile(inner, `${at}.apply[${i}]`, depth + 1));
}

/** Without anything to apply all of them are true. */
const second: Readonly<Record<string, (tests: readonly Test[]) => Test>> = {
  and: (tests) => (value) => tests.every((test) => test(value)),
  or: (tests) => (value) => tests.length === 0 || tests.some((test) => test(value)),
  not: (tests) => (value) => !tests.some((test) => test(value)),
};

const first: Readonly<Record<string, (given: Given) => Test>> = {
  test: sameAs,
  in: (given) => {
    const tests = items(given).map((value) => sameAs({ ...given, value }));
    return (value) => tests.some((test) => test(value));
  },
  contained: (given) => {
    const test = sameAs(given);
    return (value) => Array.isArray(value) && value.some(test);
  },
  intersects: (given) => {
    const tests = items(given).map((value) => sameAs({ ...given, value }));
    return (value) => Array.isArray(value) && value.some((item) => tests.some((test) => test(item)));
  },
  contains: (given) => {
    const within = onText(given, (text, wanted) => text.includes(wanted));
    const equal = sameAs(given);
    return (value) => Array.isArray(value) ? value.some(equal) : within(value);
  },
  starts: (given) => onText(given, (text, wanted) => text.startsWith(wanted)),
  ends: (given) => onText(given, (text, wanted) => text.endsWith(wanted)),
  matches: (given) => {
    const pattern = textOf(given);
    if (!compileRegex) throw new Error("loadRegex() must come before a predicate with matches");
    const found = compileRegex(pattern, given.ignoreCase, given.at);
    const seen = seenBy(pattern);
    return (value) => typeof value === "string" && found(seen(value));
  },
  less: (given) => {
    const limit = numberOf(given);
    return (value) => typeof value === "number" && value < limit;
  },
  more: (given) => {
    const limit = numberOf(given);
    return (value) => typeof value === "number" && value > limit;
  },
  defined: () => (value) => value !== undefined,
  undefined: () => (value) => value === undefined,
  type: (given) => {
    const name = textOf(given);
    const test = typeTest(name);
    if (test) return test;
    throw new ConfigError(`${given.at}: unknown type ${JSON.stringify(name)}${suggestion(name, typeNames)}`);
  },
};

const operations: readonly string[] = [...Object.keys(first), ...Object.keys(second)];

function sameAs({ value: wanted, ignoreCase, at }: Given): Test {
  if (wanted === undefined) throw missing(at);
  checkDepth(wanted, at);
  const fold = ignoreCase ? (text: string) => plainAddress(text).toLowerCase() : plainAddress;
  const sameText = (a: string, b: string) => fold(a) === fold(b);
  return (value) => isSame(wanted, value, sameText);
}

function onText(given: Given, find: (text: string, wanted: string) => boolean): Test {
  const wanted = textOf(given);
  const seen = seenBy(wanted);
  if (!given.ignoreCase) return (value) => typeof value === "string" && find(seen(value), wanted);
  const lower = wanted.toLowerCase();
  return (value) => typeof value === "string" && find(seen(value).toLowerCase(), lower);
}

/*
 * Metadata has IPv4 addresses as they are, while rules written for the original proxy expect those of TCP callers in
 * the form of IPv6. Both forms therefore mean the same here.
 */
const ipv4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** An address that is IPv4 in the form of IPv6, as IPv4. */
function plainAddress(text: string): string {
  const rest = text.slice("::ffff:".length);
  return /^::ffff:/i.test(text) && ipv4.test(rest) ? rest : text;
}

/** How a text looks to a piece of text, or an expression, that speaks of such addresses. */
function seenBy(wanted: string): (text: string) => string {
  if (!/^\^?::ffff:/i.test(wanted)) return (text) => text;
  return (text) => ipv4.test(text) ? `::ffff:${text}` : text;
}

function items({ value, at }: Given): readonly unknown[] {
  if (value === undefined) throw missing(at);
  if (!Array.isArray(value)) throw wrong(at, value, "a list");
  return value;
}

function textOf({ value, at }: Given): string {
  if (value === undefined) throw missing(at);
  if (typeof value !== "string") throw wrong(at, value, "a string");
  return value;
}

function numberOf({ value, at }: Given): number {
  if (value === undefined) throw missing(at);
  if (typeof value !== "number" || Number.isNaN(value)) throw wrong(at, value, "a number");
  return value;
}

function missing(at: string): ConfigError {
  return new ConfigError(`${at}: is missing`);
}

function wrong(at: string, value: unknown, expected: string): ConfigError {
  checkDepth(value, at);
  return new ConfigError(`${at}: ${JSON.stringify(value) ?? String(value)} is not ${expected}`);
}
