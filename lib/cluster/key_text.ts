/** Session metadata as keys. */

/** The text that stands for a value found in the metadata; undefined where nothing (or null) was found. */
export function keyText(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
