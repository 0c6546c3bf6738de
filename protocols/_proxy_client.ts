/** What the clients of HTTP and SOCKS proxies have in common. */
import { ConfigError, ConnectError } from "../lib/errors.ts";
import type { AddressType, Context } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { afterHandshake } from "../lib/stream/peek.ts";
import { parseIp } from "../lib/stream/net_range.ts";
import type { ByteStream, Stream } from "../lib/stream/stream.ts";
import { converse, type Dialogue } from "./_dialogue.ts";

/** A proxy has this long to say that it is connected, or why not; `connect-timeout` may be shorter. */
const handshakeMs = 120_000;

/** Settings of every client: the destination, as it was written. */
export const destinationFields = {
  address: s.string(),
  port: s.integer({ min: 0, max: 65535 }),
};

/** What every client's spec holds once it is planned. */
export interface ProxySpec {
  readonly address?: string;
  readonly port?: number;
  /** Name of the proxy, from the planner. */
  readonly proxy?: string;
}

/** Refuses a spec without a destination, or with one that is no host. */
export function checkDestination(name: string, { address, port }: ProxySpec, role: AddressType["role"]): void {
  if (role === "listen") throw new ConfigError(`${name}: cannot listen`);
  if (!address) throw new ConfigError(`${name}: address is missing`);
  if (port === undefined) throw new ConfigError(`${name}: port is missing`);
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x20\x7f@/?#[\]]/.test(address) || (address.includes(":") && !parseIp(address))) {
    throw new ConfigError(`${name}: ${JSON.stringify(address)} is not a host`);
  }
}

/** `host:port`, IPv6 in brackets. */
export function printTarget(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The destination to ask for: as written, or with `resolve` its address of this IP version (0: the preferred one). */
export async function targetHost(
  { address = "" }: ProxySpec,
  resolve: boolean | undefined,
  version: 4 | 0,
  context: Context,
): Promise<string> {
  if (!resolve || parseIp(address)) return address;
  const found = (await context.driver.resolve(address, version, context.signal)).filter((a) => a.family !== "unix");
  const preferred = found.find((a) => a.family === (context.ipVersion === 6 ? "inet6" : "inet"));
  const chosen = preferred ?? found[0];
  if (!chosen) throw new ConnectError(`getaddrinfo("${address}"): No address associated with hostname`);
  return chosen.host;
}

/**
 * Has the proxy at the other end of `lower`, which it owns, connect to `spec`'s destination. `kind` names the proxy in
 * messages. Rejects with an error of ours, or the signal's reason.
 */
export async function throughProxy(
  lower: Stream,
  spec: ProxySpec,
  kind: "proxy" | "socks4" | "socks5",
  dialogue: () => Promise<Dialogue<void>>,
  context: Context,
): Promise<ByteStream> {
  if (lower.kind !== "byte") {
    lower.abort();
    throw new ConfigError(`${kind} needs a byte stream, and ${lower.info.name} is not one`);
  }
  const name = `${kind} ${spec.proxy ?? lower.info.name}`;
  const target = printTarget(spec.address ?? "", spec.port ?? 0);
  const { log, signal } = context;
  let asked: Dialogue<void>;
  try {
    asked = await dialogue();
  } catch (error) {
    lower.abort();
    throw error;
  }
  log.notice("proxy.open", `asking ${name} for a connection to ${target}`);
  const { rest } = await converse(lower, asked, { name, signal, limitMs: handshakeMs, awaited: "answer" });
  log.notice("proxy.done", `${name} connected to ${target}`);
  const { protocol, local, halfCloses } = lower.info;
  // The address of the proxy is not that of the peer, which only the proxy knows.
  return afterHandshake(lower, rest, { protocol, name: `${target} via ${name}`, local, halfCloses });
}
