/** The ways to lay out a JSON text that `?format=` chooses from: those of npm:format-json, which the original used. */

export const formats: readonly string[] = ["plain", "terse", "space", "lines", "diffy"];

/** Text of `value`, which is JSON data (or has `toJSON`). A format nobody knows is `plain`. */
export function formatJson(value: unknown, format: string | null): string {
  switch (format) {
    case "terse":
      return JSON.stringify(value);
    case "space":
      return spaced(plainData(value));
    case "lines":
      return lines(plainData(value));
    case "diffy":
      return diffy(plainData(value), "");
    default:
      return JSON.stringify(value, null, 2);
  }
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

function plainData(value: unknown): Json {
  return JSON.parse(JSON.stringify(value));
}

interface Items {
  readonly open: string;
  readonly close: string;
  /** Each with what stands before its value: `"name": `, or nothing. */
  readonly items: readonly (readonly [prefix: string, value: Json])[];
}

/** The items of a container that has some; undefined for everything that is written in one piece. */
function itemsOf(value: Json): Items | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const items = Array.isArray(value)
    ? value.map((item) => ["", item] as const)
    : Object.entries(value).map(([key, item]) => [`${JSON.stringify(key)}: `, item] as const);
  if (items.length === 0) return undefined;
  return Array.isArray(value) ? { open: "[", close: "]", items } : { open: "{", close: "}", items };
}

/** On one line, with spaces: `{ "a": [ 1, 2 ] }`. */
function spaced(value: Json): string {
  const container = itemsOf(value);
  if (!container) return JSON.stringify(value);
  const { open, close, items } = container;
  return `${open} ${items.map(([prefix, item]) => prefix + spaced(item)).join(", ")} ${close}`;
}

/** One line for each item at the top, commas in front. */
function lines(value: Json): string {
  const container = itemsOf(value);
  if (!container) return JSON.stringify(value);
  const { open, close, items } = container;
  return `${open} ${items.map(([prefix, item]) => prefix + spaced(item)).join("\n, ")}\n${close}`;
}

/** One line for each item at every depth, commas in front: a change of one item is a change of one line. */
function diffy(value: Json, indent: string): string {
  const container = itemsOf(value);
  if (!container) return JSON.stringify(value);
  const { open, close, items } = container;
  const deeper = `${indent}  `;
  const texts = items.map(([prefix, item]) => {
    const own = prefix !== "" && itemsOf(item) !== undefined ? `${prefix.trimEnd()}\n${deeper}` : prefix;
    return own + diffy(item, deeper);
  });
  return `${open} ${texts.join(`\n${indent}, `)}\n${indent}${close}`;
}
