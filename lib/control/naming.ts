/** Names for objects that were written inline without one. */
import { ConfigError } from "../errors.ts";

export type GeneratedKind = "RuleList" | "Rule" | "Route" | "Cluster" | "EndPoint";

/** Characters that the name of an object may have. */
export const maxNameLength = 1000;

const tries = 20;

/** One counter for each kind, for the life of the process: a name is not used again soon. */
export class Naming {
  readonly #next: Record<GeneratedKind, number> = { RuleList: 0, Rule: 0, Route: 0, Cluster: 0, EndPoint: 0 };

  /**
   * `<prefix>-<kind>-<n>`; where `isTaken`, with `_1` to `_20` behind it. Throws `ConfigError` when all of these are
   * taken or the name would be too long.
   */
  generate(kind: GeneratedKind, prefix: string, isTaken: (name: string) => boolean): string {
    const name = `${prefix}-${kind}-${this.#next[kind]++}`;
    for (let i = 0; i <= tries; i++) {
      const free = i === 0 ? name : `${name}_${i}`;
      if (free.length > maxNameLength) throw tooLong(free);
      if (!isTaken(free)) return free;
    }
    throw new ConfigError(`no name like "${name}" is free; give it one of its own`);
  }
}

function tooLong(name: string): ConfigError {
  const shown = JSON.stringify(`${name.slice(0, 50)}...`);
  return new ConfigError(
    `the name ${shown} made for it is longer than ${maxNameLength} characters; give it one of its own`,
  );
}
