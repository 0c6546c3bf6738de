/**
 * JSON Schemas (2020-12) of everything the API takes and gives: the one source of what strict mode checks and of the
 * OpenAPI document. Properties that are not listed are tolerated.
 */
import { circuitBreakerSchema, healthCheckSchema, outlierDetectionSchema } from "../cluster/cluster_settings.ts";
import { loadBalancerSchema } from "../cluster/load_balancing.ts";
import {
  adminSettings,
  clusterSettings,
  denySettings,
  endPointSettings,
  listenerSettings,
  retrySettings,
  routeSettings,
} from "../config/settings.ts";
import type { Registry } from "../protocol.ts";
import { duration, integer, type ObjectSchema } from "../schema.ts";
import { type JsonSchema, ref, specSchemas } from "./spec_schemas.ts";

export { type JsonSchema, ref };

const text: JsonSchema = { type: "string" };
const flag: JsonSchema = { type: "boolean" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const data: JsonSchema = {};

export const name: JsonSchema = { type: "string", pattern: "^\\S+$" };
const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });
const either = (...schemas: JsonSchema[]): JsonSchema => ({ anyOf: schemas });

function object(properties: Readonly<Record<string, JsonSchema>>, ...required: string[]): JsonSchema {
  return { type: "object", properties, ...(required.length > 0 && { required }) };
}

/** The properties that settings have. */
function of(settings: ObjectSchema): Record<string, JsonSchema> {
  return settings.json().properties as Record<string, JsonSchema>;
}

/** All of them by name, for `components.schemas`. */
export function schemas(registry: Registry): Record<string, JsonSchema> {
  return {
    ...specSchemas(registry),
    ListenerOptions: object({ ...of(listenerSettings), local_ratelimit: ref("RateLimit") }),
    Listener: object(
      {
        name,
        spec: ref("ListenerSpec"),
        rules: either(text, list(either(text, ref("Rule")))),
        options: ref("ListenerOptions"),
      },
      "spec",
      "rules",
    ),
    LoadBalancer: { ...loadBalancerSchema.json(), required: ["policy"] },
    RateLimit: object({
      stat_prefix: text,
      token_bucket: ref("TokenBucket"),
      conditions: list(object({ match: ref("Match"), token_bucket: ref("TokenBucket") }, "match", "token_bucket")),
      per: list({ ...text, description: "Path into the metadata of the session" }),
      max_keys: integer({ min: 1, max: 1_000_000 }).json(),
    }),
    TokenBucket: object(
      {
        max_tokens: integer({ min: 1 }).json(),
        tokens_per_fill: integer({ min: 1 }).json(),
        fill_interval: duration().json(),
      },
      "max_tokens",
      "fill_interval",
    ),
    Cluster: object(
      {
        name,
        spec: ref("ClusterSpec"),
        endpoints: either(list(ref("EndPoint")), { ...count, description: "How many; unless recursive" }),
        loadbalancer: ref("LoadBalancer"),
        health_check: healthCheckSchema.json(),
        outlier_detection: outlierDetectionSchema.json(),
        circuit_breaker: circuitBreakerSchema.json(),
        local_ratelimit: ref("RateLimit"),
        ...of(clusterSettings),
        options: data,
      },
      "spec",
    ),
    EndPoint: object(
      {
        name,
        spec: object({ address: text, port: { type: ["integer", "string"] }, weight: count }, "address"),
        ...of(endPointSettings),
      },
      "spec",
    ),
    RuleList: object({ name, rules: list(either(text, ref("Rule"))) }, "rules"),
    Match: object({ op: text, path: text, value: data, ignore_case: flag, apply: list(ref("Match")) }),
    Rewrite: object({ path: text, value: data }, "path", "value"),
    Rule: object(
      {
        name,
        match: either(ref("Match"), text),
        action: object({
          rewrite: list(ref("Rewrite")),
          route: either(text, ref("Route")),
          apply: text,
          deny: denySettings.json(),
        }),
      },
      "action",
    ),
    Retry: retrySettings.json(),
    Route: {
      ...object({
        name,
        destination: either(text, ref("Cluster")),
        cluster: { ...either(text, ref("Cluster")), deprecated: true, description: "Older name of destination" },
        ingress: list(either(text, ref("Cluster"))),
        egress: list(either(text, ref("Cluster"))),
        retry: ref("Retry"),
        ...of(routeSettings),
      }),
      anyOf: [{ required: ["destination"] }, { required: ["cluster"] }],
    },
    Admin: adminSettings.json(),
    Config: object({
      admin: ref("Admin"),
      clusters: list(named("Cluster")),
      listeners: list(named("Listener")),
      rulelists: list(named("RuleList")),
      rules: list(named("Rule")),
      routes: list(named("Route")),
      endpoints: list(ref("EndPoint")),
      sessions: list(ref("Session")),
    }),
    Stage: object({ origin: text, endpoint: either(ref("EndPoint"), text), listener: data, status: text }, "status"),
    Session: object(
      {
        name: text,
        metadata: { type: "object" },
        source: ref("Stage"),
        destination: ref("Stage"),
        ingress: list(ref("Stage")),
        egress: list(ref("Stage")),
        status: text,
        events: list(object({ event: text, timestamp: text, message: text, content: data })),
      },
      "name",
      "status",
    ),
    SessionChange: object(
      { type: { enum: ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"] }, session: ref("Session") },
      "type",
    ),
    Status: object({ status: { const: 200 }, message: { const: "OK" } }, "status", "message"),
    Error: object({ status: { type: "integer" }, message: text, content: data }, "status", "message"),
  };
}

/** An object that must have a name, as on its own it must; written inline it may go without. */
export function named(kind: string): JsonSchema {
  return { allOf: [ref(kind), { type: "object", required: ["name"] }] };
}
