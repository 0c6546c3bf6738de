/** What an operation of the API is, and what all of them have in common. */
import type { Control, Draft } from "../control/control.ts";
import { isPlainObject } from "../schema.ts";
import { ok } from "./answer.ts";
import { Fault } from "./fault.ts";
import type { Tag } from "./precondition.ts";
import { type JsonSchema, ref } from "./schemas.ts";

export type Json = Record<string, unknown>;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One request, taken apart. */
export interface Call {
  readonly control: Control;
  readonly request: Request;
  /** Of the path, percent-decoded. */
  readonly name: string;
  readonly position: string;
  readonly query: URLSearchParams;
  /** Parsed; undefined for an operation that takes none. */
  readonly body: unknown;
  readonly tag: Tag;
  /** In strict mode throws 422 for what does not fit; otherwise does nothing. */
  check(schema: JsonSchema, value: unknown): void;
}

/** What GET answers, with the tag that a conditional change refers to. */
export class Tagged {
  constructor(readonly value: unknown, readonly tag: string) {}
}

export interface Operation {
  readonly id: string;
  readonly method: Method;
  /** With `{name}` and `{position}`. */
  readonly path: string;
  readonly summary: string;
  /** Query parameters beside `format`, which every GET has. */
  readonly query?: readonly ("recursive" | "watch")[];
  /** Schema of the body. That of a merge patch says little: what comes of it is checked. */
  readonly body?: JsonSchema;
  /** Schema of a successful answer. */
  readonly answer: JsonSchema;
  /** The value to answer with, or the answer itself. Throws `Fault`, and what `Control.change` rejects with. */
  run(call: Call): unknown;
}

export const status = ref("Status");
export const wrapped = (kind: { singular: string }, schema: JsonSchema): JsonSchema => ({
  type: "object",
  properties: { [kind.singular]: schema },
  required: [kind.singular],
});
export const array = (items: JsonSchema): JsonSchema => ({ type: "array", items });
export const isOn = (query: URLSearchParams, parameter: string) => query.get(parameter) === "true";

/** What the body wraps. Whether it is a right definition is for the draft to say. */
export function unwrap(body: unknown, key: string, cannot: string): unknown {
  const value = isPlainObject(body) ? body[key] : undefined;
  if (value === undefined) {
    throw new Fault(400, `${cannot}: {"${key}": {...}}: An object (a set of key-value pairs) is expected`);
  }
  return value;
}

export function unwrapObject(body: unknown, key: string, cannot: string): Json {
  const value = unwrap(body, key, cannot);
  if (isPlainObject(value)) return value;
  throw new Fault(400, `${cannot}: ${key}: An object (a set of key-value pairs) is expected`);
}

export async function changed(control: Control, edit: (draft: Draft) => void): Promise<typeof ok> {
  await control.change(edit);
  return ok;
}
