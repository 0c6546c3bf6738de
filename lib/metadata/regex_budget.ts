/** What the regular expressions of one change of the configuration may cost together. */
import { ConfigError } from "../errors.ts";
import { isObject } from "./plain_data.ts";
import { regexWork } from "./regex_work.ts";

/** In the units of `regexWork`: well under a second. About 10,000 of the expressions that people write. */
const maxWork = 500_000;

export class RegexBudget {
  #left = maxWork;

  /**
   * Counts what every predicate with `matches` in `value` costs; before they are made ready, and though they may be wrong.
   * `value` nests within bounds. Throws a `ConfigError` with the path of the first that is too much.
   */
  spend(value: unknown, at: string): void {
    if (!isObject(value)) return;
    if (value.op === "matches" && typeof value.value === "string") {
      this.#left -= regexWork(value.value, value.ignore_case === true);
      if (this.#left < 0) {
        const limit = `the regular expressions of one change may have ${maxWork} instructions together`;
        throw new ConfigError(`${at}.value: ${limit}, and this is beyond them; use smaller counts or several changes`);
      }
    }
    for (const [key, inner] of Object.entries(value)) {
      this.spend(inner, Array.isArray(value) ? `${at}[${key}]` : `${at}.${key}`);
    }
  }
}
