/** Which requests a WebSocket listener refuses, and how it says so. */
import { ProtocolError } from "../../lib/errors.ts";
import { hasOneHost, isPath, pathOf } from "../http/admission.ts";
import { requestFraming } from "../http/framing.ts";
import { type HeaderLine, listOf, type RequestHead } from "../http/head.ts";
import type { Refusal } from "../http/refusal.ts";
import { isToken } from "../http/token.ts";
import { commaList, type WsSpec } from "./spec.ts";

/** Checks a request against RFC 6455 section 4.2.1 and the listener's settings. Undefined: fine. */
export function judge(head: RequestHead, spec: WsSpec): Refusal | undefined {
  const { method, target, version, headers } = head;
  const bodiless = method === "HEAD";
  const refuse = (status: number, reason: string, ...lines: HeaderLine[]) => {
    return { status, reason, lines, bodiless, plain: true };
  };
  const upgrade: HeaderLine = ["Upgrade", "websocket"];
  if (spec.path !== undefined && pathOf(target) !== pathOf(spec.path)) {
    return refuse(404, "no WebSocket at this path");
  }
  if (!listOf(headers["upgrade"]).includes("websocket") || !listOf(headers["connection"]).includes("upgrade")) {
    const hint = "this is a WebSocket server, and the request asks for no WebSocket";
    return refuse(426, hint, upgrade);
  }
  if (version === "1.0") {
    return refuse(426, "a WebSocket handshake needs HTTP/1.1 (behind nginx: proxy_http_version 1.1)", upgrade);
  }
  if (method !== "GET") return refuse(400, "a WebSocket handshake is a GET request");
  if (headers["sec-websocket-version"] !== "13") {
    const hint = "only WebSocket version 13 is spoken here";
    return refuse(426, hint, upgrade, ["Sec-WebSocket-Version", "13"]);
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
    return refuse(400, "Sec-WebSocket-Key is missing or malformed");
  }
  if (!hasOneHost(head)) return refuse(400, "one valid Host header is needed (RFC 9112 section 3.2)");
  if (!isPath(target)) return refuse(400, "the target is no path (RFC 9112 section 3.2)");
  if (hasBody(head)) return refuse(400, "a WebSocket handshake has no body");
  return judgeOrigin(headers["origin"], spec) ?? judgeSubprotocol(headers["sec-websocket-protocol"], spec);
}

/** Whoever stands before us would take for a body what we take for frames. Also where its length is in doubt. */
function hasBody(head: RequestHead): boolean {
  try {
    const framing = requestFraming(head);
    return framing.kind !== "length" || framing.length > 0;
  } catch (error) {
    if (error instanceof ProtocolError) return true;
    throw error;
  }
}

/** Only browsers send an Origin, and only pages have to be told apart. */
function judgeOrigin(origin: string | undefined, spec: WsSpec): Refusal | undefined {
  const allowed = commaList(spec.allow_origin).map((name) => name.toLowerCase());
  if (allowed.length === 0 || origin === undefined || allowed.includes(origin.toLowerCase())) return undefined;
  return { status: 403, reason: "pages of this origin are not served (allow-origin)", plain: true };
}

function judgeSubprotocol(header: string | undefined, spec: WsSpec): Refusal | undefined {
  const offered = commaList(header);
  const ours = commaList(spec.subprotocol);
  if (!offered.every(isToken)) return { status: 400, reason: "Sec-WebSocket-Protocol is malformed", plain: true };
  if (ours.length === 0 || offered.some((name) => ours.includes(name))) return undefined;
  return { status: 400, reason: `only subprotocol ${ours.join(" or ")} is spoken here`, plain: true };
}
