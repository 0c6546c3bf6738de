/** JSON Schemas of the `spec` of listeners and clusters, one for each protocol, layer and transform of the registry. */
import type { AddressType, Layer, Protocol, Registry, Transform } from "../protocol.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

type Place = "Listener" | "Cluster";
// deno-lint-ignore no-explicit-any
type PlugIn = Protocol<any> | Layer<any> | Transform<any>;

/** `ListenerSpec` and `ClusterSpec`, told apart by `protocol`, and a schema for each protocol in either place. */
export function specSchemas({ protocols, layers, transforms }: Registry): Record<string, JsonSchema> {
  return {
    ...place("Listener", [...protocols, ...layers], layers),
    ...place("Cluster", [...protocols, ...layers, ...transforms], layers),
  };
}

function place(where: Place, plugIns: readonly PlugIn[], layers: readonly unknown[]): Record<string, JsonSchema> {
  const each = new Map<string, JsonSchema>();
  for (const plugIn of plugIns) {
    each.set(`${where}Spec.${plugIn.name}`, specSchema(where, plugIn, layers.includes(plugIn)));
  }
  const dual = { properties: { read: ref(`${where}Spec`), write: ref(`${where}Spec`) }, required: ["read", "write"] };
  each.set(`${where}Spec.Dual`, tagged("Dual", dual));
  return {
    [`${where}Spec`]: {
      type: "object",
      description: `What \`protocol\` says decides about the rest.`,
      required: ["protocol"],
      discriminator: { propertyName: "protocol" },
      oneOf: [...each.keys()].map(ref),
    },
    ...Object.fromEntries(each),
  };
}

/** What the original calls, or means to call, some protocols. */
const olderNames: Readonly<Record<string, readonly string[]>> = { EXEC: ["STDIO-fork"] };

interface Members {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

function tagged(name: string, { properties, required = [] }: Members): JsonSchema {
  return {
    type: "object",
    properties: { protocol: { enum: [name, ...(olderNames[name] ?? [])] }, ...properties },
    required: ["protocol", ...required],
  };
}

function specSchema(where: Place, plugIn: PlugIn, isLayer: boolean): JsonSchema {
  const visible = Object.entries(plugIn.spec.fields).filter(([, field]) => !field.notes.hidden).map(([key]) => key);
  const all = plugIn.spec.json().properties as Record<string, object>;
  const properties: Record<string, object> = Object.fromEntries(visible.map((key) => [key, all[key]!]));
  // The original's is an object, also where ours is a path.
  if (properties.bind) properties.bind = { ...properties.bind, type: ["string", "object"] };
  if (isLayer) properties.transport = ref(`${where}Spec`);
  else if (!("forward" in plugIn || "backward" in plugIn)) properties.role = { enum: ["connect", "listen"] };
  if ("needs" in plugIn && !isLayer) properties.reverse = { type: "boolean" };
  const required = where === "Listener" && !isLayer ? neededByListener(plugIn.types) : [];
  return { ...tagged(plugIn.name, { properties, required }), ...describe(plugIn.types) };
}

function describe(types: readonly AddressType[]): JsonSchema {
  const help = types.find((type) => type.help !== "")?.help;
  return help === undefined ? {} : { description: help };
}

/** The settings without which a listener cannot be: of a protocol whose listening types all take them as parameters. */
function neededByListener(types: readonly AddressType[]): readonly string[] {
  const listening = types.filter(({ role }) => role === "listen");
  if (listening.length === 0 || listening.length < types.length && types.some(({ role }) => role === "local")) {
    return [];
  }
  const needed = listening.map(({ parameters }) => {
    if (parameters.form === "[host:]port" && parameters.defaultPort === undefined) return ["port"];
    if (parameters.form === "text" && !parameters.optional) return [parameters.key];
    return [];
  });
  return needed[0]!.filter((key) => needed.every((keys) => keys.includes(key)));
}
