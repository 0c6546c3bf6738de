/** From a stack back to the word users write; the inverse of `endpoint_parser.ts`. */
import type { AddressType, Registry } from "../protocol.ts";
import { parseIp } from "../stream/net_range.ts";
import type { Fieldset, Schema } from "../schema.ts";
import type { SpecDocument } from "./document.ts";
import type { ParsedAddress } from "./endpoint_parser.ts";
import { quote } from "./lexer.ts";
import { partsOf } from "./typed_level.ts";
import { parameterKeys, printParameters } from "./parameters.ts";
import { engineFields, fromSpec, getKey, type Place, pluginOf, same, type Stack, typeName } from "./stack.ts";

/** Reads a spec of the document, dual or not. Throws `ConfigError` for keys that nothing knows. */
export function addressFromSpec(spec: SpecDocument, place: Place, registry: Registry, at: string): ParsedAddress {
  if (spec.protocol !== "Dual") return { single: fromSpec(spec, place, registry, at) };
  const half = (key: "read" | "write") => fromSpec(spec[key] ?? {} as never, "destination", registry, `${at}.${key}`);
  return { dual: { read: half("read"), write: half("write") } };
}

/** The word for an address, options and all; secrets are not masked. Words after `--` are not part of it. */
export function printAddress(address: ParsedAddress): string {
  if ("single" in address) return printStack(address.single);
  return `${printStack(address.dual.read)}!!${printStack(address.dual.write)}`;
}

/** Type and parameters without options, not quoted: `TCP:127.0.0.1:80`, for messages. */
export function nameOf(address: ParsedAddress): string {
  if ("dual" in address) return `${nameOf({ single: address.dual.read })}!!${nameOf({ single: address.dual.write })}`;
  const stack = address.single;
  const { overlays, typed: { type } } = partsOf(stack);
  if (!type) return overlays + typeName(stack);
  return overlays + type.names[0] + printParameters(type, (key) => getKey(stack, key));
}

function printStack(stack: Stack): string {
  const { overlays, typed } = partsOf(stack);
  const type = typed.type!;
  const inParameters = new Set(parameterKeys(type).filter((name) => fitsParameters(name, getKey(stack, name), type)));
  const parameters = printParameters(type, (name) => {
    const value = inParameters.has(name) ? getKey(stack, name) : undefined;
    return typeof value === "string" && !(name.endsWith("address") && parseIp(value)) ? quote(value) : value;
  });
  const options = stack.levels.flatMap((level, depth) =>
    Object.entries(level.settings).flatMap(([name, value]) => {
      if (inParameters.has(name) || same(typed.type?.preset?.[name], value)) return [];
      return printOption(stack, depth, name, value);
    })
  );
  return [overlays + type.names[0] + parameters, ...options].join(",");
}

/** Whether a parameter can carry this value: a URL path only where it begins with a slash and says something. */
function fitsParameters(key: string, value: unknown, { role, parameters }: AddressType): boolean {
  if (key !== "path" || !("path" in parameters)) return true;
  const path = String(value ?? "/");
  return path.startsWith("/") && (path !== "/" || role === "listen");
}

function printOption(stack: Stack, depth: number, key: string, value: unknown): string[] {
  const engine: Fieldset = engineFields(stack.role);
  const schema = (depth === 0 ? engine[key] : undefined) ?? pluginOf(stack.levels[depth]!).spec.fields[key];
  if (!schema || value === undefined) return [];
  const forks = stack.levels.some(({ type }) => type?.implies?.fork === true);
  if (key === "fork" && value === false && !forks) return [];
  const hidden = stack.levels.slice(0, depth).some((level) => key in pluginOf(level).spec.fields) ||
    (depth > 0 && key in engine);
  const name = (hidden ? "base.".repeat(depth) : "") + key.replaceAll("_", "-");
  return texts(schema, value).map((text) => text === undefined ? name : `${name}=${quote(text)}`);
}

/** The command line's text of a document's value; undefined where the name alone says it. */
function texts(schema: Schema<unknown>, value: unknown): (string | undefined)[] {
  const parsed = schema.parse(value, "");
  if (schema.toText) return [schema.toText(parsed)];
  const printed = schema.print(parsed);
  if (printed === true) return [undefined];
  if (printed === false) return ["0"];
  return Array.isArray(printed) ? printed.map(String) : [String(printed)];
}
