/** An address between words and document: its layers and its protocol, each with its own settings. */
import { ConfigError } from "../errors.ts";
import type { AddressType, Registry } from "../protocol.ts";
import type { Fieldset } from "../schema.ts";
import type { SpecDocument } from "./document.ts";
import { connectOptions, listenOptions, streamOptions } from "./engine_options.ts";
import type { AnyLayer, AnyProtocol } from "./names.ts";
import { suggestion } from "./suggest.ts";

export type Role = AddressType["role"];
export type Settings = Record<string, unknown>;

/** A layer or, innermost, a protocol, and its settings in the document's form. */
export type Level =
  & {
    type: AddressType | undefined;
    readonly settings: Settings;
    /** Path of the settings in the document, for messages. */
    readonly at?: string;
  }
  & ({ readonly protocol: AnyProtocol; readonly layer?: undefined } | {
    readonly layer: AnyLayer;
    readonly protocol?: undefined;
  });

export interface Stack {
  /** Outermost first; the last one, and only it, is a protocol. Options of the engine stand in the first. */
  readonly levels: readonly [Level, ...Level[]];
  readonly role: Role;
}

/** Where an address stands decides what its settings mean: a listener listens unless it says otherwise. */
export type Place = "listener" | "destination";

export function pluginOf(level: Level): AnyProtocol | AnyLayer {
  return level.protocol ?? level.layer!;
}

/** The options of the engine that an endpoint of this role takes. */
export function engineFields(role: Role): Fieldset {
  return { ...streamOptions.fields, ...(role === "listen" ? listenOptions : connectOptions).fields };
}

/** Whether `layer` says nothing on the wire: an endpoint is what lies below it. */
export function isWrapper({ wrap, share }: AnyLayer): boolean {
  return wrap !== undefined || share !== undefined;
}

/** The outermost level that is more than a wrapper around what lies below it. */
export function mainLevel(levels: readonly Level[]): Level {
  return levels.find(({ layer }) => !layer || !isWrapper(layer))!;
}

/** The canonical type name of the stack, `TCP-LISTEN`, for messages. */
export function typeName({ levels }: Stack): string {
  const level = mainLevel(levels);
  return level.type?.names[0] ?? pluginOf(level).name;
}

/** The levels under `layer` when nothing is written: its base, and that one's base if it is a layer too. */
export function baseLevels(layer: AnyLayer, role: Role, registry: Registry): Level[] {
  const protocol = registry.protocols.find((protocol) => protocol.name === layer.base);
  if (protocol) return [{ protocol, type: typeFor(protocol, role, {}), settings: {} }];
  const lower = registry.layers.find((other) => other.name === layer.base && other !== layer);
  if (layer.base === undefined) throw new ConfigError(`${layer.name}: its transport is missing`);
  if (!lower) throw new ConfigError(`${layer.name} runs over ${layer.base}, which this build lacks`);
  return [{ layer: lower, type: typeFor(lower, role, {}), settings: {} }, ...baseLevels(lower, role, registry)];
}

/** The type of `plugin` that has this role and stands for the most of `settings`. */
export function typeFor(plugin: AnyProtocol | AnyLayer, role: Role, settings: Settings): AddressType | undefined {
  const listens = role === "listen";
  let best: AddressType | undefined;
  let most = -1;
  for (const type of plugin.types) {
    if ((type.role === "listen") !== listens) continue;
    const preset = Object.entries(type.preset ?? {});
    // EXEC and EXEC-ARG differ only in their parameter.
    const score = preset.length + ("key" in type.parameters && type.parameters.key in settings ? 0.5 : 0);
    if (score > most && preset.every(([key, value]) => same(settings[key], value))) {
      best = type;
      most = score;
    }
  }
  return best;
}

export function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** The type that stands for the first level over all the others: WSS for WebSocket over TLS over TCP. */
export function typeOver([level, ...lower]: readonly Level[], role: Role): AddressType | undefined {
  const name = (i: number) => lower[i] && pluginOf(lower[i]).name;
  const onBase = lower.every(({ layer }, i) => layer === undefined || layer.base === name(i + 1));
  return level?.layer?.types.find((type) => {
    const transport = type.preset?.transport as SpecDocument | undefined;
    return onBase && transport?.protocol === name(0) && transport && (type.role === "listen") === (role === "listen");
  });
}

/** Where the peer is: settings of the innermost plug-in that knows them, though layers may name them in requests. */
const peerKeys = new Set(["address", "port"]);

/** The level that `key` belongs to; undefined where nothing of `levels` knows it. */
export function ownerOf(key: string, levels: readonly Level[]): Level | undefined {
  const knows = (level: Level) => key in pluginOf(level).spec.fields;
  if (!peerKeys.has(key)) return levels.find(knows);
  return levels.find((level) => level.layer?.proxy) ?? levels.findLast(knows);
}

/** The levels under the client of a proxy: those that connect to the proxy. */
function levelsBelow({ levels }: Stack): readonly Level[] {
  const client = levels.findIndex((level) => level.layer?.proxy);
  return client < 0 ? [] : levels.slice(client + 1);
}

/** Where a key that begins so belongs: to what lies under the client of a proxy. */
const below = "base.";

/** Sets `key` where it belongs: with the engine's options, or on the plug-in that knows it. */
export function setKey(stack: Stack, key: string, value: unknown): void {
  if (key.startsWith(below)) {
    const inner = key.slice(below.length);
    const level = ownerOf(inner, levelsBelow(stack));
    if (level) level.settings[inner] = value;
    return;
  }
  const level = key in engineFields(stack.role) ? undefined : ownerOf(key, stack.levels);
  (level ?? stack.levels[0]).settings[key] = value;
}

export function getKey(stack: Stack, key: string): unknown {
  const [name, levels] = key.startsWith(below) ? [key.slice(below.length), levelsBelow(stack)] : [key, stack.levels];
  return levels.find((level) => level.settings[name] !== undefined)?.settings[name];
}

/** Whether any plug-in of the stack has a setting `key`. */
export function knowsKey(stack: Stack, key: string): boolean {
  return stack.levels.some((level) => key in pluginOf(level).spec.fields);
}

const keyOrder = ["address", "port", "path", "filename", "command", "text"];

/** The document's form of a stack. What lies on a layer's usual base needs no `transport`. */
export function toSpec(stack: Stack): SpecDocument {
  const nested = (levels: readonly Level[]): SpecDocument => {
    const [level, ...lower] = levels;
    const settings: Settings = { ...level!.settings };
    let transport: SpecDocument | undefined;
    if (lower.length > 0) {
      if (lower.length === 1 && fitsBeside(level!, lower[0]!, stack.role)) Object.assign(settings, lower[0]!.settings);
      else transport = nested(lower);
    }
    const spec: SpecDocument = { protocol: pluginOf(level!).name };
    const place = (key: string) => (keyOrder.indexOf(key) + 1) || keyOrder.length + 1;
    for (const key of Object.keys(settings).sort((a, b) => place(a) - place(b))) {
      if (settings[key] !== undefined) spec[key] = settings[key];
    }
    return transport ? { ...spec, transport } : spec;
  };
  return nested(stack.levels);
}

function fitsBeside(upper: Level, lower: Level, role: Role): boolean {
  if (!upper.layer || !lower.protocol || upper.layer.base !== lower.protocol.name) return false;
  // Both have an address and a port of their own.
  if (upper.layer.proxy) return false;
  const taken = { ...upper.layer.spec.fields, ...engineFields(role) };
  return Object.keys(lower.settings).every((key) => peerKeys.has(key) || !(key in taken));
}

/**
 * Reads a document's spec into a stack. `at` is its path for messages. Knows every key (throws `ConfigError` with the
 * nearest), but does not look at values.
 */
export function fromSpec(spec: SpecDocument, place: Place, registry: Registry, at: string): Stack {
  const role = roleOf(spec, mainPlugin(spec, registry, at), place, at);
  const levels: Level[] = [];
  const read = (spec: SpecDocument, at: string): void => {
    const { protocol, layer } = findPlugin(spec, registry, at);
    const { protocol: _, transport, role: _role, ...given } = spec;
    const engine = levels.length === 0 ? engineFields(role) : {};
    const settings: Settings = {};
    const rest: Settings = {};
    const plugin = protocol ?? layer!;
    const bases = layer && transport === undefined ? baseLevels(layer, role, registry) : [];
    const deeper: Settings = {};
    for (const [key, value] of Object.entries(given)) {
      const meant = plugin.spec.fields[key]?.notes.below;
      if (meant) {
        deeper[meant] = value;
        continue;
      }
      const own = (key in plugin.spec.fields && !(peerKeys.has(key) && !layer?.proxy && ownerOf(key, bases))) ||
        key in engine;
      (own ? settings : rest)[key] = value;
    }
    const level = { type: typeFor(plugin, role, given), settings, at };
    const depth = levels.length + 1;
    levels.push(protocol ? { ...level, protocol } : { ...level, layer: layer! });
    let known: Fieldset = { ...plugin.spec.fields, ...engine };
    if (layer && transport === undefined) {
      for (const key of Object.keys(rest)) {
        const owner = ownerOf(key, bases);
        if (!owner) continue;
        owner.settings[key] = rest[key];
        delete rest[key];
      }
      for (const base of bases) known = { ...known, ...pluginOf(base).spec.fields };
      for (const level of bases) levels.push({ ...level, type: typeFor(pluginOf(level), role, level.settings), at });
    }
    const wrong = Object.keys(rest)[0];
    if (wrong !== undefined) throw unknownKey(at, wrong, [...Object.keys(known), ...(layer ? ["transport"] : [])]);
    if (protocol && transport !== undefined) throw unknownKey(at, "transport", Object.keys(known));
    if (layer && transport !== undefined) read(needObject(transport, `${at}.transport`), `${at}.transport`);
    for (const [key, value] of Object.entries(deeper)) {
      const owner = ownerOf(key, levels.slice(depth));
      if (owner) owner.settings[key] = value;
    }
  };
  read(spec, at);
  for (const [i, level] of levels.entries()) level.type = typeOver(levels.slice(i), role) ?? level.type;
  return { levels: levels as unknown as [Level, ...Level[]], role: mainLevel(levels).type?.role ?? role };
}

function needObject(value: unknown, at: string): SpecDocument {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${at}: ${JSON.stringify(value)} is not an object`);
  }
  return value as SpecDocument;
}

/** The error for a key that nothing knows. */
export function unknownKey(at: string, key: string, known: Iterable<string>): ConfigError {
  return new ConfigError(`${at}.${key}: unknown key${suggestion(key, ["protocol", ...known])}`);
}

function findPlugin(
  spec: SpecDocument,
  { protocols, layers }: Registry,
  at: string,
): { protocol: AnyProtocol; layer?: undefined } | { layer: AnyLayer; protocol?: undefined } {
  const name = spec.protocol;
  if (typeof name !== "string") {
    const misspelt = Object.keys(spec).find((key) => suggestion(key, ["protocol"]) !== "");
    if (misspelt !== undefined && name === undefined) throw unknownKey(at, misspelt, []);
    throw new ConfigError(`${at}.protocol: ${name === undefined ? "is missing" : "is not a string"}`);
  }
  const protocol = protocols.find((protocol) => protocol.name === name);
  if (protocol) return { protocol };
  const layer = layers.find((layer) => layer.name === name);
  if (layer) return { layer };
  const near = suggestion(name, [...protocols, ...layers].map((plugin) => plugin.name));
  throw new ConfigError(`${at}.protocol: unknown protocol "${name}"${near}`);
}

/** The outermost plug-in of `spec` that is more than a wrapper. */
function mainPlugin(spec: SpecDocument, registry: Registry, at: string): AnyProtocol | AnyLayer {
  const { protocol, layer } = findPlugin(spec, registry, at);
  if (!layer || !isWrapper(layer)) return protocol ?? layer!;
  return mainPlugin(needObject(spec.transport ?? null, `${at}.transport`), registry, `${at}.transport`);
}

function roleOf(spec: SpecDocument, plugin: AnyProtocol | AnyLayer, place: Place, at: string): Role {
  const connector = plugin.types.find((type) => type.role !== "listen")?.role;
  const listens = plugin.types.some((type) => type.role === "listen");
  const written = spec.role;
  if (written !== undefined && written !== "listen" && written !== "connect") {
    throw new ConfigError(`${at}.role: ${JSON.stringify(written)} is not one of connect, listen`);
  }
  const wantsListen = written === undefined ? (place === "listener" ? listens : !connector) : written === "listen";
  if (wantsListen && !listens) throw new ConfigError(`${at}: ${plugin.name} cannot listen`);
  if (!wantsListen && !connector) throw new ConfigError(`${at}: ${plugin.name} cannot connect`);
  return wantsListen ? "listen" : connector!;
}

/** What `role` must say in a document for this stack at `place`; undefined where the place says it. */
export function writtenRole({ levels, role }: Stack, place: Place): "connect" | "listen" | undefined {
  const listens = role === "listen";
  const otherwise = pluginOf(mainLevel(levels)).types.some((type) => (type.role === "listen") !== listens);
  const usual = place === "listener";
  return listens === usual || !otherwise ? undefined : listens ? "listen" : "connect";
}
