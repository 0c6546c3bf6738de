/** From an IP endpoint's settings to socket addresses: names resolved, versions in order, local ends filled in. */
import { ConnectError, L7mpError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Context } from "../lib/protocol.ts";
import { parseIp } from "../lib/stream/net_range.ts";
import type { IpAddress, SocketAddress } from "../lib/stream/stream.ts";
import type { Bind } from "./_ip_options.ts";

type Family = IpAddress["family"];

/** The ports that BSD's `rresvport` gives: those below belong to servers. */
const [firstLowPort, lastLowPort] = [640, 1023];

export interface IpSpec {
  readonly address?: string;
  readonly port?: number;
  readonly pf?: "ip4" | "ip6";
  readonly bind?: Bind;
  readonly ipv6_v6only?: boolean;
}

/** The address that receives on every interface, or lets the system choose the local end. */
export function anyAddress(family: Family, port: number): IpAddress {
  return { family, host: family === "inet" ? "0.0.0.0" : "::", port };
}

/** Whether both name the same end; IPv6 addresses may be spelled differently. */
export function sameIpAddress(a: SocketAddress, b: SocketAddress): boolean {
  if (a.family === "unix" || b.family === "unix" || a.family !== b.family || a.port !== b.port) return false;
  return a.host === b.host || String(parseIp(a.host)) === String(parseIp(b.host));
}

/**
 * The addresses to try for a connector, in order: with `pf` (or a literal `bind`) only that version, otherwise all,
 * the preferred version first. Never empty.
 */
export async function remoteAddresses(spec: IpSpec, context: Context): Promise<readonly IpAddress[]> {
  const boundTo = spec.bind?.host === undefined ? undefined : literal(spec.bind.host)?.family;
  const only = spec.pf === "ip4" ? "inet" : spec.pf === "ip6" ? "inet6" : boundTo;
  const found = await resolve(spec.address ?? "", spec.port ?? 0, only, context);
  if (context.ipVersion === 0) return found;
  const preferred: Family = context.ipVersion === 4 ? "inet" : "inet6";
  return [...found.filter((a) => a.family === preferred), ...found.filter((a) => a.family !== preferred)];
}

/** What a connector's local port is to be: one number, or any that only privileged programs can have. */
export interface LocalPort {
  readonly sourceport?: number;
  readonly lowport?: boolean;
}

/**
 * Opens a connector from the local end that `bind` and `port` ask for, undefined when they ask for none. With `lowport`
 * that is a free port, so `open` may be called for many. Rejects as the last `open` does.
 */
export async function openFrom<T>(
  spec: IpSpec,
  { sourceport, lowport }: LocalPort,
  family: Family,
  context: Context,
  open: (local: IpAddress | undefined) => Promise<T>,
): Promise<T> {
  const local = await localAddress(spec, sourceport, family, context);
  if (!lowport) return await open(local);
  const count = lastLowPort - firstLowPort + 1;
  // Begun anywhere, so that programs that start together seldom want the same.
  const start = Math.floor(Math.random() * count);
  for (let tried = 1;; tried++) {
    try {
      return await open({ ...local ?? anyAddress(family, 0), port: firstLowPort + (start + tried) % count });
    } catch (error) {
      if (!isPortTaken(error)) throw error;
      if (tried < count) continue;
      const { code } = error;
      const text = `${error.message}; so is every port from ${firstLowPort} to ${lastLowPort} (lowport)`;
      throw new ConnectError(text, { code, cause: error });
    }
  }
}

/** With `reuseaddr` it is the connect that fails: an earlier connection between the same two ends lingers. */
function isPortTaken(error: unknown): error is ConnectError {
  if (!(error instanceof ConnectError)) return false;
  return error.code === "EADDRINUSE" || (error.code === "EADDRNOTAVAIL" && error.message.startsWith("connect("));
}

/** The local end that `bind` and `localPort` ask for, of the remote end's version; undefined when they ask for none. */
export async function localAddress(
  spec: IpSpec,
  localPort: number | undefined,
  family: Family,
  context: Context,
): Promise<IpAddress | undefined> {
  const port = spec.bind?.port ?? localPort ?? 0;
  if (spec.bind?.host === undefined) return port === 0 ? undefined : anyAddress(family, port);
  return (await resolve(spec.bind.host, port, family, context))[0];
}

/**
 * Opens the local end a listener or receiver asks for. Without a host it is all interfaces: IPv4, IPv6, or both where
 * no version is preferred and the system and the driver can; `open` then gets `v6only: false`.
 */
export async function openLocal<T>(
  spec: IpSpec,
  context: Context,
  open: (local: IpAddress, options: { v6only?: boolean }) => Promise<T>,
): Promise<T> {
  const host = spec.address ?? spec.bind?.host;
  const port = spec.port ?? spec.bind?.port ?? 0;
  const version = spec.pf === "ip4" ? 4 : spec.pf === "ip6" ? 6 : context.ipVersion;
  if (host !== undefined) {
    const only = spec.pf === "ip4" ? "inet" : spec.pf === "ip6" ? "inet6" : undefined;
    const found = await resolve(host, port, only, context);
    const preferred = found.find((a) => a.family === (version === 6 ? "inet6" : "inet"));
    return await open(preferred ?? found[0]!, {});
  }
  if (version !== 0) return await open(anyAddress(version === 4 ? "inet" : "inet6", port), {});
  try {
    return await open(anyAddress("inet6", port), { v6only: spec.ipv6_v6only ?? false });
  } catch (error) {
    const noBoth = error instanceof L7mpError && ["EAFNOSUPPORT", "EADDRNOTAVAIL", "UNSUPPORTED"].includes(error.code);
    if (!noBoth || spec.ipv6_v6only) throw error;
    return await open(anyAddress("inet", port), {});
  }
}

/** The first attempt that succeeds. Failed ones are told as notices, the last one is thrown. */
export async function tryEach<A, T>(
  addresses: readonly A[],
  log: Log,
  attempt: (address: A) => Promise<T>,
): Promise<T> {
  for (const address of addresses.slice(0, -1)) {
    try {
      return await attempt(address);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      log.notice("connect.failed", error.message);
    }
  }
  return await attempt(addresses.at(-1)!);
}

function literal(host: string): IpAddress | undefined {
  const bytes = parseIp(host);
  return bytes && { family: bytes.length === 4 ? "inet" : "inet6", host, port: 0 };
}

async function resolve(
  written: string,
  port: number,
  only: Family | undefined,
  context: Context,
): Promise<readonly IpAddress[]> {
  const host = written.replace(/^\[(.*)\]$/, "$1");
  const known = literal(host);
  if (known) {
    if (only && known.family !== only) {
      const [is, asked] = only === "inet" ? ["IPv6", "IPv4"] : ["IPv4", "IPv6"];
      const advice = `it is ${is}, and ${asked} is asked for: by the address type, pf= or bind=`;
      throw new ConnectError(`getaddrinfo("${host}"): Address family for hostname not supported; ${advice}`, {
        code: "EAI_ADDRFAMILY",
        retryable: false,
      });
    }
    return [{ ...known, port }];
  }
  const version = only === "inet" ? 4 : only === "inet6" ? 6 : 0;
  const { driver, ipVersion, signal } = context;
  const found = [...await driver.resolve(host, version, signal)];
  // Hosts files often have localhost for IPv4 only.
  if (version === 0 && ipVersion === 6 && /^localhost$/i.test(host) && !found.some((a) => a.family === "inet6")) {
    found.unshift(...await driver.resolve(host, 6, signal));
  }
  const addresses = found.flatMap((a) => a.family === "unix" ? [] : [{ ...a, port }]);
  if (addresses.length === 0) throw new ConnectError(`getaddrinfo("${host}"): No address associated with hostname`);
  return addresses;
}
