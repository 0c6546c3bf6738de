/** Reads one object of a document by its schema. */
import { suggestion } from "../config/suggest.ts";
import { ConfigError } from "../errors.ts";
import type { ObjectSchema } from "../schema.ts";

/** Whether keys that nobody knows are refused, as in files, or ignored, as over REST. */
export type UnknownKeys = "refuse" | "ignore";

export function readSettings<T>(schema: ObjectSchema<T>, value: unknown, at: string, unknown: UnknownKeys): T {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${at}: ${JSON.stringify(value)} is not an object`);
  }
  for (const key of unknown === "refuse" ? Object.keys(value) : []) {
    if (Object.hasOwn(schema.fields, key)) continue;
    throw new ConfigError(`${at}.${key}: unknown key${suggestion(key, Object.keys(schema.fields))}`);
  }
  return schema.parse(value as Record<string, unknown>, at);
}
