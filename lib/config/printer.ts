/** Prints a document as YAML or JSON (`--plan`), secrets masked. */
import type { Registry } from "../protocol.ts";
import type { Schema } from "../schema.ts";
import type { ConfigDocument, SpecDocument } from "./document.ts";

export interface PrintOptions {
  readonly format: "yaml" | "json";
  /** Print secrets as they are, not as `***`. */
  readonly showSecrets: boolean;
}

/** What stands for a secret in a printed document; refused when loaded. */
export const mask = "***";

/** The text of `document`, with a newline at its end; reading it gives the same document, but for masked secrets. */
export async function printDocument(
  document: ConfigDocument,
  registry: Registry,
  options: PrintOptions,
): Promise<string> {
  const shown = options.showSecrets ? document : masked(document, registry);
  return options.format === "json" ? `${JSON.stringify(shown, null, 2)}\n` : `${block(shown, 0).join("\n")}\n`;
}

/** `value` with the secrets of every spec in it masked. */
function masked<T>(value: T, registry: Registry): T {
  if (Array.isArray(value)) return value.map((item) => masked(item, registry)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, inner]) => inner !== undefined).map(([key, inner]) => {
      const isSpec = key === "spec" && typeof (inner as SpecDocument | null)?.protocol === "string";
      return [key, isSpec ? maskSpec(inner as SpecDocument, registry) : masked(inner, registry)];
    }),
  ) as T;
}

function maskSpec(spec: SpecDocument, registry: Registry): SpecDocument {
  const secrets = secretFields(spec.protocol, registry);
  const result: SpecDocument = { ...spec };
  for (const [key, value] of Object.entries(spec)) {
    const secret = secrets.get(key);
    if (!secret) continue;
    const shown = (one: unknown) => secret.notes.mask?.(String(one)) ?? mask;
    result[key] = Array.isArray(value) ? value.map(shown) : shown(value);
  }
  for (const key of ["transport", "read", "write"] as const) {
    const inner = spec[key];
    if (typeof inner === "object") result[key] = maskSpec(inner, registry);
  }
  return result;
}

/** Secret settings of a plug-in, and of what lies under it when nothing is written. */
function secretFields(name: string, registry: Registry): Map<string, Schema<unknown>> {
  const layer = registry.layers.find((layer) => layer.name === name);
  const plugin = layer ?? [...registry.protocols, ...registry.transforms].find((plugin) => plugin.name === name);
  const own = Object.entries(plugin?.spec.fields ?? {}).filter(([, s]) => s.notes.secret);
  const below = layer?.base !== undefined && layer.base !== name ? secretFields(layer.base, registry) : [];
  return new Map([...below, ...own]);
}

// Objects that always have their keys on lines of their own; others stand on one line where they fit.
const alwaysBlock = new Set(["listeners", "rules", "action", "route", "destination"]);
const width = 120;

/** Lines of a value in block style, without indentation of their own. `indent`: how far they will be moved right. */
function block(value: object, indent: number): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const lines = isFilled(item) ? block(item, indent + 2) : [flow(item)];
      return lines.map((line, i) => (i === 0 ? "- " : "  ") + line);
    });
  }
  return Object.entries(value).flatMap(([key, inner]) => {
    const name = scalar(key);
    const line = `${name}: ${flow(inner)}`;
    if (!isFilled(inner) || (!alwaysBlock.has(key) && indent + line.length <= width)) return [line];
    return [`${name}:`, ...block(inner, indent + 2).map((text) => `  ${text}`)];
  });
}

function isFilled(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value).map(([key, inner]) => `${scalar(key)}: ${flow(inner)}`).join(", ")}}`;
  }
  return scalar(value);
}

// What every YAML reader takes for a text, quoted or not; anything else is quoted as JSON does, which is YAML too.
const plain = /^(?:[A-Za-z/][\w./+@-]*|\d+(?:\.\d+){3}|\d+(?:ms|s|m|h))$/;
const reserved = /^(?:true|false|yes|no|on|off|null|y|n|inf|nan)$/i;

function scalar(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return plain.test(value) && !reserved.test(value) ? value : JSON.stringify(value);
}
