/** What to do about an error of the system, in words the driver cannot know. */
import { ConnectError } from "../lib/errors.ts";
import type { SocketAddress } from "../lib/stream/stream.ts";
import type { Network } from "./_socket_owner.ts";

/** Runs `open` and adds advice to what the system said; with `network`, also who has `address`, if it is in use. */
export async function withAdvice<T>(
  address: SocketAddress,
  open: () => Promise<T>,
  network?: Network,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const advice = adviceFor(error, address) ?? await ownerFor(error, address, network);
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
  const abstract = address.path.startsWith("@");
  if (error.code === "EPROTOTYPE") {
    return `; the socket there is of another type: ${
      abstract ? "ABSTRACT" : "UNIX"
    }-CLIENT takes streams and datagrams`;
  }
  if (abstract) return undefined;
  if (error.code === "ENOENT") {
    return binding ? "; its folder must be there first" : "; whoever listens makes the path: start that first";
  }
  if (!binding && error.code === "ECONNREFUSED") {
    return isOther(address.path)
      ? "; what stands there is no socket: GOPEN takes whatever it is"
      : " (nobody listens; stale socket file?)";
  }
  return undefined;
}

/** Whether there is something at `path`, and no socket. */
function isOther(path: string): boolean {
  try {
    return Deno.statSync(path).isSocket === false;
  } catch {
    return false;
  }
}

async function ownerFor(
  error: ConnectError,
  address: SocketAddress,
  network: Network | undefined,
): Promise<string | undefined> {
  if (error.code !== "EADDRINUSE" || network === undefined) return undefined;
  // What unlink-early would remove is nobody's any more.
  if (error.message.includes("unlink-early")) return undefined;
  const { ownerOf } = await import("./_socket_owner.ts");
  const owner = await ownerOf(address, network);
  return owner && `; ${owner}`;
}
