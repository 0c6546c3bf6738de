/** The settings of HTTP, either side. */
import { ConfigError } from "../../lib/errors.ts";
import type { AddressType } from "../../lib/protocol.ts";
import * as s from "../../lib/schema.ts";
import { checkRole } from "../_socket_options.ts";
import { headerOption, oneLine, requestFields } from "./request_options.ts";

const token = { pattern: /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, expected: "one word" };

const http = "http";
const connecting = "connecting";
const listening = "listening";

export const httpSpec = s.object({
  /** Those of what lies under it, which it shares: they make the Host header and the name in messages. */
  address: s.string(),
  port: s.integer({ min: 0, max: 65535 }),
  path: s.string({
    ...oneLine,
    group: http,
    help: "Path and query; a listener answers others with 404; before the path of a request that is passed on",
    example: "/file",
  }),
  header: headerOption(http),
  method: s.string({
    pattern: /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:,[!#$%&'*+\-.^_`|~0-9A-Za-z]+)*$/,
    expected: "a method",
    group: http,
    help:
      "Method of the request (GET where nothing is sent, else POST); of a listener: those served, with commas between",
    example: "PUT",
  }),
  content_type: s.string({
    ...oneLine,
    group: http,
    help: "Content-Type of what is sent",
    example: "text/plain",
  }),
  ...requestFields,
  keep_host: s.boolean({
    group: connecting,
    help: "Pass on the Host header of the caller of an HTTP listener (keep-host=0: send the address)",
  }),
  forwarded: s.choice(["append", "set", "off"], {
    group: connecting,
    help: "X-Forwarded-For, -Proto and -Host of a request that is passed on: add to what the caller says (append), " +
      "replace it (set), or leave all as it is",
    example: "set",
  }),
  fail: s.boolean({
    group: connecting,
    help: "Status 400 and above is an error (fail=0: it is not; nor is it where the answer is passed on)",
  }),
  status: s.integer({ min: 200, max: 599, group: listening, help: "Status of the answer (200)" }),
  max_body: s.size({ min: 0, group: listening, help: "Largest request body, in bytes; beyond it the answer is 413" }),
  keepalive_timeout: s.duration({
    group: listening,
    help: "How long a connection may wait for its next request (15; 0: one request each)",
  }),
});
export type HttpSpec = s.SpecOf<typeof httpSpec>;

/** The framing of messages is the program's own: given by hand it would cut or merge them. */
const ownHeaders = ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer", "te"];

/** Combinations that make no sense, before anything opens. */
export function checkHttpSpec(spec: HttpSpec, { role }: { role: AddressType["role"] }): void {
  const name = role === "listen" ? "HTTP-LISTEN" : "HTTP";
  checkRole(name, httpSpec.fields, spec, role);
  if (spec.basic_auth !== undefined && spec.basic_auth_file !== undefined) {
    throw new ConfigError(`${name}: options "basic-auth" and "basic-auth-file" exclude each other`);
  }
  if (role !== "listen" && spec.method !== undefined && !token.pattern.test(spec.method)) {
    throw new ConfigError(`${name}: option "method=${spec.method}": a request has one method`);
  }
  if (role !== "listen" && spec.method === "CONNECT") {
    throw new ConfigError(`${name}: option "method=CONNECT": use PROXY, or via=http://...`);
  }
  checkHeaders(spec.header ?? [], `${name}: option "header"`);
}

/** Refuses header lines that would contradict the framing of the message; `what` begins the error. */
export function checkHeaders(lines: readonly string[], what: string): void {
  for (const line of lines) {
    const header = line.slice(0, line.indexOf(":")).toLowerCase();
    if (ownHeaders.includes(header)) throw new ConfigError(`${what}: ${header} is l7mp's own to set`);
  }
}
