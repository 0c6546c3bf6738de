/** A session's place in a trace (W3C Trace Context, sections 3.2 and 3.4). */
import { isObject } from "./plain_data.ts";

export interface Trace {
  /** What whoever the session calls is told. */
  readonly traceparent: string;
  /** 32 hexadecimal digits; the caller's, where it has a valid one. */
  readonly trace_id: string;
  /** 16 hexadecimal digits: this session. */
  readonly span_id: string;
  /** The caller's span. */
  readonly parent_id?: string;
}

/**
 * The trace that `traceparent`, as the caller sent it, is continued in; without a valid one it is the first of a new
 * trace, which is marked as sampled since logs record it.
 */
export function continueTrace(traceparent: unknown, random: (bytes: Uint8Array) => void = fillRandom): Trace {
  const bytes = new Uint8Array(24);
  do random(bytes); while (isZero(bytes.subarray(0, 16)) || isZero(bytes.subarray(16)));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const span_id = hex.slice(32);
  const caller = parse(traceparent);
  const trace_id = caller?.trace_id ?? hex.slice(0, 32);
  return {
    traceparent: `00-${trace_id}-${span_id}-${caller?.flags ?? "01"}`,
    trace_id,
    span_id,
    ...(caller && { parent_id: caller.parent_id }),
  };
}

/** Puts the trace of a session into its metadata, at `/trace`: continued from the header of an HTTP request. */
export function addTrace(metadata: Record<string, unknown>): Record<string, unknown> {
  if (metadata.trace !== undefined) return metadata;
  const { HTTP: http } = metadata;
  const headers = isObject(http) && isObject(http.headers) ? http.headers : {};
  metadata.trace = continueTrace(headers.traceparent);
  return metadata;
}

/** The trace in `metadata`; undefined where there is none. */
export function traceIn(metadata: Readonly<Record<string, unknown>> | undefined): Trace | undefined {
  const trace = metadata?.trace;
  return isObject(trace) && typeof trace.trace_id === "string" ? trace as unknown as Trace : undefined;
}

/** A later version may say more after a dash; `ff` is none, and all zeros stand for nothing. */
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

function parse(text: unknown) {
  const found = typeof text === "string" ? form.exec(text) : null;
  if (!found) return undefined;
  const [, version, trace_id = "", parent_id = "", flags = "", more] = found;
  if (version === "00" && more !== undefined) return undefined;
  // Sampled, and that the id is random; what the other bits mean we do not know.
  return { trace_id, parent_id, flags: (parseInt(flags, 16) & 3).toString(16).padStart(2, "0") };
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function fillRandom(bytes: Uint8Array): void {
  crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
}
