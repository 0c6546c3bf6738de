/** UDP sockets with options that only `node:dgram` has. Some fifty times slower than the runtime's own. */
import type { RemoteInfo, Socket } from "node:dgram";
import type { DatagramSocket, DatagramTarget, Packet, Peer } from "../driver.ts";
import { StreamError } from "../errors.ts";
import { type Datagram, formatAddress, type IpAddress, type SocketAddress } from "../stream/stream.ts";
import { Drops, keyOf, type OpenOptions } from "./datagram_socket.ts";
import { connectError, optionError, streamError } from "./errors.ts";
import { interface4, interface6 } from "./interfaces.ts";
import { onlyPeer } from "./only_peer.ts";
import type { Owned, OwnedSet } from "./owned.ts";

/** node:dgram delivers without being asked: what waits is bounded, and the newest is dropped. */
const queuePackets = 1024;
const queueBytes = 1 << 20;

export function needsNode(options: OpenOptions): boolean {
  const { rcvbuf, sndbuf, ttl, reuseport, v6only, multicastInterface, multicastTtl, memberships = [] } = options;
  const special = memberships.some(({ group, source }) => source !== undefined || group.includes(":"));
  return special || v6only === true ||
    [rcvbuf, sndbuf, ttl, reuseport, multicastInterface, multicastTtl].some((o) => o !== undefined);
}

/** Binds `local` and sets the options. Rejects with a `ConnectError`. */
export async function openNodeDatagram(
  local: IpAddress,
  target: DatagramTarget,
  options: OpenOptions,
  owned: OwnedSet,
): Promise<DatagramSocket> {
  const { createSocket } = await import("node:dgram");
  const { rcvbuf, sndbuf, reuseaddr, reuseport, v6only } = options;
  const socket = createSocket({
    type: local.family === "inet6" ? "udp6" : "udp4",
    reuseAddr: reuseaddr,
    reusePort: reuseport,
    ipv6Only: v6only,
    recvBufferSize: rcvbuf,
    sendBufferSize: sndbuf,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ address: local.host, port: local.port, exclusive: true }, () => {
        socket.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    socket.close();
    throw connectError("bind", local, error);
  }
  try {
    setOptions(socket, local.family === "inet6", options);
  } catch (error) {
    socket.close();
    throw error;
  }
  return new NodeDatagrams(socket, target, owned);
}

function setOptions(socket: Socket, six: boolean, options: OpenOptions): void {
  const { broadcast, ttl, multicastInterface, multicastLoop, multicastTtl, memberships = [] } = options;
  const place = six ? interface6 : interface4;
  const set = <V>(name: string, value: V | undefined, call: (value: V) => unknown) => {
    if (value === undefined) return;
    try {
      call(value);
    } catch (error) {
      throw optionError(`${name}=${value}`, error);
    }
  };
  set("broadcast", broadcast, (on) => socket.setBroadcast(on));
  set("ttl", ttl, (hops) => socket.setTTL(hops));
  set("ip-multicast-if", multicastInterface, (text) => socket.setMulticastInterface(place(text)));
  set("ip-multicast-loop", multicastLoop, (on) => socket.setMulticastLoopback(on));
  set("ip-multicast-ttl", multicastTtl, (hops) => socket.setMulticastTTL(hops));
  for (const { group, interface: text, source } of memberships) {
    const words = [group, text, source].filter((word) => word !== undefined).join(":");
    const at = () => text === undefined ? undefined : place(text);
    if (source === undefined) set("ip-add-membership", words, () => socket.addMembership(group, at()));
    else set("ip-add-source-membership", words, () => socket.addSourceSpecificMembership(source, group, at()!));
  }
}

class NodeDatagrams implements DatagramSocket, Owned {
  readonly local: SocketAddress;
  readonly remote?: SocketAddress;
  readonly #socket: Socket;
  readonly #owned: OwnedSet;
  readonly #drops: Drops;
  readonly #listensTo: (address: SocketAddress) => boolean;
  #waiting: Packet[] = [];
  #waitingBytes = 0;
  #overflowed = 0;
  #failure: unknown;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(socket: Socket, target: DatagramTarget, owned: OwnedSet) {
    const { address, port, family } = socket.address();
    this.local = { family: family === "IPv6" ? "inet6" : "inet", host: address, port };
    this.remote = target.remote;
    this.#listensTo = onlyPeer(target.remote);
    this.#socket = socket;
    this.#drops = new Drops(target.onDrop);
    this.#owned = owned;
    owned.add(this);
    socket.on("message", (data, from) => this.#arrived(data, from));
    socket.on("error", (error) => {
      this.#failure = error;
      this.#wake?.();
    });
  }

  get dropped(): number {
    return this.#drops.count + this.#overflowed;
  }

  #arrived(data: Uint8Array, { address: host, port, family }: RemoteInfo): void {
    const address: SocketAddress = { family: family === "IPv6" ? "inet6" : "inet", host, port };
    if (!this.#listensTo(address)) return;
    if (this.#waiting.length >= queuePackets || this.#waitingBytes + data.length > queueBytes) {
      this.#overflowed++;
      return;
    }
    this.#waiting.push({ data: new Uint8Array(data), from: { key: keyOf(address), address } });
    this.#waitingBytes += data.length;
    this.#wake?.();
  }

  async receive(): Promise<readonly Packet[] | null> {
    while (!this.#closed && this.#waiting.length === 0) {
      if (this.#failure) {
        const failure = this.#failure;
        this.#failure = undefined;
        throw streamError("read", formatAddress(this.remote ?? this.local), failure);
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
    if (this.#closed) return null;
    const batch = this.#waiting.splice(0, 64);
    for (const { data } of batch) this.#waitingBytes -= data.length;
    return batch;
  }

  async send(batch: readonly Datagram[], to?: Peer | SocketAddress): Promise<void> {
    const address = ((to && ("address" in to ? to.address : to)) ?? this.remote) as IpAddress | undefined;
    const name = formatAddress(address ?? this.local);
    if (this.#closed) throw new StreamError(`write(${name}): socket is closed`, { code: "CLOSED" });
    if (!address) throw new StreamError(`write(${name}): Destination address required`, { code: "EDESTADDRREQ" });
    for (const { data } of batch) {
      const error = await new Promise((resolve) => this.#socket.send(data, address.port, address.host, resolve));
      if ((error as { code?: string } | null)?.code === "EACCES") throw streamError("write", name, error);
      if (error) this.#drops.add(error, data.length, address);
    }
  }

  close(): void {
    this.release();
  }

  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owned.delete(this);
    this.#waiting = [];
    this.#socket.close();
    this.#wake?.();
  }
}
