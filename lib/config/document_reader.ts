/** Reads what one listener of a document names: its two addresses and the transforms between. */
import { ConfigError } from "../errors.ts";
import type { Registry } from "../protocol.ts";
import type { StreamKind } from "../stream/stream.ts";
import { addressFromSpec } from "./address_printer.ts";
import type { InlineCluster, InlineListener, InlineRoute, InlineTransform } from "./document.ts";
import type { ParsedAddress } from "./endpoint_parser.ts";
import type { AnyTransform } from "./names.ts";
import { type Level, ownerOf, pluginOf, type Settings, type Stack } from "./stack.ts";
import { suggestion } from "./suggest.ts";

export type Kind = StreamKind | "either";

export interface ReadListener {
  readonly at: string;
  readonly document: InlineListener;
  readonly route: InlineRoute;
  /** Path of the route. */
  readonly routeAt: string;
  readonly source: ParsedAddress;
  readonly target: ParsedAddress;
}

/** Reads listener number `i`, whose structure has been checked. Throws `ConfigError`. */
export function readListener(document: InlineListener, i: number, registry: Registry): ReadListener {
  const at = `listeners[${i}]`;
  if (document.rules.length !== 1) {
    throw new ConfigError(`${at}.rules: there are ${document.rules.length}, but exactly one rule is supported`);
  }
  const { route } = document.rules[0]!.action;
  const routeAt = `${at}.rules[0].action.route`;
  return {
    at,
    document,
    route,
    routeAt,
    source: addressFromSpec(document.spec, "listener", registry, `${at}.spec`),
    target: readDestination(route.destination, registry, `${routeAt}.destination`),
  };
}

function readDestination({ spec, endpoints = [] }: InlineCluster, registry: Registry, at: string): ParsedAddress {
  const address = addressFromSpec(spec, "destination", registry, `${at}.spec`);
  if (endpoints.length === 0) return address;
  if (endpoints.length > 1) {
    throw new ConfigError(`${at}.endpoints: there are ${endpoints.length}, but at most one is supported`);
  }
  if ("dual" in address) throw new ConfigError(`${at}.endpoints: a dual address has none`);
  const { levels } = address.single;
  const base = ownerOf("address", levels) ?? levels.at(-1)!;
  const endpointAt = `${at}.endpoints[0].spec`;
  for (const [key, value] of Object.entries(endpoints[0]?.spec ?? {})) {
    if (!(key in pluginOf(base).spec.fields)) throw new ConfigError(`${endpointAt}.${key}: unknown key`);
    base.settings[key] = value;
  }
  return address;
}

/** Reads one transform and its settings. */
export function readTransform(
  { spec }: InlineTransform,
  registry: Registry,
  at: string,
): { transform: AnyTransform; settings: Settings; reverse: boolean } {
  const { protocol, reverse = false, ...settings } = spec ?? {};
  const transform = registry.transforms.find((transform) => transform.name === protocol);
  if (!transform) {
    if (protocol === undefined) throw new ConfigError(`${at}.spec.protocol: is missing`);
    const near = suggestion(String(protocol), registry.transforms.map((transform) => transform.name));
    throw new ConfigError(`${at}.spec.protocol: unknown transform ${JSON.stringify(protocol)}${near}`);
  }
  for (const key of Object.keys(settings)) {
    if (key in transform.spec.fields) continue;
    const near = suggestion(key, [...Object.keys(transform.spec.fields), "reverse"]);
    throw new ConfigError(`${at}.spec.${key}: unknown key${near}`);
  }
  return { transform, settings, reverse };
}

/** The half of an address that is read from, or written to. */
export function half(address: ParsedAddress, which: "read" | "write"): Stack {
  return "single" in address ? address.single : address.dual[which];
}

/** Kind of the stack's top, before the options that change it. */
export function kindOf({ levels }: Stack): Kind {
  // Opened anew for every message, an endpoint takes messages whatever it is.
  return levels[0].settings.foreachmsg === true ? "datagram" : kindOfLevels(levels);
}

/** What the outermost of `levels` gives. */
export function kindOfLevels([level, ...lower]: readonly Level[]): Kind {
  if (level!.protocol) return level!.protocol.kind;
  const { gives } = level!.layer!;
  return gives === "same" ? kindOfLevels(lower) : gives;
}

export function otherKind(kind: Kind): Kind {
  return kind === "either" ? "either" : kind === "byte" ? "datagram" : "byte";
}

const framerOptions = ["lines", "null_lines", "chunks"];

/** Kind of what flows from and to a stack, with its framing options. */
export function flowKind(stack: Stack): Kind {
  const framed = framerOptions.some((key) => stack.levels[0].settings[key] === true);
  return framed ? otherKind(kindOf(stack)) : kindOf(stack);
}
