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

/** For something the runtime has no call for. */
export function unavailable(what: string): ConfigError {
  return new ConfigError(`${what} needs the system's own sockets; not available with --driver=portable`, {
    code: "UNSUPPORTED",
  });
}

/** Throws for each of `options` that has a value. Keys are the driver's names, values the command line's. */
export function refuseOptions<T extends object>(options: T, names: Partial<Readonly<Record<keyof T, string>>>): void {
  for (const [key, name] of Object.entries(names)) {
    if (options[key as keyof T] !== undefined) throw unavailable(`option "${name}"`);
  }
}
