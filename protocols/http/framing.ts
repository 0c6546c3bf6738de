/** How long a body is (RFC 9112 section 6.3), told from its head. Pure. */
import { ProtocolError } from "../../lib/errors.ts";
import { listOf, type RequestHead, type ResponseHead } from "./head.ts";

/** `close`: the body ends with the connection. `length: 0` where there is none. */
export type Framing = { readonly kind: "length"; readonly length: number } | { readonly kind: "chunked" | "close" };

export const noBody: Framing = { kind: "length", length: 0 };
const chunked: Framing = { kind: "chunked" };

/**
 * The body of a request. Throws `ProtocolError`, code `BAD_REQUEST`, where two readers might disagree: both lengths
 * given, more than one, not a number, chunked in HTTP/1.0; code `NOT_IMPLEMENTED` for a coding that is not chunked.
 */
export function requestFraming({ version, headers }: RequestHead): Framing {
  return transferCoding(version, headers) ?? contentLength(headers) ?? noBody;
}

/** The body of the response to a request with this method. Throws as `requestFraming` does. */
export function responseFraming({ version, status, headers }: ResponseHead, method: string): Framing {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return noBody;
  return transferCoding(version, headers) ?? contentLength(headers) ?? { kind: "close" };
}

function transferCoding(version: string, headers: Readonly<Record<string, string>>): Framing | undefined {
  const written = headers["transfer-encoding"];
  if (written === undefined) return undefined;
  if (headers["content-length"] !== undefined) throw bad("both Transfer-Encoding and Content-Length are given", "6.1");
  if (version === "1.0") throw bad("Transfer-Encoding in HTTP/1.0", "6.1");
  const codings = listOf(written);
  if (codings.at(-1) !== "chunked" || codings.indexOf("chunked") < codings.length - 1) {
    throw bad("the last transfer coding is not chunked, or not the only chunked one", "6.1");
  }
  if (codings.length === 1) return chunked;
  throw new ProtocolError(`transfer coding "${written}" is not known here (RFC 9112 section 7)`, {
    code: "NOT_IMPLEMENTED",
  });
}

function contentLength(headers: Readonly<Record<string, string>>): Framing | undefined {
  const written = headers["content-length"];
  if (written === undefined) return undefined;
  // Repeated ones have been joined by a comma. Fifteen digits are the most that a number holds exactly.
  if (!/^\d{1,15}$/.test(written)) throw bad("Content-Length is not one number", "6.2");
  return { kind: "length", length: Number(written) };
}

function bad(what: string, section: string): ProtocolError {
  return new ProtocolError(`${what} (RFC 9112 section ${section})`, { code: "BAD_REQUEST" });
}

/** Whether the connection may carry another message after this one (RFC 9112 section 9.3). */
export function keepsAlive({ version, headers }: RequestHead | ResponseHead): boolean {
  const options = listOf(headers["connection"]);
  if (options.includes("close")) return false;
  return version === "1.1" || options.includes("keep-alive");
}
