/** The edits of metadata that a rule makes once it has matched. */
import { ConfigError } from "../errors.ts";
import { checkDepth, copyOf, isObject } from "./plain_data.ts";
import { checkSettable, setAtPath } from "./pointer.ts";

/** Puts a copy of `value` at `path`: see `setAtPath`. */
export interface Rewrite {
  readonly path: string;
  readonly value: unknown;
}

/** Checks a rule's `rewrite`, at `at` for messages: `rules[0].action.rewrite`. Throws a `ConfigError`. */
export function parseRewrites(document: unknown, at: string): readonly Rewrite[] {
  if (document === undefined) return [];
  if (!Array.isArray(document)) throw new ConfigError(`${at}: is not a list of rewrites`);
  return document.map((rewrite: unknown, i) => {
    const here = `${at}[${i}]`;
    if (!isObject(rewrite) || Array.isArray(rewrite)) throw new ConfigError(`${here}: is not an object`);
    const { path, value } = rewrite;
    for (const key of ["path", "value"]) {
      if (rewrite[key] === undefined) throw new ConfigError(`${here}.${key}: is missing`);
    }
    if (typeof path !== "string") throw new ConfigError(`${here}.path: is not a path such as /labels/user`);
    try {
      checkSettable(path);
    } catch (error) {
      throw new ConfigError(`${here}.path: ${(error as Error).message}`, { cause: error });
    }
    checkDepth(value, `${here}.value`);
    return { path, value };
  });
}

/**
 * The metadata after `rewrites`, one after another. Neither `metadata` nor a value of a rewrite is changed, or shared
 * with the result, unless there are no rewrites: then the result is `metadata`. Throws a `ConfigError` with status 500
 * where a path leads through something that is no object, or all metadata became something else than an object.
 */
export function applyRewrites(
  metadata: Readonly<Record<string, unknown>>,
  rewrites: readonly Rewrite[] = [],
): Readonly<Record<string, unknown>> {
  if (rewrites.length === 0) return metadata;
  const result = rewrites.reduce(
    (edited, { path, value }) => setAtPath(edited, path, value),
    copyOf<unknown>(metadata),
  );
  if (isObject(result) && !Array.isArray(result)) return result;
  throw new ConfigError(`cannot set "/": metadata must stay an object, and not become ${JSON.stringify(result)}`, {
    code: "REWRITE",
    status: 500,
  });
}
