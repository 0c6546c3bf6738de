/** What to do about an error of the system, in words the driver cannot know. */
import { ConnectError } from "../lib/errors.ts";
import type { SocketAddress } from "../lib/stream/stream.ts";

/** Runs `open` and adds advice to what the system said. */
export async function withAdvice<T>(address: SocketAddress, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const advice = adviceFor(error, address);
    if (advice === undefined || error.message.includes(advice)) throw error;
    const { code, side, retryable, cause } = error;
    throw new ConnectError(error.message + advice, { code, side, retryable, cause });
  }
}

function adviceFor(error: ConnectError, address: SocketAddress): string | undefined {
  const binding = error.message.startsWith("bind(");
  if (address.family !== "unix") {
    const privileged = binding && error.code === "EACCES" && address.port < 1024;
    return privileged ? "; ports below 1024 need root or CAP_NET_BIND_SERVICE" : undefined;
  }
  if (address.path.startsWith("@")) return undefined;
  if (binding && error.code === "EADDRINUSE") return "; use unlink-early";
  if (!binding && error.code === "ECONNREFUSED") return " (nobody listens; stale socket file?)";
  return undefined;
}
