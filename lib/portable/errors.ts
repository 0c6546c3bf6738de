/** The runtime's errors as ours. */
import { ConfigError, ConnectError, StreamError, systemFault } from "../errors.ts";
import { formatAddress, type SocketAddress } from "../stream/stream.ts";

/** `connect(AF=2 127.0.0.1:1): Connection refused`. */
export function connectError(call: string, address: SocketAddress, error: unknown, advice = ""): ConnectError {
  const { code, text } = systemFault(error);
  return new ConnectError(`${call}(${formatAddress(address)}): ${text}${advice}`, { code, cause: error });
}

/** `read(AF=2 127.0.0.1:1): Connection reset by peer`. */
export function streamError(call: string, name: string, error: unknown): StreamError {
  const { code, text } = systemFault(error);
  return new StreamError(`${call}(${name}): ${text}`, { code, cause: error });
}

/** What the errors of `node:dgram` mean, which have a code alone. */
const optionTexts: Readonly<Record<string, string>> = {
  EINVAL: "Invalid argument",
  ENODEV: "No such device",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
};

/** `setsockopt(ip-add-membership=239.1.2.3:eth0): No such device`. */
export function optionError(option: string, error: unknown): Error {
  if (error instanceof ConfigError) return error;
  const { code, text } = systemFault(error);
  return new ConnectError(`setsockopt(${option}): ${optionTexts[code ?? ""] ?? text}`, { code, cause: error });
}

/** For something the runtime has no call for. */
export function unavailable(what: string): ConfigError {
  return new ConfigError(`${what} needs the system's own sockets; not available with --driver=portable`, {
    code: "UNSUPPORTED",
  });
}

/**
 * Throws for an IPv6 option of a socket: whether it takes IPv4 too. The runtime leaves that to the system, which says yes
 * everywhere but on Windows.
 */
export function refuseV6only(v6only: boolean | undefined, { family }: SocketAddress): void {
  if (v6only === undefined) return;
  if (family !== "inet6") {
    throw new ConfigError('option "ipv6-v6only" needs an IPv6 socket; pf=ip6 or an IPv6 address makes one');
  }
  if (!v6only && Deno.build.os !== "windows") return;
  throw unavailable(`option "ipv6-v6only=${Number(v6only)}"`);
}

/** Throws for each of `options` that has a value. Keys are the driver's names, values the command line's. */
export function refuseOptions<T extends object>(options: T, names: Partial<Readonly<Record<keyof T, string>>>): void {
  for (const [key, name] of Object.entries(names)) {
    if (options[key as keyof T] !== undefined) throw unavailable(`option "${name}"`);
  }
}
