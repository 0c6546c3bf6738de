/** Names for objects that were written inline without one. */
import { ConfigError } from "../errors.ts";

export type GeneratedKind = "RuleList" | "Rule" | "Route" | "Cluster" | "EndPoint";

const tries = 20;

/** One counter for each kind, for the life of the process: a name is not used again soon. */
export class Naming {
  readonly #next: Record<GeneratedKind, number> = { RuleList: 0, Rule: 0, Route: 0, Cluster: 0, EndPoint: 0 };

  /**
   * `<prefix>-<kind>-<n>`; where `isTaken`, with `_1` to `_20` behind it. Throws `ConfigError` when all of these are
   * taken.
   */
  generate(kind: GeneratedKind, prefix: string, isTaken: (name: string) => boolean): string {
    const name = `${prefix}-${kind}-${this.#next[kind]++}`;
    if (!isTaken(name)) return name;
    for (let i = 1; i <= tries; i++) if (!isTaken(`${name}_${i}`)) return `${name}_${i}`;
    throw new ConfigError(`no name like "${name}" is free; give it one of its own`);
  }
}
