/**
 * The settings of a configuration that are not specs of protocols: what keys they have and which values. One schema
 * value each, for the check of files, of what the REST API is sent, and for its description.
 */
import { ConfigError } from "../errors.ts";
import * as s from "../schema.ts";

/** An object inside of a setting; `required` names the keys it cannot do without. Unknown keys are not looked at. */
function nested(schema: s.ObjectSchema, required: readonly string[] = []): s.Schema<Record<string, unknown>> {
  return {
    type: "object",
    notes: {},
    parse(value, at) {
      if (!isObject(value)) throw new ConfigError(`${at}: ${JSON.stringify(value)} is not an object`);
      for (const key of required) if (value[key] === undefined) throw new ConfigError(`${at}.${key}: is missing`);
      return schema.parse(value, at);
    },
    fromText: (_text, at) => {
      throw new ConfigError(`${at}: cannot be written on the command line`);
    },
    print: (value) => value,
    json: () => ({ ...schema.json(), ...(required.length > 0 && { required: [...required] }) }),
  };
}

/** A list and nothing else: where one value alone is no list of one. */
function listOf<T>(item: s.Schema<T>): s.Schema<readonly T[]> {
  const list = s.list(item);
  return {
    ...list,
    parse(value, at) {
      if (!Array.isArray(value)) throw new ConfigError(`${at}: ${JSON.stringify(value)} is not a list`);
      return list.parse(value, at);
    },
  };
}

/** A JSON predicate; what it says is checked where it is compiled. */
const predicate: s.Schema<unknown> = {
  type: "predicate",
  notes: {},
  parse(value, at) {
    if (typeof value === "string" || isObject(value)) return value;
    throw new ConfigError(`${at}: ${JSON.stringify(value)} is not a predicate`);
  },
  fromText: (text) => text,
  print: (value) => value,
  json: () => ({ type: ["object", "string"] }),
};

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Seconds where a number is written, else a time with its unit. */
const track: s.Schema<number> = {
  ...s.duration(),
  notes: { help: "How long ended sessions stay visible; a bare number is seconds" },
  parse(value, at) {
    const ms = typeof value === "number" ? value * 1000 : typeof value === "string" ? s.readDuration(value, 1000) : NaN;
    if (ms !== undefined && ms >= 0) return ms;
    throw new ConfigError(`${at}: ${JSON.stringify(value)} is not a time such as 30 (seconds) or 2m`);
  },
};

const bucket = s.object({
  max_tokens: s.integer({ min: 1, help: "Size of the bucket, which is full at the start" }),
  tokens_per_fill: s.integer({ min: 1, help: "Tokens added every interval (default 1)" }),
  fill_interval: {
    ...s.duration({ help: "At least 50 ms" }),
    parse(value: unknown, at: string) {
      const ms = s.duration().parse(value, at);
      if (ms >= 50) return ms;
      throw new ConfigError(`${at}: ${JSON.stringify(value)} is not a time of at least 50ms`);
    },
  },
});
const tokenBucket = nested(bucket, ["max_tokens", "fill_interval"]);
const condition = s.object({ match: predicate, token_bucket: tokenBucket });

export const rateLimitSettings = s.object({
  stat_prefix: s.string({ help: "Name for metrics" }),
  token_bucket: tokenBucket,
  conditions: listOf(nested(condition, ["match", "token_bucket"])),
  per: listOf(s.string()),
  max_keys: s.integer({ min: 1, help: "Most buckets kept with per (default 10000)" }),
});

const rateLimit: s.Schema<Record<string, unknown>> = {
  ...nested(rateLimitSettings),
  parse(value, at) {
    const result = nested(rateLimitSettings).parse(value, at);
    if (result.token_bucket || result.conditions) return result;
    throw new ConfigError(`${at}: has neither token_bucket nor conditions`);
  },
};

/** `options` of a listener. */
export const listenerSettings = s.object({
  track,
  max_sessions: s.integer({ min: 1, help: "Sessions at a time; further callers are refused" }),
  local_ratelimit: rateLimit,
  linger: s.duration({ help: "How long silence is tolerated after one side ended" }),
  idle_timeout: s.duration({ negative: true, help: "End a session after this long without data; negative: never" }),
  block_size: s.size({ min: 1, help: "Largest block of a byte stream" }),
  max_message: s.size({ min: 1, help: "Largest message (default 64M)" }),
  direction: s.choice(["both", "ltr", "rtl"], { help: "Which way data flows" }),
  one_message: s.boolean({ help: "One message each way" }),
  no_close: s.boolean({ help: "Send no WebSocket close frame when the local side ends" }),
  preamble_upstream: s.string({ help: "Sent once at the start to the destination" }),
  preamble_downstream: s.string({ help: "Sent once at the start to the caller" }),
  dump: s.choice(["text", "hex", "both"], { help: "Copy transferred data to stderr" }),
});

/** `retry` of a route. */
export const retrySettings = s.object({
  retry_on: s.choice(["never", "connect-failure", "disconnect", "always"]),
  num_retries: s.attempts({ help: "Further attempts; -1: for ever" }),
  timeout: s.duration({ help: "Limit of one attempt, and the wait before the next; 0: none" }),
  interval: s.duration({ help: "The wait before the next attempt, where it is not timeout" }),
  backoff: s.duration({ help: "Double the wait up to this" }),
  num_reconnects: s.attempts({ help: "Attempts after the loss of a connection; -1: for ever" }),
  reconnect_on: s.choice(["any", "error"], { help: "What a loss is" }),
  buffer: s.size({ min: 1, help: "Bytes kept while the connection is away" }),
});

/** Beside the chains of a route. */
export const routeSettings = s.object({
  idle_timeout: s.duration({ negative: true }),
  linger: s.duration(),
});

const sticky = s.object({
  key: s.string({ help: "A metadata path" }),
  ttl: s.duration(),
  max_keys: s.integer({ min: 1 }),
});

export const balancerPolicies = [
  "Trivial",
  "RoundRobin",
  "Random",
  "LeastRequest",
  "HashRing",
  "ConsistentHash",
  "None",
] as const;

/** `loadbalancer` of a cluster. */
export const balancerSettings = s.object({
  policy: s.choice(balancerPolicies),
  key: s.string({ help: "A metadata path, for HashRing" }),
  sticky: nested(sticky, ["key"]),
});

const percent = s.integer({ min: 0, max: 100 });

/** Beside `spec`, `endpoints` and `loadbalancer` of a cluster. */
export const clusterSettings = s.object({
  health_check: nested(s.object({
    type: s.string({ help: "tcp" }),
    interval: s.duration(),
    timeout: s.duration(),
    unhealthy: s.integer({ min: 1, help: "Failures in a row" }),
    healthy: s.integer({ min: 1, help: "Successes in a row" }),
  })),
  outlier_detection: nested(s.object({
    consecutive_errors: s.integer({ min: 1 }),
    interval: s.duration(),
    base_ejection_time: s.duration(),
    max_ejection_time: s.duration(),
    max_ejection_percent: percent,
    count: listOf(s.choice(["connect", "reset", "timeout", "error"])),
  })),
  circuit_breaker: nested(s.object({
    max_connections: s.integer({ min: 1 }),
    max_pending: s.integer({ min: 1 }),
    max_requests: s.integer({ min: 1 }),
    max_retries: s.integer({ min: 0 }),
  })),
  local_ratelimit: rateLimit,
  connect_timeout: s.duration(),
  idle_timeout: s.duration({ negative: true }),
  linger: s.duration(),
});

/** Beside `name` and `spec` of an endpoint. */
export const endPointSettings = s.object({
  weight: s.integer({ min: 0, help: "Share of the sessions (default 1)" }),
  priority: s.integer({ min: 0, help: "0 first; the next only while none before it is healthy" }),
});

/** `deny` of an action. */
export const denySettings = s.object({
  status: s.integer({ min: 400, max: 599, help: "As HTTP numbers faults (default 403)" }),
  reason: s.string({ help: "Told to the caller" }),
});

export const logLevels = [
  "silly",
  "verbose",
  "http",
  "timing",
  "debug",
  "info",
  "notice",
  "warn",
  "warning",
  "error",
  "silent",
] as const;

const offload: s.Schema<string | boolean> = {
  ...s.choice(["init", "no_init", "disable"]),
  notes: { help: "Kernel offload" },
  parse: (value, at) => typeof value === "boolean" ? value : s.choice(["init", "no_init", "disable"]).parse(value, at),
  print: (value) => value,
  json: () => ({ enum: ["init", "no_init", "disable", true, false] }),
};

export const adminSettings = s.object({
  log_level: s.choice(logLevels),
  log_file: s.string({ help: "stdout, stderr, or a file" }),
  log_format: s.choice(["socat", "json"]),
  access_log_path: s.string({ help: "A file, or - for stderr" }),
  access_log_format: s.string(),
  statistics: s.boolean(),
  grace: s.duration(),
  timeout: s.duration(),
  driver: s.choice(["auto", "native", "portable"]),
  strict: s.boolean({ help: "Validate requests against the schema" }),
  offload,
  offload_ifs: s.list(s.string()),
  token_file: s.string({ help: "File with the bearer token for callers from elsewhere" }),
  hosts: s.list(s.string(), { help: "Further names for the API in Host" }),
  version: s.string({ help: "In a dump; ignored" }),
});

/** Checks what `schema` knows of `value`; `at` is its path. Throws `ConfigError`. */
export function checkSettings(schema: s.ObjectSchema, value: unknown, at: string): void {
  if (!isObject(value)) throw new ConfigError(`${at}: ${JSON.stringify(value)} is not an object`);
  schema.parse(value, at);
}
