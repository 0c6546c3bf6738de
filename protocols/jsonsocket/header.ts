/** The request header of a client: what it says of its session, as a list of items or as one object. */
import { ConfigError, messageOf } from "../../lib/errors.ts";
import { checkSettable } from "../../lib/metadata/pointer.ts";
import { isPlainObject, type Schema } from "../../lib/schema.ts";

/** Copies the metadata at `from` to `to`, or sets a constant. Paths are JSON pointers; `/` is the whole. */
export type HeaderItem =
  | { readonly path: { readonly from: string; readonly to: string } }
  | { readonly set: { readonly key: string; readonly value: unknown } };

/** A list of items in the document. On the command line an object, which is the header, or such a list. */
export const headerItems: Schema<readonly HeaderItem[]> = {
  type: "JSON",
  notes: {
    group: "jsonsocket",
    help: "What to tell the server: a JSON object, or in a document a list of items that copy metadata or set values",
    example: '{"user":"me"}',
  },
  parse: (value, at) => {
    if (!Array.isArray(value)) throw new ConfigError(`${at}: ${JSON.stringify(value)} is not a list of items`);
    return value.map((item, i) => parseItem(item, `${at}[${i}]`));
  },
  fromText(text, at) {
    if (text === undefined) throw new ConfigError(`option "${at}" requires a value`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new ConfigError(`option "${at}": ${text} is not a JSON object such as {"user":"me"}`);
    }
    if (isPlainObject(value)) return [{ set: { key: "/", value } }];
    return headerItems.parse(value, `option "${at}"`);
  },
  toText(items) {
    const [first] = items;
    if (items.length === 1 && first && "set" in first && first.set.key === "/" && isPlainObject(first.set.value)) {
      return JSON.stringify(first.set.value);
    }
    return JSON.stringify(items);
  },
  print: (items) => items,
  json: () => ({
    type: "array",
    items: {
      oneOf: [
        {
          type: "object",
          properties: {
            path: {
              oneOf: [
                { type: "string" },
                {
                  type: "object",
                  properties: { from: { type: "string" }, to: { type: "string", default: "/" } },
                  required: ["from"],
                  additionalProperties: false,
                },
              ],
            },
          },
          required: ["path"],
          additionalProperties: false,
        },
        {
          type: "object",
          properties: {
            set: {
              type: "object",
              properties: { key: { type: "string" }, value: {} },
              required: ["key", "value"],
              additionalProperties: false,
            },
          },
          required: ["set"],
          additionalProperties: false,
        },
      ],
    },
  }),
};

function parseItem(item: unknown, at: string): HeaderItem {
  if (!isPlainObject(item) || ("path" in item) === ("set" in item)) {
    throw new ConfigError(`${at}: ${JSON.stringify(item)} is not one of {path: {from, to}} and {set: {key, value}}`);
  }
  const kind = "path" in item ? "path" : "set";
  onlyKeys(item, [kind], at);
  const value = item[kind];
  if (kind === "path") {
    if (typeof value === "string") return { path: { from: value, to: "/" } };
    const { from, to = "/" } = fieldsOf(value, ["from", "to"], `${at}.path`);
    return { path: { from: text(from, `${at}.path.from`), to: target(to, `${at}.path.to`) } };
  }
  const fields = fieldsOf(value, ["key", "value"], `${at}.set`);
  if (fields.value === undefined) throw new ConfigError(`${at}.set.value: is missing`);
  return { set: { key: target(fields.key, `${at}.set.key`), value: fields.value } };
}

function fieldsOf(value: unknown, known: readonly string[], at: string): Record<string, unknown> {
  if (!isPlainObject(value)) throw new ConfigError(`${at}: ${JSON.stringify(value)} is not an object`);
  onlyKeys(value, known, at);
  return value;
}

function onlyKeys(value: Record<string, unknown>, known: readonly string[], at: string): void {
  const wrong = Object.keys(value).find((key) => !known.includes(key));
  if (wrong !== undefined) throw new ConfigError(`${at}.${wrong}: unknown key; known are ${known.join(", ")}`);
}

function text(value: unknown, at: string): string {
  if (value === undefined) throw new ConfigError(`${at}: is missing`);
  if (typeof value !== "string") throw new ConfigError(`${at}: ${JSON.stringify(value)} is not a string`);
  return value;
}

/** A path that something can be set at. */
function target(value: unknown, at: string): string {
  const path = text(value, at);
  try {
    checkSettable(path);
  } catch (error) {
    throw new ConfigError(`${at}: ${messageOf(error)}`, { cause: error });
  }
  return path;
}
