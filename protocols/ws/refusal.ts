/** Which requests a WebSocket listener refuses, and how it says so. */
import type { ByteStream } from "../../lib/stream/stream.ts";
import type { RequestHead } from "../http/head.ts";
import { commaList, type WsSpec } from "./spec.ts";

export interface Refusal {
  /** `404 Not Found`. */
  readonly status: string;
  /** For the body, and for the log. */
  readonly reason: string;
  /** Lines to add to the answer. */
  readonly headers: readonly string[];
}

/** How long a refused caller may go on sending before the connection is dropped. */
const drainMs = 1000;

/** Checks a request against RFC 6455 section 4.2.1 and the listener's settings. Undefined: fine. */
export function judge({ method, target, headers }: RequestHead, spec: WsSpec): Refusal | undefined {
  const refuse = (status: string, reason: string, ...headers: string[]) => ({ status, reason, headers });
  if (spec.path !== undefined && pathOf(target) !== pathOf(spec.path)) {
    return refuse("404 Not Found", "no WebSocket at this path");
  }
  if (!hasToken(headers["upgrade"], "websocket") || !hasToken(headers["connection"], "upgrade")) {
    const hint = "this is a WebSocket server, and the request asks for no WebSocket";
    return refuse("426 Upgrade Required", hint, "Upgrade: websocket");
  }
  if (method !== "GET") return refuse("400 Bad Request", "a WebSocket handshake is a GET request");
  if (headers["sec-websocket-version"] !== "13") {
    const hint = "only WebSocket version 13 is spoken here";
    return refuse("426 Upgrade Required", hint, "Upgrade: websocket", "Sec-WebSocket-Version: 13");
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
    return refuse("400 Bad Request", "Sec-WebSocket-Key is missing or malformed");
  }
  if (headers["host"] === undefined) return refuse("400 Bad Request", "the Host header is missing");
  return judgeOrigin(headers["origin"], spec) ?? judgeSubprotocol(headers["sec-websocket-protocol"], spec);
}

/** Only browsers send an Origin, and only pages have to be told apart. */
function judgeOrigin(origin: string | undefined, spec: WsSpec): Refusal | undefined {
  const allowed = commaList(spec.allow_origin).map((name) => name.toLowerCase());
  if (allowed.length === 0 || origin === undefined || allowed.includes(origin.toLowerCase())) return undefined;
  return { status: "403 Forbidden", reason: "pages of this origin are not served (allow-origin)", headers: [] };
}

function judgeSubprotocol(offered: string | undefined, spec: WsSpec): Refusal | undefined {
  const ours = commaList(spec.subprotocol);
  if (ours.length === 0 || commaList(offered).some((name) => ours.includes(name))) return undefined;
  return { status: "400 Bad Request", reason: `only subprotocol ${ours.join(" or ")} is spoken here`, headers: [] };
}

function pathOf(target: string): string {
  const path = target.replace(/^http:\/\/[^/?]*/i, "").replace(/[?#].*$/, "");
  return path.startsWith("/") ? path : `/${path}`;
}

function hasToken(value: string | undefined, token: string): boolean {
  return commaList(value).some((item) => item.toLowerCase() === token);
}

/**
 * Answers in HTTP and ends our half. `lower` is released when the caller has ended too, at most a second later; nobody
 * has to wait for that. Never rejects, since the caller may be gone already.
 */
export async function writeRefusal(lower: ByteStream, { status, reason, headers }: Refusal): Promise<void> {
  const body = `${status}: ${reason}\n`;
  const lines = [
    `HTTP/1.1 ${status}`,
    ...headers,
    `Connection: ${headers.length > 0 ? "close, Upgrade" : "close"}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${new TextEncoder().encode(body).length}`,
  ];
  // Also bounds a caller that does not read the answer.
  const timer = setTimeout(() => lower.abort(), drainMs);
  try {
    await lower.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n${body}`));
    await lower.closeWrite();
  } catch {
    // The caller is gone; the error that led here is the one to tell.
  }
  drain(lower).finally(() => {
    clearTimeout(timer);
    lower.abort();
  });
}

/** Reads to the end: closing with bytes unread would reset the connection, and the answer with it. */
async function drain(lower: ByteStream): Promise<void> {
  try {
    while (await lower.read() !== null);
  } catch {
    // As above.
  }
}
