/** Connecting a stream socket through the runtime. */
import type { BacklogQueue } from "../backlog_queue.ts";
import type { PathOptions, StreamSocketOptions } from "../driver.ts";
import { type ByteStream, formatAddress, type SocketAddress, type UnixAddress } from "../stream/stream.ts";
import { fromRuntime, runtimePath } from "./address.ts";
import { ByteSocket } from "./byte_socket.ts";
import { connectError } from "./errors.ts";
import { connectFrom } from "./node_socket.ts";
import type { OwnedSet } from "./owned.ts";
import { refuse, refuseV6only, unavailable } from "./refusals.ts";

/** As `Driver.connectStream`. */
export async function connectStream(
  remote: SocketAddress,
  options: StreamSocketOptions & { local?: SocketAddress; localPath?: PathOptions },
  signal: AbortSignal,
  owned: OwnedSet,
  backlogs: BacklogQueue,
): Promise<ByteStream> {
  signal.throwIfAborted();
  refuse("connect", options);
  refuseV6only(options.v6only, remote.family);
  if (remote.family === "unix") return await connectUnix(remote, signal, owned, backlogs);
  if (options.local) {
    if (options.local.family === "unix") throw unavailable('option "bind" with a path');
    return await connectFrom(options.local, remote, options, signal, owned);
  }
  let conn: Deno.TcpConn;
  try {
    conn = await Deno.connect({ transport: "tcp", hostname: remote.host, port: remote.port, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw connectError("connect", remote, error);
  }
  setTcpOptions(conn, options);
  const info = {
    protocol: "TCP",
    name: formatAddress(remote),
    local: fromRuntime(conn.localAddr),
    remote,
    halfCloses: true,
  };
  return new ByteSocket(conn, info, owned);
}

async function connectUnix(
  remote: UnixAddress,
  signal: AbortSignal,
  owned: OwnedSet,
  backlogs: BacklogQueue,
): Promise<ByteStream> {
  const path = runtimePath(remote.path);
  const attempt = () => dial(path);
  let conn: Deno.UnixConn | undefined;
  try {
    if (!backlogs.isWaitedFor(path)) conn = await attempt();
    conn ??= await backlogs.enter(path, attempt, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw connectError("connect", remote, error);
  }
  if (signal.aborted) {
    conn.close();
    throw signal.reason;
  }
  const info = {
    protocol: "UnixDomainSocket",
    name: formatAddress(remote),
    local: fromRuntime(conn.localAddr),
    remote,
    halfCloses: true,
  };
  return new ByteSocket(conn, info, owned);
}

/** Undefined where there is no room in the listener's backlog. */
async function dial(path: string): Promise<Deno.UnixConn | undefined> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.WouldBlock) return undefined;
    throw error;
  }
}

/** Sets what the runtime can set on a TCP connection. */
export function setTcpOptions(conn: Deno.TcpConn, { nodelay = true, keepalive }: StreamSocketOptions): void {
  conn.setNoDelay(nodelay);
  if (keepalive !== undefined) conn.setKeepAlive(keepalive);
}
