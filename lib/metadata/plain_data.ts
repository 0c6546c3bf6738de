/** Plain data, as JSON and YAML have it: copying and comparing it. */
import { ConfigError } from "../errors.ts";

/** How deep a value of a configuration may nest: what compares and prints it calls itself for every level. */
export const maxDepth = 1000;

/** A copy that shares nothing with `value`, however deep it is. Keys such as `__proto__` stay mere keys. */
export function copyOf<T>(value: T): T {
  const root = { value };
  const unfinished: Record<string, unknown>[] = [root];
  for (let holder = unfinished.pop(); holder; holder = unfinished.pop()) {
    for (const [key, inner] of Object.entries(holder)) {
      if (!isObject(inner)) continue;
      const copy = (Array.isArray(inner) ? [...inner] : { ...inner }) as Record<string, unknown>;
      holder[key] = copy;
      unfinished.push(copy);
    }
  }
  return root.value;
}

/** An object or a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/**
 * Whether two values are the same; `sameText` judges strings, those that are keys apart. A key whose value is undefined
 * counts as absent. Goes as deep as the shallower of the two, so check the one that is ours with `checkDepth`.
 */
export function isSame(a: unknown, b: unknown, sameText: (a: string, b: string) => boolean): boolean {
  if (typeof a === "string" && typeof b === "string") return sameText(a, b);
  if (!isObject(a) || !isObject(b)) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => isSame(item, b[i], sameText));
  }
  const keys = definedKeys(a);
  if (keys.length !== definedKeys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key], sameText));
}

function definedKeys(value: Record<string, unknown>): string[] {
  return Object.keys(value).filter((key) => value[key] !== undefined);
}

/** Throws a `ConfigError` for a value at `at` that nests deeper than `maxDepth`, as one that holds itself does. */
export function checkDepth(value: unknown, at: string, depth = 0): void {
  if (!isObject(value)) return;
  if (depth === maxDepth) throw new ConfigError(`${at}: nests deeper than ${maxDepth} levels`);
  for (const inner of Object.values(value)) checkDepth(inner, at, depth + 1);
}
