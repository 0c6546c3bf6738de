/** Checks the specs of objects against what the program knows how to do, before anything opens. */
import type { SpecDocument } from "../config/document.ts";
import { addressLevel, readClusterSpec, readListenerSpec, transformForPlanner } from "../config/original_spec.ts";
import type { UnknownKeys } from "../cluster/read_settings.ts";
import { readTransform } from "../config/document_reader.ts";
import type { ParsedAddress } from "../config/endpoint_parser.ts";
import { planEndpoint } from "../config/endpoint_planner.ts";
import { type Place, unknownKey } from "../config/stack.ts";
import { ConfigError } from "../errors.ts";
import { checkPredicateKeys, compilePredicate } from "../metadata/predicate.ts";
import type { Direction, Registry } from "../protocol.ts";

/** What a cluster's spec says about it. */
export interface ClusterFacts {
  /** Has no endpoints: it needs no address, or its spec has it. */
  readonly virtual: boolean;
}

/** All calls throw `ConfigError`; `at` is the path of the spec for its message. */
export interface SpecCheck {
  /** `refuse`: files. `ignore`: the REST API, whose callers may say more than we know. */
  readonly unknownKeys: UnknownKeys;
  listener(spec: SpecDocument, at: string): void;
  cluster(spec: SpecDocument, at: string): ClusterFacts;
  /** An endpoint of a cluster whose spec has been checked; `at` is the path of the endpoint's spec. */
  endpoint(cluster: SpecDocument, endpoint: Readonly<Record<string, unknown>>, at: string): void;
  /** A rule's predicate; wants `loadRegex` as `compilePredicate` does. */
  match(predicate: Readonly<Record<string, unknown>>, at: string): void;
}

/** Stands for the address and the port of an endpoint that a cluster does not have yet. */
const placeholder = { address: "localhost", port: 1 };

/** A check against the plug-ins of `registry`. */
export function makeSpecCheck(registry: Registry, unknownKeys: UnknownKeys): SpecCheck {
  const unknown = unknownKeys === "ignore" ? undefined : (at: string, key: string, known: readonly string[]) => {
    throw unknownKey(at, key, known);
  };
  const use = (at: string) => ({ registry, at, unknown });

  return {
    unknownKeys,
    match(predicate, at) {
      if (unknownKeys === "refuse") checkPredicateKeys(predicate, at);
      compilePredicate(predicate, at);
    },
    listener(spec, at) {
      plan(readListenerSpec(spec, use(at)), "listener", registry);
    },
    cluster(spec, at) {
      const transform = transformForPlanner(spec, use(at));
      if (transform) {
        const { transform: plugin, settings } = readTransform(transform, registry, at.replace(/\.?spec$/, ""));
        const parsed = plugin.spec.parse(settings, at);
        plugin.check?.(parsed);
        return { virtual: true };
      }
      const address = readClusterSpec(spec, use(at));
      const virtual = isVirtual(address);
      if (!virtual && "single" in address) {
        const { settings } = addressLevel(address.single);
        settings.address = placeholder.address;
        if (settings.port === undefined) settings.port = portOf(address);
      }
      plan(address, "destination", registry);
      return { virtual };
    },
    endpoint(cluster, spec, at) {
      plan(readClusterSpec(cluster, use(at), { spec, at }), "destination", registry);
    },
  };
}

/** The placeholder of a port for those that take one. */
function portOf(address: ParsedAddress): number | undefined {
  const level = "single" in address ? addressLevel(address.single) : undefined;
  return level && "port" in (level.protocol ?? level.layer!).spec.fields ? placeholder.port : undefined;
}

/** Whether an address is reached without the address of an endpoint. */
function isVirtual(address: ParsedAddress): boolean {
  if ("dual" in address) return true;
  const { levels, role } = address.single;
  if (role === "listen" || addressLevel(address.single).settings.address !== undefined) return true;
  const base = levels.at(-1)!;
  return !levels.some(({ layer }) => layer?.proxy) && base.protocol!.types.every((type) => type.role !== "connect");
}

/** What can only be read, or only be written, is right for sessions with one direction. */
function plan(address: ParsedAddress, place: Place, registry: Registry): void {
  let first: unknown;
  for (const direction of ["both", "read", "write"] satisfies Direction[]) {
    try {
      planEndpoint(address, place, direction, registry);
      return;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      first ??= error;
    }
  }
  throw first;
}
