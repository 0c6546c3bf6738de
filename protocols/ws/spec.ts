/** The settings of a WebSocket, either side. */
import { ConfigError } from "../../lib/errors.ts";
import type { AddressType } from "../../lib/protocol.ts";
import * as s from "../../lib/schema.ts";
import { checkRole } from "../_socket_options.ts";
import { headerOption, oneLine, requestFields } from "../http/request_options.ts";
import { isToken } from "../http/token.ts";
import { isSendableCloseCode } from "./close_codes.ts";

const connecting = "connecting";
const listening = "listening";

export const wsSpec = s.object({
  /** Those of what lies under it, which it shares: they make the Host header and the name in messages. */
  address: s.string(),
  port: s.integer({ min: 0, max: 65535 }),
  path: s.string({
    ...oneLine,
    group: "websocket",
    help: "Path and query; a listener answers others with 404",
    example: "/chat",
  }),
  subprotocol: s.string({
    ...oneLine,
    group: "websocket",
    aliases: ["protocol"],
    help: "Subprotocols to offer, or to ask for, with commas between",
    example: "chat",
  }),
  header: headerOption("websocket"),
  origin: s.string({ ...oneLine, group: connecting, help: "Origin header", example: "http://localhost" }),
  ...requestFields,
  allow_origin: s.string({
    group: listening,
    help: "Origins to serve, with commas between; pages from elsewhere get 403",
    example: "http://localhost",
  }),
  text: s.boolean({ group: "websocket", help: "Send text messages" }),
  binary: s.boolean({ group: "websocket", help: "Send binary messages, also from lines" }),
  /** The engine's option: lines go out as text where they are text. */
  lines: s.boolean(),
  null_lines: s.boolean(),
  ping_interval: s.duration({ group: "websocket", help: "Ping after this long without receiving anything" }),
  ping_timeout: s.duration({ group: "websocket", help: "Fail when a ping is not answered within this time (30)" }),
  close_code: s.integer({ min: 1000, max: 4999, group: "websocket", help: "Code of our close frame (1000)" }),
  close_reason: s.string({ group: "websocket", help: "Reason in our close frame, at most 123 bytes" }),
  compress: s.boolean({
    default: false,
    group: "websocket",
    aliases: ["deflate"],
    help: "Offer or accept compression",
  }),
  zero_ok: s.boolean({ default: true, group: "websocket", help: "Deliver empty messages (zero-ok=0: skip them)" }),
  max_message: s.size({ min: 1, group: "websocket", help: "Largest message to accept (default: -B)" }),
  max_frame: s.size({ min: 1, group: "websocket", help: "Largest frame to send; longer messages are cut in frames" }),
});
export type WsSpec = s.SpecOf<typeof wsSpec>;

/** Combinations that make no sense, before anything opens. */
export function checkWsSpec(spec: WsSpec, { role }: { role: AddressType["role"] }): void {
  const name = role === "listen" ? "WS-LISTEN" : "WS";
  checkRole(name, wsSpec.fields, spec, role);
  if (spec.text && spec.binary) throw new ConfigError(`${name}: options "text" and "binary" exclude each other`);
  if (spec.basic_auth !== undefined && spec.basic_auth_file !== undefined) {
    throw new ConfigError(`${name}: options "basic-auth" and "basic-auth-file" exclude each other`);
  }
  if (spec.subprotocol) checkSubprotocols(name, spec.subprotocol);
  for (const origin of commaList(spec.allow_origin)) {
    if (isOrigin.test(origin)) continue;
    const hint = 'is no origin such as "http://localhost:8080"; without the option all are served';
    throw new ConfigError(`${name}: option "allow-origin": "${origin}" ${hint}`);
  }
  if (spec.close_code !== undefined && !isSendableCloseCode(spec.close_code)) {
    throw new ConfigError(`${name}: option "close-code=${spec.close_code}": no close frame may carry this code`);
  }
  if (new TextEncoder().encode(spec.close_reason ?? "").length > 123) {
    throw new ConfigError(`${name}: option "close-reason" is longer than 123 bytes`);
  }
}

/** What a browser sends; `null` where the page has none (RFC 6454 section 7). */
const isOrigin = /^(null|[a-z][a-z0-9+.-]*:\/\/[^\s/?#]+)$/i;

/** A client may not offer one twice (RFC 6455 section 4.1), and a listener that knows none would serve nobody. */
function checkSubprotocols(name: string, text: string): void {
  const list = commaList(text);
  if (list.length > 0 && list.every(isToken) && new Set(list).size === list.length) return;
  throw new ConfigError(`${name}: option "subprotocol": "${text}" is no list of different words`);
}

/** `A,B` as a list. */
export function commaList(text: string | undefined): readonly string[] {
  return (text ?? "").split(",").map((item) => item.trim()).filter((item) => item !== "");
}
