/**
 * The spec forms of the original's configurations, and what they are in ours. Objects keep what they were given, for
 * dumps; the planner gets it through here.
 */
import { ConfigError } from "../errors.ts";
import type { Registry } from "../protocol.ts";
import { isPlainObject } from "../schema.ts";
import { parseIp } from "../stream/net_range.ts";
import { addressFromSpec } from "./address_printer.ts";
import type { InlineTransform, SpecDocument } from "./document.ts";
import type { ParsedAddress } from "./endpoint_parser.ts";
import { baseLevels, engineFields, ownerOf, type Place, pluginOf, type Stack } from "./stack.ts";

export interface SpecUse {
  readonly place: Place;
  readonly registry: Registry;
  /** Path of the spec, for messages. */
  readonly at: string;
  /** Called for every key that nothing knows, which is then left out. Absent: left out without a word. */
  unknown?(at: string, key: string, known: readonly string[]): void;
}

/** What `spec` is for the planner: forms of the original put into ours, unknown keys left out. Throws `ConfigError`. */
export function specForPlanner(spec: SpecDocument, use: SpecUse): SpecDocument {
  return translate(spec, use, true);
}

/** The address of a listener, ready for `planEndpoint`. Throws `ConfigError`. */
export function readListenerSpec(spec: SpecDocument, use: Omit<SpecUse, "place">): ParsedAddress {
  const place = "listener";
  return addressFromSpec(specForPlanner(spec, { ...use, place }), place, use.registry, use.at);
}

/**
 * The address of a cluster that is no transform, ready for `planEndpoint`. The settings of its endpoint, where it has
 * one, go before its own; `endpointAt` is their path. Throws `ConfigError`.
 */
export function readClusterSpec(
  spec: SpecDocument,
  use: Omit<SpecUse, "place">,
  endpoint?: { readonly spec: Readonly<Record<string, unknown>>; readonly at: string },
): ParsedAddress {
  const place = "destination";
  const address = addressFromSpec(specForPlanner(spec, { ...use, place }), place, use.registry, use.at);
  if (!endpoint) return address;
  if ("dual" in address) throw new ConfigError(`${endpoint.at}: a dual address has no endpoints`);
  const base = addressLevel(address.single);
  const { fields } = pluginOf(base).spec;
  for (const [key, value] of Object.entries(endpoint.spec)) {
    if (key in fields) base.settings[key] = key === "port" ? portFrom(value) : value;
    else if (key !== "port" && key !== "weight") use.unknown?.(endpoint.at, key, Object.keys(fields));
  }
  return address;
}

/** The level of a connector that the address of its endpoint belongs to. */
export function addressLevel({ levels }: Stack): Stack["levels"][0] {
  return ownerOf("address", levels) ?? levels.at(-1)!;
}

/** A transform, ready for `readTransform`; undefined where `spec` names none. */
export function transformForPlanner(spec: SpecDocument, use: Omit<SpecUse, "place">): InlineTransform | undefined {
  if (!use.registry.transforms.some(({ name }) => name === spec.protocol)) return undefined;
  return { spec: specForPlanner(spec, { ...use, place: "destination" }) };
}

/** Parts of the end of a connection. */
const ends = ["address", "port"];

function translate(given: SpecDocument, use: SpecUse, outermost: boolean): SpecDocument {
  const { place, at } = use;
  if (given.protocol === "Test") {
    throw new ConfigError(`${at}.protocol: "Test" is a protocol of the original's own tests`);
  }
  const { transport_spec, ...spec } = given as SpecDocument & { transport_spec?: SpecDocument };
  if (spec.protocol === "STDIO-fork") spec.protocol = "EXEC";
  if (spec.transport === undefined) spec.transport = transport_spec;
  for (const key of ["transport", "read", "write"] as const) {
    const inner = spec[key];
    if (inner === undefined) delete spec[key];
    else if (isPlainObject(inner)) spec[key] = translateWithin(key, inner, use);
  }
  if (spec.port !== undefined) spec.port = portFrom(spec.port);
  for (const key of ["bind", "connect"] as const) {
    const end = spec[key];
    if (!isPlainObject(end)) continue;
    for (const part of Object.keys(end)) if (!ends.includes(part)) use.unknown?.(`${at}.${key}`, part, ends);
    if (end.port !== undefined) spec[key] = { ...end, port: portFrom(end.port) };
  }
  // Its clients had a local IP address like all others, without effect.
  if (spec.protocol === "UnixDomainSocket" && isPlainObject(spec.bind)) delete spec.bind;
  if (spec.protocol === "UDP" && place === "listener") restrictPeers(spec, at, outermost);
  if (spec.protocol === "Metric") checkCounterNames(spec, at);
  return withoutUnknown(spec, use, outermost);
}

/** What lies below; a half of a dual address is an address of its own, which opens as a destination does. */
function translateWithin(key: "transport" | "read" | "write", spec: SpecDocument, use: SpecUse): SpecDocument {
  const at = `${use.at}.${key}`;
  if (key === "transport") return translate(spec, { ...use, at }, false);
  return translate(spec, { ...use, at, place: "destination" }, true);
}

/** A port, which clients that fill in templates write as a text of digits. */
function portFrom(port: unknown): unknown {
  return typeof port === "string" && /^\d+$/.test(port) ? Number(port) : port;
}

const counterNames = ["byteCounterName", "packetCounterName"];

/** Names that the original takes for counters, of which it makes nothing. */
function checkCounterNames(spec: SpecDocument, at: string): void {
  for (const key of counterNames) {
    const name = spec[key];
    if (name === undefined || typeof name === "string" && /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) continue;
    throw new ConfigError(`${at}.${key}: ${JSON.stringify(name)} is not the name of a metric`);
  }
}

/** A UDP listener's `connect` and `options.mode`: whom it serves, and whether it waits for them. */
function restrictPeers(spec: SpecDocument, at: string, outermost: boolean): void {
  const { connect = {}, options = {} } = spec;
  delete spec.connect;
  delete spec.options;
  if (!isPlainObject(connect)) throw new ConfigError(`${at}.connect: ${JSON.stringify(connect)} is not an object`);
  if (!isPlainObject(options)) throw new ConfigError(`${at}.options: ${JSON.stringify(options)} is not an object`);
  const { address, port } = connect;
  const { mode = address !== undefined && port !== undefined ? "singleton" : "server" } = options;
  if (mode !== "singleton" && mode !== "server") {
    throw new ConfigError(`${at}.options.mode: ${JSON.stringify(mode)} is not one of server, singleton`);
  }
  if (address !== undefined && typeof address !== "string") {
    throw new ConfigError(`${at}.connect.address: ${JSON.stringify(address)} is not a string`);
  }
  if (port !== undefined && !(Number.isInteger(port) && Number(port) > 0 && Number(port) < 65536)) {
    throw new ConfigError(`${at}.connect.port: ${JSON.stringify(port)} is not a port`);
  }
  if (mode === "singleton" && outermost) {
    if (address === undefined || port === undefined) {
      throw new ConfigError(`${at}.options.mode: singleton needs connect.address and connect.port`);
    }
    // A connector in the place of a listener has its session at once, and with fork another after it.
    const local = spec.address ?? (address.includes(":") ? "::" : "0.0.0.0");
    const bind = { address: local, port: spec.port };
    Object.assign(spec, { role: "connect", address, port, bind, fork: spec.fork ?? true });
    return;
  }
  if (address !== undefined) {
    if (!parseIp(address) && address !== "localhost") {
      throw new ConfigError(`${at}.connect.address: ${JSON.stringify(address)} is not an IP address`);
    }
    spec.range = [address];
  }
  if (port !== undefined) spec.sourceport = port;
}

const structure = ["protocol", "role", "transport", "read", "write", "reverse"];

function withoutUnknown(spec: SpecDocument, { registry, at, unknown }: SpecUse, outermost: boolean): SpecDocument {
  const known = knownKeys(spec, registry, outermost);
  if (!known) return spec;
  const result: SpecDocument = { protocol: spec.protocol };
  for (const [key, value] of Object.entries(spec)) {
    if (known.has(key)) result[key] = value;
    else if (!isSurplus(spec, key, registry)) unknown?.(at, key, [...known]);
  }
  return result;
}

/** All keys of a spec; undefined where its protocol is unknown, which is said elsewhere. */
function knownKeys(spec: SpecDocument, registry: Registry, outermost: boolean): Set<string> | undefined {
  const named = ({ name }: { name: string }) => name === spec.protocol;
  const transform = registry.transforms.find(named);
  const protocol = registry.protocols.find(named);
  const layer = registry.layers.find(named);
  const keys = new Set(structure);
  const add = (fields: object) => Object.keys(fields).forEach((key) => keys.add(key));
  if (spec.protocol === "Dual") return keys;
  if (!transform && !protocol && !layer) return undefined;
  for (const plugin of [transform, protocol, layer]) if (plugin) add(plugin.spec.fields);
  if ((protocol || layer) && outermost) add({ ...engineFields("listen"), ...engineFields("connect") });
  if (layer && spec.transport === undefined && layer.base !== undefined) {
    for (const level of baseLevels(layer, "connect", registry)) add(pluginOf(level).spec.fields);
  }
  return keys;
}

/** What the original's users write, and what means nothing: `port` and `bind` of those that connect to nobody. */
function isSurplus({ protocol: name }: SpecDocument, key: string, { protocols }: Registry): boolean {
  if (name === "Metric" && counterNames.includes(key)) return true;
  if (key !== "port" && key !== "bind") return false;
  if (name === "JSONSocket") return true;
  const protocol = protocols.find((protocol) => protocol.name === name);
  return !protocol || protocol.types.every(({ role }) => role === "local");
}
