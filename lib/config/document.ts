/**
 * The document: what arguments, files and later REST calls produce, and the planner reads. Its form is that of
 * addresses.md section 3.1. Plain data; nothing here is checked yet.
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
  /** `-v`, `-x`: copy transferred data to stderr. */
  dump?: "text" | "hex" | "both";
}

/** Options about the process. */
export interface AdminDocument {
  log_level?: string;
  log_file?: string;
  log_format?: "socat" | "json";
  /** A file, or `-` for stderr. */
  access_log_path?: string;
  statistics?: boolean;
  grace?: string | number;
  timeout?: string | number;
  driver?: "auto" | "native" | "portable";
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

export interface TransformDocument {
  spec: SpecDocument;
}

export interface ClusterDocument {
  name?: string;
  spec: SpecDocument;
  /** Absent for a cluster that has no address (Stdio, EXEC). */
  endpoints?: { spec: Record<string, unknown> }[];
}

export interface RouteDocument {
  ingress?: TransformDocument[];
  egress?: TransformDocument[];
  destination: ClusterDocument;
  retry?: RetryDocument;
}

export interface ListenerDocument {
  name: string;
  spec: SpecDocument;
  options?: SessionDocument;
  rules: { action: { route: RouteDocument } }[];
}

export interface Document {
  admin?: AdminDocument;
  listeners: ListenerDocument[];
}
