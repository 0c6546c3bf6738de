/** Everything that can be written as an address, read off the plug-ins: for the help and for the README's tables. */
import type { SpecDocument } from "../config/document.ts";
import { connectOptions, listenOptions, streamOptions } from "../config/engine_options.ts";
import { directionOption } from "../config/transform_parser.ts";
import type { AddressType, Direction, Layer, Parameters, Protocol, Registry, Transform } from "../protocol.ts";
import type { Fieldset, Schema } from "../schema.ts";

/** One option as users write it. */
export interface OptionEntry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly group: string;
  readonly schema: Schema<unknown>;
}

/** One type name with everything about it. */
export interface TypeEntry {
  readonly what: "address" | "transform";
  /** Document name of its plug-in. */
  readonly plugin: string;
  readonly type: AddressType;
  readonly kind: string;
  /** What becomes of this side when the other ended; "" for transforms. */
  readonly end: string;
  readonly direction: Direction;
  readonly options: readonly OptionEntry[];
}

/** All types, addresses first, in the order of the registry. */
export function catalog(registry: Registry): readonly TypeEntry[] {
  const stackOf = (plugin: Protocol | Layer, type: AddressType): readonly Plugin[] => {
    const { protocol = "base" in plugin ? plugin.base : undefined } = (type.preset?.transport ?? {}) as Partial<
      SpecDocument
    >;
    const layer = registry.layers.find(({ name }) => name === protocol);
    if (layer) return [plugin, ...stackOf(layer, layer.types.find(({ role }) => role === type.role) ?? type)];
    const base = registry.protocols.find(({ name }) => name === protocol);
    return base ? [plugin, base] : [plugin];
  };
  return [
    ...registry.protocols.flatMap((protocol) => addressEntries(protocol, protocol.kind, stackOf)),
    ...registry.layers.flatMap((layer) => addressEntries(layer, kindOf(layer, registry), stackOf)),
    ...registry.transforms.flatMap(transformEntries),
  ];
}

/** `fork`, `retry=<number>`, `reconnect[=<attempts>]`. */
export function optionUsage({ name, schema }: OptionEntry): string {
  if (schema.isSwitch) return schema.type === "boolean" ? name : `${name}[=<${schema.type}>]`;
  return `${name}=<${schema.type}>`;
}

/** The settings of a layer as options, for its overlays: a layer without types has no other place to show them. */
export function layerOptions({ spec, types }: Layer): readonly OptionEntry[] {
  return optionEntries(spec.fields, types);
}

type Plugin = Pick<Protocol | Layer, "name" | "types" | "spec" | "end">;

/** What a layer gives over its base. */
function kindOf({ gives, base }: Layer, { protocols }: Registry): string {
  return gives === "same" ? protocols.find(({ name }) => name === base)?.kind ?? gives : gives;
}

function addressEntries<P extends Plugin>(
  plugin: P,
  kind: string,
  stackOf: (plugin: P, type: AddressType) => readonly Plugin[],
): TypeEntry[] {
  return plugin.types.map((type) => {
    const foreign = type.role === "listen" ? "connecting" : "listening";
    const own = stackOf(plugin, type).flatMap(({ spec, types }) => optionEntries(spec.fields, types));
    const engine = [streamOptions, type.role === "listen" ? listenOptions : connectOptions];
    const options = [
      ...own.filter(({ group }) => group !== foreign),
      ...engine.flatMap((o) => optionEntries(o.fields)),
    ];
    return {
      what: "address",
      plugin: plugin.name,
      type,
      kind,
      end: plugin.end,
      direction: type.direction ?? "both",
      options: withoutPreset(uniqueByName(options), type),
    };
  });
}

function transformEntries(transform: Transform): TypeEntry[] {
  return transform.types.map((type) => ({
    what: "transform",
    plugin: transform.name,
    type,
    kind: transform.gives === "same" ? transform.needs : "bytes to messages, messages to bytes",
    end: "",
    direction: "both",
    options: withoutPreset(
      optionEntries({ ...transform.spec.fields, dir: directionOption }, transform.types),
      type,
    ),
  }));
}

/** The fields that are options; those that the words after the type name or the type itself set are not. */
function optionEntries(fields: Fieldset, types: readonly AddressType[] = []): OptionEntry[] {
  const hidden = new Set(
    types.flatMap((type) => [...parameterKeys(type.parameters), ...Object.keys(type.preset ?? {})]),
  );
  return Object.entries(fields)
    .filter(([key, schema]) => !schema.notes.hidden && (schema.notes.group !== undefined || !hidden.has(key)))
    .map(([key, schema]) => ({
      name: key.replaceAll("_", "-"),
      aliases: schema.notes.aliases ?? [],
      group: schema.notes.group ?? "other",
      schema,
    }));
}

function parameterKeys(parameters: Parameters): string[] {
  if ("key" in parameters) return [parameters.key];
  return parameters.form === "none" ? [] : ["address", "port", "path"];
}

function withoutPreset(options: readonly OptionEntry[], { preset = {} }: AddressType): OptionEntry[] {
  return options.filter(({ name }) => !(name.replaceAll("-", "_") in preset));
}

/** Of two with one name the later wins: the engine's, as for the reader of addresses. */
function uniqueByName(options: readonly OptionEntry[]): OptionEntry[] {
  return [...new Map(options.map((option) => [option.name, option])).values()];
}
