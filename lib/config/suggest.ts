/** "Did you mean": one place for the wording. */
import { nearest } from "../schema.ts";

/**
 * `; did you mean "x"?` for the only one of `names` that begins with `word` (or that all that do begin with), or else the
 * nearest; "" without one.
 */
export function suggestion(word: string, names: Iterable<string>): string {
  const all = [...new Set(names)];
  const lower = word.toLowerCase();
  const longer = word.length < 3 ? [] : all.filter((name) => name.toLowerCase().startsWith(lower));
  const [shortest] = longer.toSorted((a, b) => a.length - b.length);
  const near = shortest !== undefined && longer.every((name) => name.startsWith(shortest))
    ? shortest
    : nearest(word, all);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}
