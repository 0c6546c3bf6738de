/** The strict check of a document's structure: no unknown keys, the right shapes. Specs are checked by the planner. */
import { ConfigError } from "../errors.ts";
import { adminSettings } from "./settings.ts";
import { suggestion } from "./suggest.ts";

type Shape = { readonly [key: string]: Shape | "any" | readonly [Shape | "any"] };

const spec = "any";
const transform: Shape = { spec };
const cluster: Shape = { name: "any", spec, endpoints: [{ name: "any", spec: { address: "any", port: "any" } }] };
const retry: Shape = Object.fromEntries(
  ["retry_on", "num_retries", "num_reconnects", "reconnect_on", "timeout", "interval", "backoff", "buffer"]
    .map((key) => [key, "any" as const]),
);
const route: Shape = { ingress: [transform], egress: [transform], destination: cluster, retry };
const session: Shape = Object.fromEntries(
  [
    "linger",
    "idle_timeout",
    "block_size",
    "max_message",
    "direction",
    "one_message",
    "no_close",
    "dump",
    "preamble_upstream",
    "preamble_downstream",
    "copy_upstream",
    "copy_downstream",
  ].map((key) => [key, "any" as const]),
);
const admin: Shape = Object.fromEntries(Object.keys(adminSettings.fields).map((key) => [key, "any" as const]));
const shape: Shape = {
  admin,
  listeners: [{ name: "any", spec, options: session, rules: [{ action: { route } }] }],
};

/** Checks that `document` has the form of `Document`. Throws `ConfigError` with the path and the nearest key. */
export function checkDocument(document: unknown): void {
  checkShape(document, shape, "");
  need(document, ["listeners"], "");
  const { listeners } = document as { listeners: Record<string, unknown>[] };
  listeners.forEach((listener, i) => {
    const at = `listeners[${i}]`;
    need(listener, ["name", "spec", "rules"], at);
    needObject(listener.spec, `${at}.spec`);
    (listener.rules as Record<string, unknown>[]).forEach((rule, j) => {
      const path = `${at}.rules[${j}].action.route.destination`;
      const destination = dig(rule, path, ["action", "route", "destination"]);
      need(destination, ["spec"], path);
      needObject((destination as { spec: unknown }).spec, `${path}.spec`);
    });
  });
}

function dig(value: unknown, at: string, keys: readonly string[]): unknown {
  for (const key of keys) {
    value = (value as Record<string, unknown> | undefined)?.[key];
    if (value === undefined) throw new ConfigError(`${at}: is missing`);
  }
  return value;
}

function need(value: unknown, keys: readonly string[], at: string): void {
  for (const key of keys) dig(value, at ? `${at}.${key}` : key, [key]);
}

function needObject(value: unknown, at: string): asserts value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${at || "the document"}: ${JSON.stringify(value)} is not an object`);
  }
}

function checkShape(value: unknown, wanted: Shape | "any" | readonly [Shape | "any"], at: string): void {
  if (wanted === "any" || value === undefined) return;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(value)) throw new ConfigError(`${at}: ${JSON.stringify(value)} is not a list`);
    value.forEach((item, i) => checkShape(item, wanted[0], `${at}[${i}]`));
    return;
  }
  needObject(value, at);
  const known = wanted as Shape;
  for (const [key, inner] of Object.entries(value)) {
    const path = at ? `${at}.${key}` : key;
    if (!Object.hasOwn(known, key)) {
      throw new ConfigError(`${path}: unknown key${suggestion(key, Object.keys(known))}`);
    }
    checkShape(inner, known[key]!, path);
  }
}
