/** The types that `type` predicates know: those of JSON, and formats of strings. */

const date = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`;
const time = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`;
// RFC 3987 section 2.2 without its inner structure: a scheme, then what may stand in an IRI.
const iri = String.raw`[a-z][a-z0-9+.-]*:(?:%[0-9a-f]{2}|[^%#\p{C}\p{Z}<>"{}|\\^${"`"}])*`;
const fragment = String.raw`(?:#(?:%[0-9a-f]{2}|[^%#\p{C}\p{Z}<>"{}|\\^${"`"}])*)?`;

/** None of them can take more than linear time. */
const formats: Readonly<Record<string, RegExp>> = {
  /** RFC 3339 section 5.6, `full-date`. */
  date: new RegExp(`^${date}$`),
  /** `full-time`. */
  time: new RegExp(`^${time}$`, "i"),
  "date-time": new RegExp(`^${date}T${time}$`, "i"),
  /** The shape of a tag of RFC 5646. */
  lang: /^[a-z]{2,8}(?:-[a-z0-9]{1,8})*$/i,
  /** RFC 4647 section 2.2. */
  "lang-range": /^(?:\*|[a-z]{1,8})(?:-(?:\*|[a-z0-9]{1,8}))*$/i,
  iri: new RegExp(`^${iri}${fragment}$`, "iu"),
  /** Without a fragment. */
  "absolute-iri": new RegExp(`^${iri}$`, "iu"),
};

const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  number: (value) => typeof value === "number",
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  // As JavaScript has it, lists and null included.
  object: (value) => typeof value === "object",
  array: Array.isArray,
  null: (value) => value === null,
  undefined: (value) => value === undefined,
  ...Object.fromEntries(
    Object.entries(formats).map(([name, format]) => [
      name,
      (value: unknown) => typeof value === "string" && format.test(value),
    ]),
  ),
};

export const typeNames: readonly string[] = Object.keys(types);

/** The test for a type of `typeNames`; undefined for another name. */
export function typeTest(name: string): ((value: unknown) => boolean) | undefined {
  return Object.hasOwn(types, name) ? types[name] : undefined;
}
