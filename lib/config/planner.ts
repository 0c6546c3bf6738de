/** From the document to the plan: names resolved, everything checked, nothing opened. */
import { ConfigError } from "../errors.ts";
import type { Registry } from "../protocol.ts";
import { attempts, duration, size } from "../schema.ts";
import { nameOf } from "./address_printer.ts";
import { checkDocument } from "./check_document.ts";
import type { Document, RetryDocument, SessionDocument } from "./document.ts";
import { half, type ReadListener, readListener } from "./document_reader.ts";
import { planEndpoint } from "./endpoint_planner.ts";
import { completeDocument } from "./framers.ts";
import {
  type Plan,
  type PlannedListener,
  type Reconnect,
  reconnectBufferBytes,
  type Retry,
  type SessionPlan,
} from "./plan.ts";
import { pluginOf } from "./stack.ts";
import { losesBoundaries, planSteps } from "./step_planner.ts";

export interface PlanOptions {
  /** Session options that hold where a listener has none of its own. */
  readonly session?: SessionDocument;
  /** The document came from this file: named in errors, and lost message boundaries are warned of. */
  readonly file?: string;
}

type Direction = SessionPlan["direction"];
/** Said where messages come to a byte stream. */
export const lostBoundaries = "message boundaries are lost; insert LINES, LENGTHPREFIX or JSONENCAP to keep them";

/** Checks `document` and resolves it. Throws `ConfigError`, with the path of what is wrong, for the first fault. */
export function planDocument(document: Document, registry: Registry, options: PlanOptions = {}): Plan {
  try {
    return plan(document, registry, options);
  } catch (error) {
    if (!(error instanceof ConfigError) || options.file === undefined) throw error;
    throw new ConfigError(`${options.file}: ${error.message}`, { code: error.code, cause: error });
  }
}

function plan(document: Document, registry: Registry, options: PlanOptions): Plan {
  checkDocument(document);
  const complete = completeDocument(document, registry);
  const names = new Set<string>();
  let lost = false;
  const listeners = complete.listeners.map((listener, i) => {
    if (typeof listener.name !== "string" || names.has(listener.name)) {
      throw new ConfigError(`listeners[${i}].name: ${JSON.stringify(listener.name)} is not a name of its own`);
    }
    names.add(listener.name);
    const read = readListener(listener, i, registry);
    const planned = planListener(read, registry, options);
    lost ||= planned.lost;
    return planned.listener;
  });
  const level = options.file === undefined ? "notice" : "warn";
  return { listeners, warnings: lost ? [{ level, message: lostBoundaries }] : [] };
}

function planListener(
  read: ReadListener,
  registry: Registry,
  options: PlanOptions,
): { listener: PlannedListener; lost: boolean } {
  const { at, document, route, routeAt, source, target } = read;
  const session = planSession({ ...options.session, ...document.options }, `${at}.options`);
  const { direction } = session;
  let lost = false;
  const chain = (key: "ingress" | "egress") => {
    const [from, to] = key === "ingress" ? [source, target] : [target, source];
    if (direction === (key === "ingress" ? "rtl" : "ltr")) return [];
    const sink = half(to, "write");
    const flow = { chain: route[key] ?? [], from: half(from, "read"), to: sink, registry, at: `${routeAt}.${key}` };
    const planned = planSteps(flow);
    lost ||= losesBoundaries(flow, planned);
    return planned.steps;
  };
  checkLogger(read);
  const retry = planRetry(route.retry, `${routeAt}.retry`);
  if (retry.reconnect && half(target, "write").levels[0].settings.foreachmsg === true) {
    throw new ConfigError(`${nameOf(target)}: options "foreachmsg" and "reconnect" exclude each other`);
  }
  const listener = {
    name: document.name,
    endpoint: planEndpoint(source, "listener", asSource[direction], registry),
    session,
    ingress: chain("ingress"),
    egress: chain("egress"),
    target: planEndpoint(target, "destination", asTarget[direction], registry),
    retry,
  };
  return { listener, lost };
}

/** How address1 and address2 are used in sessions of a direction. */
export const asSource = { both: "both", ltr: "read", rtl: "write" } as const;
export const asTarget = { both: "both", ltr: "write", rtl: "read" } as const;

/** LOGGER's default in files is standard output, which belongs to the payload where an address uses it. */
function checkLogger({ route, source, target }: ReadListener): void {
  const usesStdout = [source, target].some((address) => pluginOf(half(address, "write").levels[0]).name === "Stdio");
  for (const { spec } of usesStdout ? [...route.ingress ?? [], ...route.egress ?? []] : []) {
    if (spec.protocol !== "Logger" || (spec.log_file ?? "-") !== "-") continue;
    throw new ConfigError("LOGGER: cannot write to standard output, which an address uses; give it a file, or stderr");
  }
}

const times = duration();
const limits = duration({ negative: true });
const sizes = size({ min: 1 });

/** What a listener's options say about its sessions; `at` is their path. Throws `ConfigError`. */
export function planSession(options: SessionDocument, at: string): SessionPlan {
  const { linger, idle_timeout, block_size, max_message, direction = "both", one_message = false, dump } = options;
  const { no_close, preamble_upstream, preamble_downstream, copy_upstream, copy_downstream } = options;
  oneOf(direction, ["both", "ltr", "rtl"], `${at}.direction`);
  if (dump !== undefined) oneOf(dump, ["text", "hex", "both"], `${at}.dump`);
  const idle = idle_timeout === undefined ? undefined : limits.parse(idle_timeout, `${at}.idle_timeout`);
  return {
    ...(linger !== undefined && { lingerMs: times.parse(linger, `${at}.linger`) }),
    ...(idle !== undefined && { idleTimeoutMs: idle }),
    ...(block_size !== undefined && { blockBytes: sizes.parse(block_size, `${at}.block_size`) }),
    maxMessageBytes: sizes.parse(max_message ?? "64M", `${at}.max_message`),
    direction: direction as Direction,
    oneMessage: one_message,
    ...(no_close && { noClose: true }),
    ...(dump && { dump }),
    ...(preamble_upstream !== undefined && { preambleUpstream: preamble_upstream }),
    ...(preamble_downstream !== undefined && { preambleDownstream: preamble_downstream }),
    ...(copy_upstream !== undefined && { copyUpstream: copy_upstream }),
    ...(copy_downstream !== undefined && { copyDownstream: copy_downstream }),
  };
}

function oneOf(value: unknown, allowed: readonly string[], at: string): void {
  if (allowed.includes(value as string)) return;
  throw new ConfigError(`${at}: ${JSON.stringify(value)} is not one of ${allowed.join(", ")}`);
}

/** A route's `retry`; absent: one attempt without a limit. Throws `ConfigError`. */
export function planRetry(retry: RetryDocument | undefined, at: string): Retry {
  if (!retry) return { count: 0, intervalMs: 1000, timeoutMs: 0 };
  const { retry_on = "never", num_retries = 1, timeout = 0, interval = timeout, backoff } = retry;
  oneOf(retry_on, ["connect-failure", "disconnect", "always", "never"], `${at}.retry_on`);
  if (!Number.isInteger(num_retries) || num_retries < -1) {
    throw new ConfigError(`${at}.num_retries: ${JSON.stringify(num_retries)} is not a count, or -1 for ever`);
  }
  const never = retry_on === "never" || retry_on === "disconnect";
  return {
    count: never ? 0 : num_retries === -1 ? Infinity : num_retries,
    intervalMs: times.parse(interval, `${at}.interval`),
    ...(backoff !== undefined && { backoffMs: times.parse(backoff, `${at}.backoff`) }),
    timeoutMs: times.parse(timeout, `${at}.timeout`),
    ...(retry_on === "always" || retry_on === "disconnect" ? { reconnect: planReconnect(retry, at) } : {}),
  };
}

const counts = attempts();

/** Without a count of its own, at least one attempt and as many as for connecting. */
function planReconnect(
  { num_retries = 1, num_reconnects, reconnect_on, interval, buffer }: RetryDocument,
  at: string,
): Reconnect {
  if (reconnect_on !== undefined) oneOf(reconnect_on, ["any", "error"], `${at}.reconnect_on`);
  return {
    count: counts.parse(num_reconnects ?? (num_retries === -1 ? -1 : Math.max(1, num_retries)), `${at}.num_reconnects`),
    on: reconnect_on ?? "any",
    ...(interval === undefined && { atOnce: true }),
    bufferBytes: sizes.parse(buffer ?? reconnectBufferBytes, `${at}.buffer`),
  };
}
