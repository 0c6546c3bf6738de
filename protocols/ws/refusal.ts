/** Which requests a WebSocket listener refuses, and how it says so. */
import { pathOf } from "../http/admission.ts";
import { type HeaderLine, listOf, type RequestHead } from "../http/head.ts";
import type { Refusal } from "../http/refusal.ts";
import { commaList, type WsSpec } from "./spec.ts";

/** Checks a request against RFC 6455 section 4.2.1 and the listener's settings. Undefined: fine. */
export function judge({ method, target, headers }: RequestHead, spec: WsSpec): Refusal | undefined {
  const refuse = (status: number, reason: string, ...lines: HeaderLine[]) => ({ status, reason, lines, plain: true });
  const upgrade: HeaderLine = ["Upgrade", "websocket"];
  if (spec.path !== undefined && pathOf(target) !== pathOf(spec.path)) {
    return refuse(404, "no WebSocket at this path");
  }
  if (!hasToken(headers["upgrade"], "websocket") || !hasToken(headers["connection"], "upgrade")) {
    const hint = "this is a WebSocket server, and the request asks for no WebSocket";
    return refuse(426, hint, upgrade);
  }
  if (method !== "GET") return refuse(400, "a WebSocket handshake is a GET request");
  if (headers["sec-websocket-version"] !== "13") {
    const hint = "only WebSocket version 13 is spoken here";
    return refuse(426, hint, upgrade, ["Sec-WebSocket-Version", "13"]);
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? "")) {
    return refuse(400, "Sec-WebSocket-Key is missing or malformed");
  }
  if (headers["host"] === undefined) return refuse(400, "the Host header is missing");
  return judgeOrigin(headers["origin"], spec) ?? judgeSubprotocol(headers["sec-websocket-protocol"], spec);
}

/** Only browsers send an Origin, and only pages have to be told apart. */
function judgeOrigin(origin: string | undefined, spec: WsSpec): Refusal | undefined {
  const allowed = commaList(spec.allow_origin).map((name) => name.toLowerCase());
  if (allowed.length === 0 || origin === undefined || allowed.includes(origin.toLowerCase())) return undefined;
  return { status: 403, reason: "pages of this origin are not served (allow-origin)", plain: true };
}

function judgeSubprotocol(offered: string | undefined, spec: WsSpec): Refusal | undefined {
  const ours = commaList(spec.subprotocol);
  if (ours.length === 0 || commaList(offered).some((name) => ours.includes(name))) return undefined;
  return { status: 400, reason: `only subprotocol ${ours.join(" or ")} is spoken here`, plain: true };
}

function hasToken(value: string | undefined, token: string): boolean {
  return listOf(value).includes(token);
}
