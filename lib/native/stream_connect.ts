/** Connecting a stream socket without blocking. */
import type { PathOptions, StreamSocketOptions } from "../driver.ts";
import type { BoundPath } from "../portable/unix_path.ts";
import { type ByteStream, formatAddress, type SocketAddress } from "../stream/stream.ts";
import { ByteSocket, type ByteSocketKind, tcpKind, unixSocket } from "./byte_socket.ts";
import { SOCK_STREAM } from "./constants.ts";
import { connectError, EAGAIN, ECANCELED, EINPROGRESS, EINTR } from "./errno.ts";
import { AF_UNIX } from "./layout.ts";
import { errno, libc } from "./libc.ts";
import type { Shared } from "./shared.ts";
import { encodeSockaddr, familyOf } from "./sockaddr.ts";
import { bindSocket, localAddress, openSocket, peerAddress } from "./socket.ts";
import { setStreamOptions, socketError } from "./socket_options.ts";

export type ConnectOptions = StreamSocketOptions & { local?: SocketAddress; localPath?: PathOptions };

/** As `Driver.connectStream`. */
export async function connectStream(
  remote: SocketAddress,
  options: ConnectOptions,
  signal: AbortSignal,
  shared: Shared,
): Promise<ByteStream> {
  signal.throwIfAborted();
  const family = familyOf(remote);
  const target = encodeSockaddr(remote);
  const fd = openSocket(family, SOCK_STREAM);
  let path: BoundPath | undefined;
  try {
    setStreamOptions(fd, family, options);
    if (options.local) path = bindSocket(fd, options.local, options.localPath ?? {});
    await connectSocket(fd, target, remote, signal, shared);
    const info = {
      protocol: family === AF_UNIX ? "UnixDomainSocket" : "TCP",
      name: formatAddress(remote),
      local: localAddress(fd),
      // A UNIX socket knows the path it was bound to, which may have got other names since.
      remote: remote.family === "unix" ? remote : peerAddress(fd) ?? remote,
      halfCloses: true,
    };
    return new ByteSocket(fd, info, kindOf(fd, family, path, options), shared);
  } catch (error) {
    path?.release();
    libc.close(fd);
    throw error;
  }
}

function kindOf(
  fd: number,
  family: number,
  path: BoundPath | undefined,
  options: StreamSocketOptions,
): ByteSocketKind {
  if (family !== AF_UNIX) return tcpKind(options);
  if (!path) return unixSocket;
  const onRelease = () => {
    path.release();
    libc.close(fd);
  };
  return { type: "unix", onRelease };
}

async function connectSocket(
  fd: number,
  target: Uint8Array<ArrayBuffer>,
  remote: SocketAddress,
  signal: AbortSignal,
  shared: Shared,
): Promise<void> {
  const { backlogs } = shared;
  const attempt = () => startConnecting(fd, target, remote);
  const path = remote.family === "unix" ? remote.path : undefined;
  let state = path !== undefined && backlogs.isWaitedFor(path) ? undefined : attempt();
  // A socket with a path is connected at once, or its backlog is full.
  if (!state && path !== undefined) state = await backlogs.enter(path, attempt, signal);
  if (state === "connected") return;
  await connected(fd, signal, shared);
  const late = socketError(fd);
  if (late !== 0) throw connectError("connect", formatAddress(remote), late);
}

/** Undefined where there is no room for now. Throws a `ConnectError`. */
function startConnecting(
  fd: number,
  target: Uint8Array<ArrayBuffer>,
  remote: SocketAddress,
): "connected" | "connecting" | undefined {
  for (;;) {
    if (libc.connect(fd, target, target.length) === 0) return "connected";
    const error = errno();
    if (error === EINPROGRESS) return "connecting";
    if (error === EAGAIN && remote.family === "unix") return undefined;
    if (error === EINTR) continue;
    throw connectError("connect", formatAddress(remote), error);
  }
}

/** Resolves when the handshake is over, one way or the other. Rejects with the signal's reason. */
function connected(fd: number, signal: AbortSignal, shared: Shared): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      signal.removeEventListener("abort", cancel);
      shared.reactor.remove(watch);
      settle();
    };
    const cancel = () => finish(() => reject(signal.reason));
    const watch = shared.reactor.add(fd, {
      onReadable: () => {},
      onWritable: () => finish(resolve),
      release: () => finish(() => reject(connectError("connect", "the driver has been closed", ECANCELED))),
    }, { connecting: true })!;
    signal.addEventListener("abort", cancel, { once: true });
  });
}
