/**
 * The document: what arguments, files and REST calls produce, and the planner reads. Its form is that of configuration
 * files; `--plan` prints it. Plain data; nothing here is checked yet.
 */

/** Settings of one endpoint or transform: `protocol`, its parameters and options, and `transport` for what lies under. */
export interface SpecDocument {
  protocol: string;
  /** Written where the place would say the other: a connector as address1, a listener as destination. */
  role?: "connect" | "listen";
  transport?: SpecDocument;
  /** Halves of a dual address (`protocol: Dual`). */
  read?: SpecDocument;
  write?: SpecDocument;
  /** A transform used the other way round, in `egress`. */
  reverse?: boolean;
  [setting: string]: unknown;
}

/** Options about the sessions of one listener; times in the document's form (`2s`, or milliseconds). */
export interface SessionDocument {
  linger?: string | number;
  idle_timeout?: string | number;
  block_size?: number;
  max_message?: number;
  direction?: "both" | "ltr" | "rtl";
  one_message?: boolean;
  no_close?: boolean;
  /** Sent once at the start to address2 (`-p`), or to address1 (`-P`). */
  preamble_upstream?: string;
  preamble_downstream?: string;
  /** File that what goes to address2 (`-r`), or to address1 (`-R`), is appended to; may have variables in its name. */
  copy_upstream?: string;
  copy_downstream?: string;
  /** `-v`, `-x`: copy transferred data to stderr. */
  dump?: "text" | "hex" | "both";
}

/** What a listener's `options` may hold: about its sessions, and how many of them there may be. */
export interface ListenerOptionsDocument extends SessionDocument {
  /** Seconds that ended sessions stay visible. */
  track?: number | string;
  /** Sessions at a time; further callers are refused. */
  max_sessions?: number;
  /** Sessions begun, for all callers together; with `per: [/IP/src_addr]` for each value. */
  local_ratelimit?: RateLimitDocument;
}

export interface TokenBucketDocument {
  max_tokens: number;
  tokens_per_fill?: number;
  fill_interval: string | number;
}

/** How many sessions may begin in a time: a bucket of tokens for all, others for those that a condition names. */
export interface RateLimitDocument {
  stat_prefix?: string;
  token_bucket?: TokenBucketDocument;
  conditions?: { match: PredicateDocument; token_bucket: TokenBucketDocument }[];
  /** Metadata paths: one bucket for each combination of their values. */
  per?: string[];
  max_keys?: number;
}

/** Options about the process. */
export interface AdminDocument {
  log_level?: string;
  log_file?: string;
  log_format?: "socat" | "json";
  /** A file, or `-` for stderr. */
  access_log_path?: string;
  access_log_format?: string;
  statistics?: boolean;
  grace?: string | number;
  timeout?: string | number;
  driver?: "auto" | "native" | "portable";
  /** REST requests are validated against the schema. */
  strict?: boolean;
  offload?: string;
  offload_ifs?: string[] | string;
  /** File with the bearer token that lets callers from elsewhere use the REST API. */
  token_file?: string;
  /** Names that callers of the REST API may use in `Host`, beside `localhost` and IP addresses. */
  hosts?: string[];
}

export interface RetryDocument {
  retry_on?: "connect-failure" | "disconnect" | "always" | "never";
  /** -1: for ever. */
  num_retries?: number;
  /** Connect timeout; 0: none. */
  timeout?: string | number;
  interval?: string | number;
  backoff?: string | number;
  /** Attempts after the loss of a connection; -1: for ever. */
  num_reconnects?: number;
  /** What a loss is: `any` end of the connection, or only an `error`. */
  reconnect_on?: "any" | "error";
  /** Bytes kept while the connection is away. */
  buffer?: number | string;
}

export interface LoadBalancerDocument {
  policy: string;
  /** A metadata path. */
  key?: string;
  /** Keeps callers with the same value at this metadata path with the endpoint first chosen for them. */
  sticky?: { key: string; ttl?: string | number; max_keys?: number };
}

/** Attempts at set times to reach each endpoint, and how many decide. */
export interface HealthCheckDocument {
  type?: string;
  interval?: string | number;
  timeout?: string | number;
  unhealthy?: number;
  healthy?: number;
}

/** When an endpoint whose sessions fail is left out, and for how long. */
export interface OutlierDetectionDocument {
  consecutive_errors?: number;
  interval?: string | number;
  base_ejection_time?: string | number;
  max_ejection_time?: string | number;
  max_ejection_percent?: number;
  count?: string[];
}

/** Sessions at a time. */
export interface CircuitBreakerDocument {
  max_connections?: number;
  max_pending?: number;
  max_requests?: number;
  max_retries?: number;
}

export interface EndPointDocument {
  name?: string;
  spec: { address?: string; port?: number | string; weight?: number; [setting: string]: unknown };
  weight?: number;
  /** 0 first; the next only while none before it is healthy. */
  priority?: number;
}

export interface ClusterDocument {
  name?: string;
  spec: SpecDocument;
  /** Absent for a cluster that has no address (Stdio, EXEC); a number in a dump. */
  endpoints?: EndPointDocument[] | number;
  loadbalancer?: LoadBalancerDocument;
  health_check?: HealthCheckDocument;
  outlier_detection?: OutlierDetectionDocument;
  circuit_breaker?: CircuitBreakerDocument;
  local_ratelimit?: RateLimitDocument;
  /** `connect_timeout`, `idle_timeout`, `linger` (after one side ended) of all sessions through it. */
  connect_timeout?: string | number;
  idle_timeout?: string | number;
  linger?: string | number;
  options?: unknown;
  autogenerated?: boolean;
}

export interface RouteDocument {
  name?: string;
  ingress?: (string | ClusterDocument)[];
  egress?: (string | ClusterDocument)[];
  destination: string | ClusterDocument;
  retry?: RetryDocument;
  idle_timeout?: string | number;
  linger?: string | number;
  autogenerated?: boolean;
}

/** A JSON predicate (draft-snell-json-test); a string matches everything. */
export type PredicateDocument = string | { readonly [key: string]: unknown };

export interface DenyDocument {
  status?: number;
  reason?: string;
}

export interface ActionDocument {
  rewrite?: { path: string; value: unknown }[];
  route?: string | RouteDocument;
  /** Name of the rule list to go on in. */
  apply?: string;
  deny?: DenyDocument;
}

export interface RuleDocument {
  name?: string;
  match?: PredicateDocument;
  action: ActionDocument;
  autogenerated?: boolean;
}

export interface RuleListDocument {
  name?: string;
  rules: (string | RuleDocument)[];
  autogenerated?: boolean;
}

export interface ListenerDocument {
  name: string;
  spec: SpecDocument;
  options?: ListenerOptionsDocument;
  rules: string | (string | RuleDocument)[];
}

/** A whole configuration. */
export interface ConfigDocument {
  admin?: AdminDocument;
  listeners?: ListenerDocument[];
  clusters?: ClusterDocument[];
  rulelists?: RuleListDocument[];
  rules?: RuleDocument[];
  routes?: RouteDocument[];
  /** Of a dump: those of `clusters`, each with the name of its `cluster`. */
  endpoints?: (EndPointDocument & { cluster?: string })[];
  /** Of a dump, ignored. */
  sessions?: unknown[];
}

/** What a command line stands for: every listener with one rule, everything inline. The planner reads this form. */
export interface Document {
  admin?: AdminDocument;
  listeners: InlineListener[];
}

export interface InlineListener {
  name: string;
  spec: SpecDocument;
  options?: SessionDocument;
  rules: { action: { route: InlineRoute } }[];
}

export interface InlineRoute {
  ingress?: InlineTransform[];
  egress?: InlineTransform[];
  destination: InlineCluster;
  retry?: RetryDocument;
}

export interface InlineTransform {
  /** Of the cluster it stands for. */
  name?: string;
  spec: SpecDocument;
}

export interface InlineCluster {
  name?: string;
  spec: SpecDocument;
  endpoints?: { spec: Record<string, unknown> }[];
}
