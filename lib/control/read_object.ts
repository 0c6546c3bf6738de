/** Reads the parts of definitions that stand for themselves: names, settings, predicates, endpoints. */
import type {
  ActionDocument,
  ClusterDocument,
  EndPointDocument,
  ListenerOptionsDocument,
  RetryDocument,
} from "../config/document.ts";
import { checkBounds } from "../config/bounds.ts";
import {
  checkSettings,
  clusterSettings,
  denySettings,
  endPointSettings,
  listenerSettings,
  retrySettings,
} from "../config/settings.ts";
import { parseRateLimit } from "../limits/rate_limiter.ts";
import { parseRewrites } from "../metadata/rewrite.ts";
import { isPlainObject } from "../schema.ts";
import { maxNameLength } from "./naming.ts";
import { type KindWord, ObjectError, within } from "./object_error.ts";
import type { ClusterSettings, EndPointObject, RouteObject, RuleObject } from "./objects.ts";

/** Path of `key` inside of what is at `at`. */
export function join(at: string, key: string): string {
  return at === "" ? key : `${at}.${key}`;
}

export type PropertyType = "name" | "object" | "list" | "string or list" | "string or object";

const is: Readonly<Record<PropertyType, (value: unknown) => boolean>> = {
  name: (value) => typeof value === "string",
  object: isPlainObject,
  list: Array.isArray,
  "string or list": (value) => is.name(value) || Array.isArray(value),
  "string or object": (value) => is.name(value) || isPlainObject(value),
};

/** Checks that the `document` of a `kind` has a property of this type. */
export function need(kind: KindWord, document: object, property: string, type: PropertyType, at: string): void {
  const value = (document as Record<string, unknown>)[property];
  if (value === undefined) throw new ObjectError(kind, at, `Property ${property} is required`);
  if (!is[type](value)) throw new ObjectError(kind, join(at, property), `Property ${property} is invalid`);
  if (typeof value === "string") checkName(kind, value, property, join(at, property));
}

/** Checks the name that the `property` of a definition has or is. */
export function checkName(kind: KindWord, name: string, property: string, at: string): void {
  if (name.length > maxNameLength) {
    throw new ObjectError(kind, at, `Property ${property} is longer than ${maxNameLength} characters`);
  }
  if (!/^\S+$/.test(name)) throw new ObjectError(kind, at, `Property ${property} is invalid`);
}

/** As `need`, but the property may be absent. */
export function allow(kind: KindWord, document: object, property: string, type: PropertyType, at: string): void {
  if ((document as Record<string, unknown>)[property] !== undefined) need(kind, document, property, type, at);
}

/** Checks that what somebody gave is bounded, and an object at all. */
export function needGiven(kind: KindWord, document: unknown, at: string): void {
  within(kind, at, () => checkBounds(document, at || "definition"));
  needDefinition(kind, document, at);
}

/** Checks that a definition is an object at all. */
export function needDefinition(kind: KindWord, document: unknown, at: string): void {
  if (isPlainObject(document)) return;
  throw new ObjectError(kind, at, "An object (a set of key-value pairs) is expected");
}

/** The settings of a route's `retry`, completed. */
export function readRetry(retry: RetryDocument | undefined, at: string): RouteObject["retry"] {
  if (retry !== undefined) within("route", at, () => checkSettings(retrySettings, retry, at));
  const { retry_on = "never", num_retries = 1, timeout = 2000, ...rest } = retry ?? {};
  return { retry_on, num_retries, timeout, ...rest };
}

const policies = ["health_check", "outlier_detection", "circuit_breaker", "local_ratelimit"] as const;

/** Those settings of a cluster that were given; only their values are checked that nobody else reads. */
export function readClusterSettings(document: ClusterDocument, at: string): ClusterSettings {
  within("cluster", at, () => {
    clusterSettings.parse(document as unknown as Record<string, unknown>, at);
    const limit = document.local_ratelimit;
    if (limit !== undefined) parseRateLimit(limit, join(at, "local_ratelimit"));
  });
  const given = [...policies, ...Object.keys(clusterSettings.fields)].flatMap((key) => {
    const value = document[key as keyof ClusterDocument];
    return value === undefined ? [] : [[key, value]];
  });
  return Object.fromEntries(given);
}

/** The settings of a listener's sessions, completed. */
export function readListenerOptions(options: ListenerOptionsDocument = {}, at: string): ListenerOptionsDocument {
  within("listener", at, () => {
    checkSettings(listenerSettings, options, at);
    if (options.local_ratelimit !== undefined) parseRateLimit(options.local_ratelimit, join(at, "local_ratelimit"));
  });
  return { track: 0, ...options };
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
  if (!isPlainObject(match)) throw new ObjectError("rule", at, "Property match is invalid");
  return typeof match.match === "string" && match.op === undefined ? undefined : match;
}

/** What an action says without its route. */
export function readAction(action: ActionDocument, at: string): Omit<RuleObject["action"], "route"> {
  const { rewrite, apply, deny } = action;
  within("rule", join(at, "rewrite"), () => parseRewrites(rewrite, join(at, "rewrite")));
  allow("rule", action, "apply", "name", at);
  if (deny !== undefined) within("rule", join(at, "deny"), () => checkSettings(denySettings, deny, join(at, "deny")));
  return {
    ...(rewrite !== undefined && { rewrite: rewrite.map(({ path, value }) => ({ path, value })) }),
    ...(apply !== undefined && { apply }),
    ...(deny !== undefined && { deny }),
  };
}
