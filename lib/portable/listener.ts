/** A listening TCP or UNIX stream socket of the runtime. */
import type { PathOptions, StreamListener, StreamSocketOptions } from "../driver.ts";
import { type ByteStream, formatAddress, type SocketAddress, type UnixAddress } from "../stream/stream.ts";
import { fromRuntime, runtimePath } from "./address.ts";
import { ByteSocket } from "./byte_socket.ts";
import { connectError, streamError } from "./errors.ts";
import type { Owned, OwnedSet } from "./owned.ts";
import { refuse, refuseV6only } from "./refusals.ts";
import { setTcpOptions } from "./stream_connect.ts";
import { bindError, bindPath, type BoundPath, clearPath } from "./unix_path.ts";

type ListenOptions = StreamSocketOptions & PathOptions & { backlog: number };

/** As `Driver.listenStream`. The backlog of a UNIX socket is the runtime's. */
export async function listenStream(
  local: SocketAddress,
  options: ListenOptions,
  owned: OwnedSet,
): Promise<StreamListener> {
  refuse("listen", options);
  refuseV6only(options.v6only, local.family);
  if (local.family === "unix") return await listenUnix(local, options, owned);
  const { backlog, reuseport = false } = options;
  try {
    const listener = Deno.listen({ hostname: local.host, port: local.port, tcpBacklog: backlog, reusePort: reuseport });
    return new Listener(listener, fromRuntime(listener.addr), options, owned);
  } catch (error) {
    throw connectError("bind", local, error);
  }
}

async function listenUnix(local: UnixAddress, options: ListenOptions, owned: OwnedSet): Promise<StreamListener> {
  const path = runtimePath(local.path);
  await clearPath(local, options);
  try {
    if (local.path.startsWith("@")) {
      return new Listener(Deno.listen({ transport: "unix", path }), local, options, owned);
    }
    // The runtime removes the path it bound, whatever stands there by then: so it binds another name of the same socket.
    const aside = `${path.slice(0, path.lastIndexOf("/") + 1)}.l7mp-${crypto.randomUUID().slice(0, 8)}`;
    runtimePath(aside);
    const { socket, path: bound } = bindPath(local, options, () => bindAside(aside, path));
    return new Listener(socket, local, options, owned, bound);
  } catch (error) {
    throw await bindError(local, error);
  }
}

function bindAside(aside: string, path: string): Deno.Listener {
  const listener = Deno.listen({ transport: "unix", path: aside });
  try {
    Deno.linkSync(aside, path);
  } catch (error) {
    listener.close();
    throw error instanceof Deno.errors.AlreadyExists ? addressInUse() : error;
  }
  Deno.removeSync(aside);
  return listener;
}

/** What `bind` would have said where `link` says that the path exists. */
function addressInUse(): Error {
  return Object.assign(new Error("Address already in use"), { code: "EADDRINUSE" });
}

class Listener implements StreamListener, Owned {
  readonly local: SocketAddress;
  readonly #listener: Deno.Listener;
  readonly #options: ListenOptions;
  readonly #owned: OwnedSet;
  readonly #path: BoundPath | undefined;
  #closed = false;

  constructor(
    listener: Deno.Listener,
    local: SocketAddress,
    options: ListenOptions,
    owned: OwnedSet,
    path?: BoundPath,
  ) {
    this.#listener = listener;
    this.local = local;
    this.#options = options;
    this.#owned = owned;
    this.#path = path;
    owned.add(this);
  }

  async accept(): Promise<ByteStream | null> {
    while (!this.#closed) {
      let conn: Deno.Conn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (this.#closed) return null;
        // The caller hung up before we came; to one that did so by a reset the runtime asks for its address in vain.
        if (error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected) continue;
        throw streamError("accept", formatAddress(this.local), error);
      }
      return this.#stream(conn);
    }
    return null;
  }

  #stream(conn: Deno.Conn): ByteStream {
    const unix = this.local.family === "unix";
    const local = unix ? this.local : fromRuntime(conn.localAddr);
    const remote = fromRuntime(conn.remoteAddr);
    if (!unix) setTcpOptions(conn as Deno.TcpConn, this.#options);
    const name = formatAddress(remote.family === "unix" && remote.path === "" ? local : remote);
    const info = { protocol: unix ? "UnixDomainSocket" : "TCP", name, local, remote, halfCloses: true };
    return new ByteSocket(conn, info, this.#owned);
  }

  close(): void {
    this.release();
  }

  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owned.delete(this);
    this.#path?.release();
    this.#listener.close();
  }
}
