/** Reads `loadbalancer` of a cluster, and gives the form in which a dump shows it. */
import type { LoadBalancerDocument } from "../config/document.ts";
import { suggestion } from "../config/suggest.ts";
import { ConfigError } from "../errors.ts";
import * as s from "../schema.ts";
import { readSettings, type UnknownKeys } from "./read_settings.ts";

export const policies = ["Trivial", "RoundRobin", "Random", "LeastRequest", "HashRing"] as const;
/** `None`: of a cluster that is its own only member. */
export type Policy = typeof policies[number] | "None";

export interface LoadBalancing {
  readonly policy: Policy;
  /** Of `HashRing`, a path into the metadata; absent: every choice is random. */
  readonly key?: string;
  readonly sticky?: StickySettings;
}

export interface StickySettings {
  /** A path into the metadata. */
  readonly path: string;
  /** How long a caller is remembered after its last session began. */
  readonly ttlMs: number;
  readonly maxKeys: number;
}

/** What a dump shows for a `HashRing` without a key. */
const noKey = "<RANDOM>";

/** Clusters whose policy reads `None`. */
const withoutPolicy: ReadonlySet<unknown> = new Set(["L7mpController", "Stdio", "Logger", "Sync"]);

/** Members of `loadbalancer.sticky`. */
export const stickySchema = s.object({
  key: s.string({ help: "Path into the session's metadata" }),
  ttl: s.duration({ default: Infinity, help: "How long a caller is remembered after its last session began" }),
  max_keys: s.integer({ min: 1, default: 10_000, help: "Callers remembered; those not seen for longest go first" }),
});

const sticky: s.Schema<unknown> = {
  type: "object",
  notes: { help: "Callers with the same value keep the endpoint that was first chosen for them" },
  parse: (value) => value,
  fromText: (_text, at) => {
    throw new ConfigError(`option "${at}" stands in files only`);
  },
  print: (value) => value,
  json: () => ({ ...stickySchema.json(), required: ["key"], additionalProperties: false }),
};

/** Members of `loadbalancer`. */
export const loadBalancerSchema = s.object({
  policy: s.string({ help: `One of ${policies.join(", ")}; ConsistentHash is HashRing` }),
  key: s.string({ help: "With HashRing: path into the session's metadata; absent: random choice" }),
  sticky,
});

/** Reads the settings; `at` is their path. `None` is for virtual clusters. Throws `ConfigError`. */
export function readLoadBalancing(
  document: unknown,
  at: string,
  { virtual = false, unknown = "refuse" }: { virtual?: boolean; unknown?: UnknownKeys } = {},
): LoadBalancing {
  const { policy: written, key: path, sticky } = readSettings(loadBalancerSchema, document, at, unknown);
  const policy = readPolicy(written, at, virtual);
  const key = path === noKey || path === "" ? undefined : path;
  if (key !== undefined && ["RoundRobin", "Random", "LeastRequest"].includes(policy)) {
    throw new ConfigError(`${at}.key: has no effect with ${policy}; did you mean "sticky" or policy "HashRing"?`);
  }
  return {
    policy,
    ...(policy === "HashRing" && { key }),
    ...(sticky !== undefined && { sticky: readSticky(sticky, `${at}.sticky`, unknown) }),
  };
}

function readPolicy(written: string | undefined, at: string, virtual: boolean): Policy {
  if (written === undefined) throw new ConfigError(`${at}.policy: is missing`);
  const policy = written === "ConsistentHash" ? "HashRing" : written;
  if (policy === "None" && !virtual) {
    throw new ConfigError(`${at}.policy: "None" is for clusters without endpoints; did you mean "Trivial"?`);
  }
  const known = [...policies, "None"] as const;
  const found = known.find((name) => name === policy);
  if (found) return found;
  const near = suggestion(written, [...policies, "ConsistentHash"]);
  throw new ConfigError(`${at}.policy: unknown policy ${JSON.stringify(written)}${near}`);
}

function readSticky(document: unknown, at: string, unknown: UnknownKeys): StickySettings {
  const { key, ttl, max_keys } = readSettings(stickySchema, document, at, unknown);
  if (key === undefined) throw new ConfigError(`${at}.key: is missing`);
  return { path: key, ttlMs: ttl!, maxKeys: max_keys! };
}

/**
 * The form of a dump, which loads again: the policy by its proper name, and `<RANDOM>` for the key of a `HashRing`
 * without one. A cluster without endpoints has nothing to choose from: whatever was written, it shows `None` or
 * `Trivial`. Throws `ConfigError` for what cannot be read.
 */
export function loadBalancerDump(
  document: LoadBalancerDocument | undefined,
  { protocol, virtual }: { protocol: string; virtual: boolean },
  at: string,
  unknown?: UnknownKeys,
): LoadBalancerDocument {
  const settings = document === undefined ? undefined : readLoadBalancing(document, at, { virtual, unknown });
  if (virtual) return { policy: withoutPolicy.has(protocol) ? "None" : "Trivial" };
  if (settings === undefined) return { policy: "Trivial" };
  const { policy, key } = settings;
  return {
    policy,
    ...(policy === "HashRing" && { key: key ?? noKey }),
    ...(document?.sticky && { sticky: document.sticky }),
  };
}
