/** Which requests a listener serves, and what it says to the others. Pure. */
import { type L7mpError, LimitError, ProtocolError } from "../../lib/errors.ts";
import { type Framing, requestFraming } from "./framing.ts";
import { listOf, type RequestHead } from "./head.ts";
import type { Refusal } from "./refusal.ts";
import type { HttpSpec } from "./spec.ts";

const served = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** Checks a request against RFC 9110, RFC 9112 and the listener's settings. */
export function admit(
  head: RequestHead,
  spec: HttpSpec,
): { readonly framing: Framing } | { readonly refusal: Refusal } {
  const { method, target, headers } = head;
  const bodiless = method === "HEAD";
  const refuse = (status: number, reason: string, ...lines: Refusal["lines"] & object) => ({
    refusal: { status, reason, lines, bodiless },
  });
  let framing: Framing;
  try {
    framing = requestFraming(head);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { refusal: { ...faultOf(error)!, bodiless } };
  }
  if (!hasOneHost(head)) {
    return refuse(400, "one valid Host header is needed (RFC 9112 section 3.2)");
  }
  const methods = spec.method?.split(",");
  if (methods ? !methods.includes(method) : method === "CONNECT" || method === "TRACE") {
    return refuse(405, "this method is not served here", ["Allow", methods?.join(", ") ?? served]);
  }
  if (!isPath(target) && !(target === "*" && method === "OPTIONS")) {
    return refuse(400, "the target is no path (RFC 9112 section 3.2)");
  }
  if (spec.path !== undefined && pathOf(target) !== pathOf(spec.path)) return refuse(404, "nothing at this path");
  const expected = listOf(headers["expect"]);
  if (expected.some((item) => item !== "100-continue")) return refuse(417, "only 100-continue can be expected");
  if (framing.kind === "length" && framing.length > (spec.max_body ?? Infinity)) {
    return refuse(413, "the body is too large (max-body)");
  }
  return { framing };
}

/** One Host header that may be a host; HTTP/1.0 needs none (RFC 9112 section 3.2). */
export function hasOneHost({ version, headers, lines }: RequestHead): boolean {
  const hosts = lines.filter(([name]) => name.toLowerCase() === "host");
  return hosts.length <= 1 && (hosts.length === 1 || version === "1.0") && validHost.test(headers["host"] ?? "");
}

/** A path, or the whole URL of one: what everything but OPTIONS and CONNECT asks for. */
export function isPath(target: string): boolean {
  return validTarget.test(target);
}

const validHost = /^[A-Za-z0-9\-._~!$&'()*+,;=%:[\]]*$/;
const validTarget = /^(?:\/|https?:\/\/[^/?#])/i;

/** The path of a request's target or of an address, without query. */
export function pathOf(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/, "");
  return path.startsWith("/") ? path : `/${path}`;
}

/** The answer to a fault the caller made; undefined: it is not the caller's. */
export function faultOf(error: unknown): Refusal | undefined {
  if (!(error instanceof ProtocolError) && !(error instanceof LimitError)) return undefined;
  switch (error.code) {
    case "BAD_REQUEST":
      return { status: 400, reason: error.message };
    case "BAD_VERSION":
      return { status: 505, reason: error.message };
    case "NOT_IMPLEMENTED":
      return { status: 501, reason: error.message };
    case "HEAD_TOO_BIG":
      return { status: 431, reason: error.message };
    case "BODY_TOO_BIG":
      return { status: 413, reason: "the body is too large (max-body)" };
    default:
      return undefined;
  }
}

/**
 * The answer where a request cannot be served, or no longer; `undefined`: the time for an answer has run out. Faults that
 * name their status, and mean the caller, are told in their own words; of others nothing is said about what lies behind.
 */
export function unavailable(error: L7mpError | undefined): Refusal {
  const status = error?.status ?? statusOf(error);
  if (error !== undefined && status < 500) return { status, reason: error.message };
  if (error?.code === "STOPPED") return { status, reason: "the server is stopping" };
  if (error instanceof LimitError && error.side !== "upstream") return { status, reason: "too many sessions" };
  return { status, reason: reasons[status] ?? "the request cannot be served" };
}

const reasons: Readonly<Record<number, string>> = {
  502: "the server behind this one cannot be reached",
  503: "no server behind this one is ready",
  504: "the server behind this one does not answer in time",
};

function statusOf(error: L7mpError | undefined): number {
  if (error === undefined || error.code === "ETIMEDOUT") return 504;
  return error.code === "STOPPED" || (error instanceof LimitError && error.side !== "upstream") ? 503 : 502;
}
