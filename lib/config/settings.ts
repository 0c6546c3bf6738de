/**
 * The settings of a configuration that are neither specs of protocols nor policies of clusters: which keys they have and
 * which values, for the check of files and of what the REST API is sent.
 */
import { ConfigError } from "../errors.ts";
import * as s from "../schema.ts";

/** A time whose bare number counts seconds. */
const track: s.Schema<number> = {
  ...s.duration({ help: "How long ended sessions stay visible; a bare number is seconds" }),
  parse: (value, at) => s.duration().parse(typeof value === "number" ? value * 1000 : value, at),
};

/** `options` of a listener. */
export const listenerSettings = s.object({
  track,
  max_sessions: s.integer({ min: 1, help: "Sessions at a time; further callers are refused" }),
  linger: s.duration({ help: "How long silence is tolerated after one side ended" }),
  idle_timeout: s.duration({ negative: true, help: "End a session after this long without data; negative: never" }),
  block_size: s.size({ min: 1, help: "Largest block of a byte stream" }),
  max_message: s.size({ min: 1, help: "Largest message (default 64M)" }),
  direction: s.choice(["both", "ltr", "rtl"], { help: "Which way data flows" }),
  one_message: s.boolean({ help: "One message each way" }),
  no_close: s.boolean({ help: "Send no WebSocket close frame when the local side ends" }),
  preamble_upstream: s.string({ help: "Sent once at the start to the destination" }),
  preamble_downstream: s.string({ help: "Sent once at the start to the caller" }),
  copy_upstream: s.string({ help: "File that what goes to the destination is appended to, as it is (-r)" }),
  copy_downstream: s.string({ help: "File that what goes to the caller is appended to, as it is (-R)" }),
  dump: s.choice(["text", "hex", "both"], { help: "Copy transferred data to stderr" }),
});

/** `retry` of a route. */
export const retrySettings = s.object({
  retry_on: s.choice(["never", "connect-failure", "disconnect", "always"], { help: "What is tried again (never)" }),
  num_retries: s.attempts({ help: "Further attempts (1); -1: for ever" }),
  timeout: s.duration({ help: "Limit of one attempt, and the wait before the next (2s); 0: none" }),
  interval: s.duration({ help: "The wait before the next attempt, where it is not timeout" }),
  backoff: s.duration({ help: "Double the wait up to this" }),
  num_reconnects: s.attempts({ help: "Attempts after the loss of a connection; -1: for ever" }),
  reconnect_on: s.choice(["any", "error"], { help: "What a loss is" }),
  buffer: s.size({ min: 1, help: "Bytes kept while the connection is away" }),
});

/** Beside the chains of a route. */
export const routeSettings = s.object({
  idle_timeout: s.duration({ negative: true, help: "End a session after this long without data; negative: never" }),
  linger: s.duration({ help: "How long silence is tolerated after one side ended" }),
});

/** Times of a cluster, beside `spec`, `endpoints` and the policies that lib/cluster reads. */
export const clusterSettings = s.object({
  connect_timeout: s.duration({ help: "Limit of one attempt to connect" }),
  idle_timeout: s.duration({ negative: true, help: "End a session after this long without data; negative: never" }),
  linger: s.duration({ help: "How long silence is tolerated after one side ended" }),
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

const logLevels = [
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
  notes: { help: "Kernel offload: not in this version, a warning says so" },
  parse: (value, at) => typeof value === "boolean" ? value : s.choice(["init", "no_init", "disable"]).parse(value, at),
  print: (value) => value,
  json: () => ({ enum: ["init", "no_init", "disable", true, false] }),
};

export const adminSettings = s.object({
  log_level: s.choice(logLevels, { help: "How much is logged (info)" }),
  log_file: s.string({ help: "stdout, stderr, or a file" }),
  log_format: s.choice(["socat", "json"], { help: "Form of log lines (socat)" }),
  access_log_path: s.string({ help: "One line per ended session, to a file, or to stderr (-)" }),
  access_log_format: s.string({ help: "text, json, or a line with {name} of a value and {/path} of metadata (text)" }),
  statistics: s.boolean({ help: "Log packets and bytes at the end" }),
  grace: s.duration({ help: "How long sessions may go on after SIGTERM or SIGINT" }),
  timeout: s.duration({ help: "End the program after this long" }),
  driver: s.choice(["auto", "native", "portable"], { help: "How sockets are opened" }),
  strict: s.boolean({ help: "Validate requests of the API against the schema" }),
  offload,
  offload_ifs: s.list(s.string(), { help: "Interfaces with kernel offload (all): not in this version" }),
  token_file: s.string({ help: "File with the bearer token for callers from elsewhere" }),
  hosts: s.list(s.string(), { help: "Further names for the API in Host" }),
  version: s.string({ help: "In a dump; ignored", hidden: true }),
});

/** Checks what `schema` knows of `value`; `at` is its path. Throws `ConfigError`. */
export function checkSettings(schema: s.ObjectSchema, value: unknown, at: string): void {
  if (!s.isPlainObject(value)) throw new ConfigError(`${at}: ${JSON.stringify(value)} is not an object`);
  schema.parse(value, at);
}
