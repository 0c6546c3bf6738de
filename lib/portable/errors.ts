/** The runtime's errors as ours. */
import { ConfigError, ConnectError, StreamError, systemFault } from "../errors.ts";
import { formatAddress, type SocketAddress } from "../stream/stream.ts";

const reset = { code: "ECONNRESET", text: "Connection reset by peer" };

/** `connect(AF=2 127.0.0.1:1): Connection refused`. */
export function connectError(call: string, address: SocketAddress, error: unknown, advice = ""): ConnectError {
  // The runtime asks a new connection for its addresses, and one that has been reset has none any more.
  const { code, text } = error instanceof Deno.errors.NotConnected ? reset : systemFault(error);
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
