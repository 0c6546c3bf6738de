/**
 * Paths into metadata: JSON pointers (RFC 6901) whose leading slash may be missing and which may end in one. `/` and the
 * empty path are the whole document, `~1` stands for a slash in a key and `~0` for a tilde; a list is addressed by index.
 */
import { ConfigError } from "../errors.ts";
import { copyOf, isObject } from "./plain_data.ts";

/** Keys through which an object's nature could be changed: nothing is ever set under them. */
const guarded: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** The keys that `path` names one after another; none for the whole document. An empty last key takes two slashes. */
export function parsePath(path: string): readonly string[] {
  const rest = path.startsWith("/") ? path.slice(1) : path;
  if (rest === "") return [];
  return (rest.endsWith("/") ? rest.slice(0, -1) : rest).split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The inverse of `parsePath`. */
export function formatPath(keys: readonly string[]): string {
  const path = "/" + keys.map((key) => key.replaceAll("~", "~0").replaceAll("/", "~1")).join("/");
  return keys.at(-1) === "" ? `${path}/` : path;
}

/** What is at `path`, not a copy; undefined where nothing is. Sees only what is the document's own, never throws. */
export function getAtPath(document: unknown, path: string): unknown {
  return getAt(document, parsePath(path));
}

/** `getAtPath` for a path that was parsed before. */
export function getAt(document: unknown, keys: readonly string[]): unknown {
  let value = document;
  for (const key of keys) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    if (Array.isArray(value) && indexOf(key) === undefined) return undefined;
    value = value[key];
  }
  return value;
}

/**
 * Puts a copy of `value` at `path` and returns the document, which is another where the path is all of it. Objects on
 * the way are made where there is nothing, or something empty (`null`, `false`, `0`, `""`); a list takes the index behind
 * its last item, also written `-`. Throws a `ConfigError`, the document being as before, where something else is in the
 * way or a key is guarded.
 */
export function setAtPath(document: unknown, path: string, value: unknown): unknown {
  const keys = parsePath(path);
  checkKeys(keys, path);
  const copy = copyOf(value);
  if (keys.length === 0) return copy;
  const root = holder(document, [], path);
  let current = root;
  for (let i = 0;; i++) {
    const place = placeIn(current, keys[i]!, keys.slice(0, i), path);
    if (i === keys.length - 1) {
      current[place] = copy;
      return root;
    }
    const next = holder(getAt(current, [place]), keys.slice(0, i + 1), path);
    current[place] = next;
    current = next;
  }
}

/** Throws a `ConfigError` for a path under which nothing can be set. */
export function checkSettable(path: string): void {
  checkKeys(parsePath(path), path);
}

function checkKeys(keys: readonly string[], path: string): void {
  const key = keys.find((key) => guarded.has(key));
  if (key !== undefined) throw refusal(path, `"${key}" is no key that may be set`);
}

function holder(value: unknown, keys: readonly string[], path: string): Record<string, unknown> {
  if (isObject(value)) return value;
  if (!value) return {};
  const seen = typeof value === "string" ? JSON.stringify(value) : String(value);
  throw refusal(path, `${formatPath(keys)} is ${seen}, not an object`);
}

/** The key to assign to. */
function placeIn(
  current: Record<string, unknown>,
  key: string,
  keys: readonly string[],
  path: string,
): string {
  if (!Array.isArray(current)) return key;
  const index = key === "-" ? current.length : indexOf(key);
  if (index !== undefined && index <= current.length) return String(index);
  throw refusal(path, `${formatPath(keys)} is a list of ${current.length}, which has no place "${key}"`);
}

/** A list's index as RFC 6901 writes it, without leading zeros. */
function indexOf(key: string): number | undefined {
  return /^(?:0|[1-9]\d*)$/.test(key) ? Number(key) : undefined;
}

function refusal(path: string, why: string): ConfigError {
  return new ConfigError(`cannot set ${JSON.stringify(path)}: ${why}`, { code: "REWRITE", status: 500 });
}
