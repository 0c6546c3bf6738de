/** A listening TCP or UNIX stream socket. */
import type { PathOptions, StreamListener, StreamSocketOptions } from "../driver.ts";
import type { BoundPath } from "../portable/unix_path.ts";
import { type ByteStream, formatAddress, type SocketAddress } from "../stream/stream.ts";
import { ByteSocket, type ByteSocketKind, tcpKind, unixSocket } from "./byte_socket.ts";
import { SOCK_STREAM } from "./constants.ts";
import {
  connectError,
  EAGAIN,
  ECONNABORTED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EINTR,
  ENETDOWN,
  ENETUNREACH,
  EPERM,
  EPROTO,
  streamError,
} from "./errno.ts";
import { errno, libc } from "./libc.ts";
import type { Watch, WatchOwner } from "./reactor.ts";
import type { Shared } from "./shared.ts";
import { familyOf } from "./sockaddr.ts";
import { acceptSocket, bindSocket, isWildcard, localAddress, openSocket } from "./socket.ts";
import { setStreamOptions } from "./socket_options.ts";

// accept(2): errors of the one connection at the head of the queue, not of the listener.
const passing = [EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH];

/** As `Driver.listenStream`. */
export function listenStream(
  local: SocketAddress,
  options: StreamSocketOptions & PathOptions & { backlog: number },
  shared: Shared,
): StreamListener {
  const family = familyOf(local);
  const fd = openSocket(family, SOCK_STREAM);
  let path: BoundPath | undefined;
  try {
    setStreamOptions(fd, family, options);
    path = bindSocket(fd, local, options);
    if (libc.listen(fd, options.backlog) < 0) throw connectError("listen", formatAddress(local), errno());
    const kind = local.family === "unix" ? unixSocket : tcpKind(options);
    return new Listener(fd, localAddress(fd), kind, path, shared);
  } catch (error) {
    path?.release();
    libc.close(fd);
    throw error;
  }
}

/** Owns `fd`, which is listening and does not block, and `path`. */
export class Listener implements StreamListener, WatchOwner {
  readonly #wildcard: boolean;
  readonly #watch: Watch;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(
    readonly fd: number,
    readonly local: SocketAddress,
    readonly kind: ByteSocketKind,
    readonly path: BoundPath | undefined,
    readonly shared: Shared,
  ) {
    this.#wildcard = isWildcard(local);
    this.#watch = shared.reactor.add(fd, this)!;
  }

  async accept(): Promise<ByteStream | null> {
    while (!this.#closed) {
      // One wake-up may stand for many callers: the flag stays until the system has no more.
      if (this.#watch.readable && this.shared.reactor.spend(this.#watch)) {
        const accepted = acceptSocket(this.fd);
        if (typeof accepted !== "number") return this.#stream(accepted.fd, accepted.remote);
        if (accepted === -EAGAIN) this.#watch.readable = false;
        else if (!passing.includes(-accepted)) throw streamError("accept", formatAddress(this.local), -accepted);
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#watch.readable) this.shared.reactor.defer(this.#watch);
      });
    }
    return null;
  }

  #stream(fd: number, remote: SocketAddress): ByteStream {
    const unix = remote.family === "unix";
    const local = this.#wildcard ? localAddress(fd) : this.local;
    const name = formatAddress(unix && remote.path === "" ? local : remote);
    const info = { protocol: unix ? "UnixDomainSocket" : "TCP", name, local, remote, halfCloses: true };
    return new ByteSocket(fd, info, this.kind, this.shared);
  }

  onReadable(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  onWritable(): void {}

  close(): void {
    this.release();
  }

  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.shared.reactor.remove(this.#watch);
    // The path goes first: whoever comes now gets "no such file", not a socket that is about to vanish.
    this.path?.release();
    libc.close(this.fd);
    this.onReadable();
  }
}
