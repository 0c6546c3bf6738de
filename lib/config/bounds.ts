/** Bounds of what comes from files and callers: values of which a few lines can make many (aliases), or that nest. */
import { ConfigError } from "../errors.ts";

const maxDepth = 100;
const maxValues = 1_000_000;

/**
 * Throws a `ConfigError` for a value that nests too deeply, is too big (what an alias stands for counts each time), or
 * is not plain data as JSON has it. `what` begins its message.
 */
export function checkBounds(value: unknown, what: string): void {
  let values = 0;
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) throw new ConfigError(`${what}: nested more than ${maxDepth} levels deep`);
    values += level.length;
    const next: unknown[] = [];
    for (const one of level) {
      if (typeof one === "number" && !Number.isFinite(one)) {
        throw new ConfigError(`${what}: ${one} is not a value of JSON; write it as a text`);
      }
      if (typeof one !== "object" || one === null) continue;
      if (!Array.isArray(one) && ![Object.prototype, null].includes(Object.getPrototypeOf(one))) {
        throw new ConfigError(`${what}: a value of type ${one.constructor.name} is not one of JSON`);
      }
      for (const inner of Object.values(one)) {
        next.push(inner);
        if (values + next.length > maxValues) throw new ConfigError(`${what}: more than ${maxValues} values`);
      }
    }
    level = next;
  }
}
