/** Reads the parts of definitions that stand for themselves: names, settings, predicates, endpoints. */
import type {
  ActionDocument,
  ClusterDocument,
  EndPointDocument,
  LoadBalancerDocument,
  RetryDocument,
} from "../config/document.ts";
import {
  balancerSettings,
  checkSettings,
  clusterSettings,
  denySettings,
  endPointSettings,
  isObject,
  retrySettings,
} from "../config/settings.ts";
import { ConfigError } from "../errors.ts";
import { type KindWord, ObjectError, within } from "./object_error.ts";
import type { ClusterSettings, EndPointObject, RouteObject, RuleObject } from "./objects.ts";

/** Path of `key` inside of what is at `at`. */
export function join(at: string, key: string): string {
  return at === "" ? key : `${at}.${key}`;
}

const maxDepth = 100;

/** Refuses what is nested so deeply that nobody can have meant it, before anything recurses into it. */
export function checkDepth(kind: KindWord, document: unknown, at: string): void {
  let level: unknown[] = [document];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) throw new ObjectError(kind, at, `nested more than ${maxDepth} levels deep`);
    level = level.flatMap((value) => typeof value === "object" && value !== null ? Object.values(value) : []);
  }
}

export type PropertyType = "name" | "object" | "list" | "string or list" | "string or object";

const is: Readonly<Record<PropertyType, (value: unknown) => boolean>> = {
  name: (value) => typeof value === "string" && /^\S+$/.test(value),
  object: isObject,
  list: Array.isArray,
  "string or list": (value) => is.name(value) || Array.isArray(value),
  "string or object": (value) => is.name(value) || isObject(value),
};

/** Checks that the `document` of a `kind` has a property of this type. */
export function need(kind: KindWord, document: object, property: string, type: PropertyType, at: string): void {
  const value = (document as Record<string, unknown>)[property];
  if (value === undefined) throw new ObjectError(kind, at, `Property ${property} is required`);
  if (!is[type](value)) throw new ObjectError(kind, join(at, property), `Property ${property} is invalid`);
}

/** As `need`, but the property may be absent. */
export function allow(kind: KindWord, document: object, property: string, type: PropertyType, at: string): void {
  if ((document as Record<string, unknown>)[property] !== undefined) need(kind, document, property, type, at);
}

/** Checks that a definition is an object at all. */
export function needDefinition(kind: KindWord, document: unknown, at: string): void {
  if (isObject(document)) return checkDepth(kind, document, at);
  throw new ObjectError(kind, at, "An object (a set of key-value pairs) is expected");
}

/** The settings of a route's `retry`, completed. */
export function readRetry(retry: RetryDocument | undefined, at: string): RouteObject["retry"] {
  if (retry !== undefined) within("route", at, () => checkSettings(retrySettings, retry, at));
  const { retry_on = "never", num_retries = 1, timeout = 2000, ...rest } = retry ?? {};
  return { retry_on, num_retries, timeout, ...rest };
}

/** What a dump shows of a cluster's balancer. */
export function readBalancer(given: LoadBalancerDocument | undefined, at: string): LoadBalancerDocument {
  if (given === undefined) return { policy: "Trivial" };
  within("cluster", at, () => {
    checkSettings(balancerSettings, given, at);
    if (given.policy === undefined) throw new ConfigError(`${at}.policy: is missing`);
  });
  const { policy, key, sticky } = given;
  const extra = sticky && { sticky };
  if (policy !== "HashRing" && policy !== "ConsistentHash") return { policy, ...extra };
  return { policy: "HashRing", key: key ?? "<RANDOM>", ...extra };
}

/** Those settings of a cluster that were given. */
export function readClusterSettings(document: ClusterDocument, at: string): ClusterSettings {
  within("cluster", at, () => clusterSettings.parse(document as unknown as Record<string, unknown>, at));
  const given = Object.keys(clusterSettings.fields).flatMap((key) => {
    const value = document[key as keyof ClusterDocument];
    return value === undefined ? [] : [[key, value]];
  });
  return Object.fromEntries(given);
}

/** An endpoint, but for its name. */
export function readEndPoint(document: EndPointDocument, at: string): Omit<EndPointObject, "name"> {
  needDefinition("endpoint", document, at);
  need("endpoint", document, "spec", "object", at);
  const { weight: inSpec, ...spec } = document.spec;
  const given = { weight: document.weight ?? inSpec, priority: document.priority };
  within("endpoint", at, () => endPointSettings.parse(given, at));
  return { spec, weight: given.weight || 1, priority: given.priority ?? 0 };
}

/** The predicate of a rule; undefined where it matches everything. */
export function readMatch(match: unknown, at: string): RuleObject["match"] {
  if (match === undefined || typeof match === "string") return undefined;
  if (!isObject(match)) throw new ObjectError("rule", at, "Property match is invalid");
  return typeof match.match === "string" && match.op === undefined ? undefined : match;
}

/** What an action says without its route. */
export function readAction(action: ActionDocument, at: string): Omit<RuleObject["action"], "route"> {
  const { rewrite, apply, deny } = action;
  if (rewrite !== undefined) {
    if (!Array.isArray(rewrite)) throw new ObjectError("rule", join(at, "rewrite"), "Property rewrite is invalid");
    for (const [i, item] of rewrite.entries()) {
      const where = `${join(at, "rewrite")}[${i}]`;
      if (!isObject(item)) throw new ObjectError("rule", where, "Property rewrite is invalid");
      if (typeof item.path !== "string") throw new ObjectError("rule", where, "Property path is required");
      if (item.value === undefined) throw new ObjectError("rule", where, "Property value is required");
    }
  }
  allow("rule", action, "apply", "name", at);
  if (deny !== undefined) within("rule", join(at, "deny"), () => checkSettings(denySettings, deny, join(at, "deny")));
  return {
    ...(rewrite !== undefined && { rewrite: rewrite.map(({ path, value }) => ({ path, value })) }),
    ...(apply !== undefined && { apply }),
    ...(deny !== undefined && { deny }),
  };
}
