/** What programs find in their environment. */
import type { Caller } from "../lib/protocol.ts";
import type { SocketAddress, StreamInfo } from "../lib/stream/stream.ts";
import { tlsVariables } from "./tls/environment.ts";
import type { TlsFacts } from "./tls/handshake.ts";

/** The variables we set, each with both prefixes. */
export function programEnvironment(caller: Caller): Record<string, string> {
  const { downstream, sessionName, program, version } = caller;
  const facts: Record<string, string | undefined> = {
    VERSION: version,
    PID: String(Deno.pid),
    PPID: String(Deno.pid),
    PEERADDR: hostOf(downstream?.remote),
    PEERPORT: portOf(downstream?.remote),
    SOCKADDR: hostOf(downstream?.local),
    SOCKPORT: portOf(downstream?.local),
    SESSION: sessionName,
    ...requestFacts(downstream?.facts),
    ...tlsVariables(downstream?.facts?.tls as TlsFacts | undefined),
  };
  const environment: Record<string, string> = {};
  for (const prefix of new Set(["SOCAT", prefixOf(program)])) {
    for (const [name, value] of Object.entries(facts)) {
      if (value !== undefined) environment[`${prefix}_${name}`] = value;
    }
  }
  return environment;
}

/** What the caller of a WebSocket or HTTP listener asked for. */
function requestFacts(facts: StreamInfo["facts"] = {}): Record<string, string | undefined> {
  const text = (value: unknown) => typeof value === "string" ? value : undefined;
  const headers = (facts.headers ?? {}) as Readonly<Record<string, unknown>>;
  return {
    URI: text(facts.path),
    METHOD: text(facts.method),
    HOST: text(facts.host),
    USERAGENT: text(headers["user-agent"]),
    SUBPROTOCOL: text(facts.subprotocol),
  };
}

/** `l7mp` and `my-relay` as names of variables can have them: `L7MP`, `MY_RELAY`. */
function prefixOf(program: string): string {
  return program.toUpperCase().replace(/[^A-Z0-9_]/g, "_");
}

function hostOf(address: SocketAddress | undefined): string | undefined {
  if (!address) return undefined;
  if (address.family === "unix") return address.path;
  return address.family === "inet6" ? `[${expandIpv6(address.host)}]` : address.host;
}

function portOf(address: SocketAddress | undefined): string | undefined {
  return address && address.family !== "unix" ? String(address.port) : undefined;
}

/** All eight groups with four digits each and no zone, as socat prints them. */
export function expandIpv6(host: string): string {
  const bare = host.replace(/%.*$/, "").replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) => `${(a * 256 + +b).toString(16)}:${(c * 256 + +d).toString(16)}`,
  );
  const [head = "", tail] = bare.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array(missing).fill("0"), ...after].map((group) => group.padStart(4, "0")).join(":");
}
