/** Datagram sockets of the runtime, UDP and UNIX. */
import type { DatagramSocket, DatagramSocketOptions, DatagramTarget, Packet, PathOptions, Peer } from "../driver.ts";
import { ConnectError, StreamError, systemFault } from "../errors.ts";
import { type Datagram, formatAddress, type SocketAddress, type UnixAddress } from "../stream/stream.ts";
import { fromRuntime, runtimePath } from "./address.ts";
import { connectError, optionError, streamError } from "./errors.ts";
import { interface4 } from "./interfaces.ts";
import { needsNode, openNodeDatagram } from "./node_datagram.ts";
import { onlyPeer } from "./only_peer.ts";
import type { Owned, OwnedSet } from "./owned.ts";
import { refuse, refuseV6only } from "./refusals.ts";
import { bindError, bindPath, type BoundPath, clearPath } from "./unix_path.ts";

const udpReadBytes = 65_536;
const largestUdpBytes = 65_507;
/** The system's default send buffer bounds a UNIX datagram to about 208 KiB. */
const unixReadBytes = 262_144;

export type OpenOptions = DatagramSocketOptions & PathOptions;

/** As `Driver.openDatagram`. */
export async function openDatagram(
  target: DatagramTarget,
  options: OpenOptions,
  owned: OwnedSet,
): Promise<DatagramSocket> {
  const family = (target.local ?? target.remote)?.family ?? "inet";
  refuse(family === "unix" ? "unix-datagram" : "udp", options);
  if (family === "unix") return await openUnix(target, options, owned);
  const local = target.local ?? anyLocal(target.remote);
  if (local.family === "unix") throw new ConnectError("bind: a UDP socket has no path", { retryable: false });
  const node = needsNode(options);
  if (!node || local.family !== "inet6") refuseV6only(options.v6only, local.family);
  if (node) return await openNodeDatagram(local, target, options, owned);
  let conn: Deno.DatagramConn;
  try {
    conn = Deno.listenDatagram({
      transport: "udp",
      hostname: local.host,
      port: local.port,
      reuseAddress: options.reuseaddr ?? false,
      loopback: options.multicastLoop ?? true,
    });
  } catch (error) {
    throw connectError("bind", local, error);
  }
  for (const { group, interface: place = "0.0.0.0" } of options.memberships ?? []) {
    try {
      const membership = await conn.joinMulticastV4(group, interface4(place));
      if (options.multicastLoop !== undefined) await membership.setLoopback(options.multicastLoop);
    } catch (error) {
      conn.close();
      throw optionError(`ip-add-membership=${group}:${place}`, error);
    }
  }
  return new RuntimeDatagrams(conn, fromRuntime(conn.addr), target, udpReadBytes, owned);
}

/** The runtime cannot connect a datagram socket. One that talks to this machine alone need not listen to the world. */
function anyLocal(remote: SocketAddress | undefined): SocketAddress {
  if (remote?.family === "inet6") return { family: "inet6", host: remote.host === "::1" ? "::1" : "::", port: 0 };
  const loopback = remote?.family === "inet" && remote.host.startsWith("127.") && !remote.host.endsWith(".255");
  return { family: "inet", host: loopback ? "127.0.0.1" : "0.0.0.0", port: 0 };
}

async function openUnix(target: DatagramTarget, options: OpenOptions, owned: OwnedSet): Promise<DatagramSocket> {
  const local = (target.local ?? automaticName()) as UnixAddress;
  const path = runtimePath(local.path);
  if (target.remote) runtimePath((target.remote as UnixAddress).path);
  await clearPath(local, options);
  try {
    const bind = () => Deno.listenDatagram({ transport: "unixpacket", path });
    const { socket, path: bound } = bindPath(local, options, bind);
    return new RuntimeDatagrams(socket, local, target, unixReadBytes, owned, bound);
  } catch (error) {
    throw await bindError(local, error);
  }
}

/** The runtime insists on a name; an abstract one lets the peer answer and leaves nothing behind. */
function automaticName(): SocketAddress {
  return { family: "unix", path: `@l7mp-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}` };
}

function toRuntime(address: SocketAddress): Deno.Addr {
  if (address.family === "unix") return { transport: "unixpacket", path: runtimePath(address.path) };
  return { transport: "udp", hostname: address.host, port: address.port };
}

/** Equal for equal addresses. */
export function keyOf(address: SocketAddress): string {
  return address.family === "unix" ? address.path : `${address.host} ${address.port}`;
}

/** Datagrams that could not be sent: counted, and told to whoever asked. */
export class Drops {
  #count = 0;
  readonly #onDrop: DatagramTarget["onDrop"];

  constructor(onDrop: DatagramTarget["onDrop"]) {
    this.#onDrop = onDrop;
  }

  get count(): number {
    return this.#count;
  }

  add(error: unknown, bytes: number, to: SocketAddress): void {
    this.#count++;
    const { code, text } = systemFault(error);
    const limit = to.family === "unix" ? "the system's limit" : `UDP (${largestUdpBytes})`;
    this.#onDrop?.(code === "EMSGSIZE" ? `datagram of ${bytes} bytes does not fit ${limit}` : text, bytes);
  }
}

/** A socket with a target lets nobody else in, although the system does not know of it. */
class RuntimeDatagrams implements DatagramSocket, Owned {
  readonly local: SocketAddress;
  readonly remote?: SocketAddress;
  readonly #conn: Deno.DatagramConn;
  readonly #owned: OwnedSet;
  readonly #path: BoundPath | undefined;
  readonly #drops: Drops;
  readonly #listensTo: (address: SocketAddress) => boolean;
  readonly #bufferBytes: number;
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #closed = false;

  constructor(
    conn: Deno.DatagramConn,
    local: SocketAddress,
    target: DatagramTarget,
    bufferBytes: number,
    owned: OwnedSet,
    path?: BoundPath,
  ) {
    this.#conn = conn;
    this.local = local;
    this.remote = target.remote;
    this.#listensTo = onlyPeer(target.remote);
    this.#drops = new Drops(target.onDrop);
    this.#bufferBytes = bufferBytes;
    this.#owned = owned;
    this.#path = path;
    owned.add(this);
  }

  get dropped(): number {
    return this.#drops.count;
  }

  async receive(): Promise<readonly Packet[] | null> {
    const buffer = this.#buffer ??= new Uint8Array(this.#bufferBytes);
    while (!this.#closed) {
      let received: [Uint8Array, Deno.Addr];
      try {
        received = await this.#conn.receive(buffer);
      } catch (error) {
        if (this.#closed) return null;
        throw streamError("read", formatAddress(this.remote ?? this.local), error);
      }
      const address = fromRuntime(received[1]);
      if (!this.#listensTo(address)) continue;
      return [{ data: received[0].slice(), from: { key: keyOf(address), address } }];
    }
    return null;
  }

  async send(batch: readonly Datagram[], to?: Peer | SocketAddress): Promise<void> {
    const address = (to && ("address" in to ? to.address : to)) ?? this.remote;
    if (!address) {
      throw new StreamError(`write(${formatAddress(this.local)}): Destination address required`, {
        code: "EDESTADDRREQ",
      });
    }
    const target = toRuntime(address);
    for (const { data } of batch) {
      try {
        await this.#conn.send(data, target);
      } catch (error) {
        if (this.#closed) throw this.#isClosed();
        const { code } = systemFault(error);
        if (code === "EACCES" || (this.remote && !to && code !== "EMSGSIZE")) {
          throw streamError("write", formatAddress(address), error);
        }
        this.#drops.add(error, data.length, address);
      }
    }
    if (this.#closed) throw this.#isClosed();
  }

  #isClosed(): StreamError {
    return new StreamError(`write(${formatAddress(this.remote ?? this.local)}): socket is closed`, { code: "CLOSED" });
  }

  close(): void {
    this.release();
  }

  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owned.delete(this);
    this.#path?.release();
    this.#conn.close();
  }
}
