/** Answers that end a connection: how a caller is told that it is not served. */
import { concat } from "../../lib/stream/concat.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { encodeHead, type HeaderLine } from "./head.ts";
import { after } from "../../lib/stream/timer.ts";

export interface Refusal {
  readonly status: number;
  /** For the body, and for the log. Says nothing about what lies behind the listener. */
  readonly reason: string;
  /** To add to the answer. */
  readonly lines?: readonly HeaderLine[];
  /** The answer to HEAD has no body. */
  readonly bodiless?: boolean;
  /** The body is a line of text, not JSON. */
  readonly plain?: boolean;
}

/** How long a refused caller may go on sending before the connection is dropped. */
const drainMs = 1000;

const phrases: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/** `404 Not Found`; for a code without a phrase of its own, the code and a space (RFC 9112 section 4). */
export function statusText(status: number): string {
  return `${status} ${phrases[status] ?? ""}`;
}

/** Now, as the Date header has it (RFC 9110 section 5.6.7). */
export function httpDate(): string {
  return new Date().toUTCString();
}

/**
 * Answers and ends our half; `lower`, which it owns, is released when the caller has ended too, at most a second later.
 * Resolves when the answer has been handed over. Never rejects, since the caller may be gone already. The answer goes
 * out at once, before this function returns, where nothing stands in the way.
 */
export function refuse(lower: ByteStream, refusal: Refusal, pending?: Promise<unknown>): Promise<void> {
  return leave(lower, pending, encodeRefusal(refusal));
}

/** As `refuse`, with nothing to add to what has been said: the caller can still read it while it is sending. */
export async function leave(lower: ByteStream, pending?: Promise<unknown>, last?: Uint8Array): Promise<void> {
  // Also bounds a caller that does not read the answer.
  const timer = after(drainMs, () => lower.abort());
  try {
    if (last) await lower.write(last);
    await lower.closeWrite();
  } catch {
    // The caller is gone; the error that led here is the one to tell.
  }
  drain(lower, pending).finally(() => {
    timer.stop();
    lower.abort();
  });
}

function encodeRefusal({ status, reason, lines = [], bodiless, plain }: Refusal): Uint8Array {
  const message = statusText(status).slice(4);
  const text = plain ? `${statusText(status)}: ${reason}` : JSON.stringify({ status, message, content: reason });
  const body = new TextEncoder().encode(`${text}\n`);
  const upgrade = lines.some(([name]) => name === "Upgrade") ? ", Upgrade" : "";
  const head = encodeHead(`HTTP/1.1 ${statusText(status)}`, [
    ["Date", httpDate()],
    ...lines,
    ["Connection", `close${upgrade}`],
    ["Content-Type", plain ? "text/plain; charset=utf-8" : "application/json"],
    ["Content-Length", String(body.length)],
  ]);
  return bodiless ? head : concat([head, body]);
}

/** Reads to the end: closing with bytes unread would reset the connection, and the answer with it. */
async function drain(lower: ByteStream, pending: Promise<unknown> | undefined): Promise<void> {
  try {
    await pending;
    while (await lower.read() !== null);
  } catch {
    // As above.
  }
}
