/** "Did you mean": one place for the wording. */
import { nearest } from "../schema.ts";

/** `; did you mean "x"?` for the only one of `names` that begins with `word`, or else the nearest; "" without one. */
export function suggestion(word: string, names: Iterable<string>): string {
  const all = [...new Set(names)];
  const lower = word.toLowerCase();
  const longer = word.length < 3 ? [] : all.filter((name) => name.toLowerCase().startsWith(lower));
  const near = longer.length === 1 ? longer[0] : nearest(word, all);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}
