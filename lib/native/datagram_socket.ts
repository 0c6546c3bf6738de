/** UDP and UNIX datagram sockets, read and written in batches. */
import type { DatagramSocket, DatagramSocketOptions, DatagramTarget, Packet, PathOptions, Peer } from "../driver.ts";
import type { BoundPath } from "../portable/unix_path.ts";
import { StreamError } from "../errors.ts";
import { type Datagram, formatAddress, type SocketAddress } from "../stream/stream.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, SOCK_DGRAM } from "./constants.ts";
import { type DatagramArena, type MessageBatch, slotBytes } from "./datagram_arena.ts";
import {
  connectError,
  EACCES,
  EAGAIN,
  ECONNREFUSED,
  EINTR,
  EMSGSIZE,
  ENOBUFS,
  errnoText,
  streamError,
} from "./errno.ts";
import { AF_INET, AF_INET6, AF_UNIX, sockaddrStorageBytes } from "./layout.ts";
import { errno, libc } from "./libc.ts";
import { NativePeer, peerKey } from "./peer.ts";
import type { Watch, WatchOwner } from "./reactor.ts";
import type { Shared } from "./shared.ts";
import { encodeSockaddr, familyOf } from "./sockaddr.ts";
import { bindSocket, localAddress, openSocket, peerAddress } from "./socket.ts";
import { setMulticastOptions, setSocketOptions } from "./socket_options.ts";

const flags = MSG_DONTWAIT | MSG_NOSIGNAL;

/** A UNIX receiver whose queue is full tells only connected senders when there is room: others look again. */
const fullQueueRetryMs = 1;

/**
 * How long one `send` waits for such receivers; what then does not fit is dropped. Unread datagrams fill the sender's
 * buffer, so waiting for ever for one peer would stop the answers to all others.
 */
const fullQueuePatienceMs = 1000;

/** Below this many bytes a copy loop is quicker than making the views that `set` needs. */
const loopBytes = 96;

/** As `Driver.openDatagram`. */
export function openDatagram(
  target: DatagramTarget,
  options: DatagramSocketOptions & PathOptions,
  shared: Shared,
): DatagramSocket {
  const { remote } = target;
  const family = familyOf(target.local ?? remote ?? { family: "inet", host: "0.0.0.0", port: 0 });
  const fd = openSocket(family, SOCK_DGRAM);
  let path: BoundPath | undefined;
  try {
    setSocketOptions(fd, family, options);
    if (target.local) path = bindSocket(fd, target.local, options);
    else if (family === AF_UNIX) bindAutomatically(fd);
    else if (!remote) bindSocket(fd, wildcardOf(family), options);
    setMulticastOptions(fd, family, options);
    if (remote) {
      const bytes = encodeSockaddr(remote);
      if (libc.connect(fd, bytes, bytes.length) < 0) throw connectError("connect", formatAddress(remote), errno());
    }
    return new NativeDatagramSocket(fd, family, target, path, shared);
  } catch (error) {
    path?.release();
    libc.close(fd);
    throw error;
  }
}

/** The system chooses an abstract name, so that answers find us. */
function bindAutomatically(fd: number): void {
  if (libc.bind(fd, new Uint8Array([AF_UNIX, 0]), 2) < 0) throw connectError("bind", "AF=1 (automatic)", errno());
}

function wildcardOf(family: number): SocketAddress {
  return family === AF_INET6 ? { family: "inet6", host: "::", port: 0 } : { family: "inet", host: "0.0.0.0", port: 0 };
}

/** Owns `fd`. Also made for a datagram socket that was open before us. */
export class NativeDatagramSocket implements DatagramSocket, WatchOwner {
  readonly local: SocketAddress;
  readonly remote: SocketAddress | undefined;
  readonly #name: string;
  readonly #watch: Watch;
  readonly #batch: MessageBatch;
  readonly #arena: DatagramArena;
  #dropped = 0;
  #lastPeer = new NativePeer(-1);
  #closed = false;
  /** An ICMP error that `send` came upon first. */
  #refused: StreamError | undefined;
  #receiver: (() => void) | undefined;
  /** Sends that wait: sessions that share the socket may wait together. */
  #senders: (() => void)[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly fd: number,
    readonly family: number,
    readonly target: DatagramTarget,
    readonly path: BoundPath | undefined,
    readonly shared: Shared,
  ) {
    this.local = localAddress(fd);
    this.remote = target.remote && (peerAddress(fd) ?? target.remote);
    this.#name = formatAddress(this.remote ?? this.local);
    this.#arena = shared.arena();
    this.#batch = family === AF_UNIX ? this.#arena.receiveWide : this.#arena.receive;
    this.#watch = shared.reactor.add(fd, this)!;
  }

  get dropped(): number {
    return this.#dropped;
  }

  async receive(): Promise<readonly Packet[] | null> {
    while (!this.#closed) {
      if (this.#refused) throw this.#takeRefusal();
      if (this.#watch.readable && this.shared.reactor.spend(this.#watch)) {
        const count = libc.recvmmsg(this.fd, this.#batch.headers, this.#batch.count, MSG_DONTWAIT, null);
        if (count > 0) {
          const packets = this.#collect(count);
          if (packets.length > 0) return packets;
          continue;
        }
        const error = errno();
        if (error === EAGAIN) this.#watch.readable = false;
        else if (error !== EINTR) throw streamError("read", this.#name, error);
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#receiver = resolve;
        if (this.#watch.readable) this.shared.reactor.defer(this.#watch);
      });
    }
    return null;
  }

  /** Copies a batch out of the arena into one piece of memory of its own. */
  #collect(count: number): Packet[] {
    const batch = this.#batch;
    // The system had no more (an error behind the last message makes an event of its own).
    if (count < batch.count) this.#watch.readable = false;
    let total = 0;
    for (let i = 0; i < count; i++) total += batch.length(i);
    const slab = new Uint8Array(total);
    const source = batch.payload;
    const packets: Packet[] = [];
    for (let i = 0, at = 0; i < count; i++) {
      const length = batch.length(i);
      const from = this.#peer(i * sockaddrStorageBytes, batch.nameLength(i));
      batch.setNameLength(i, sockaddrStorageBytes);
      if (batch.flags(i) & MSG_TRUNC) {
        this.#drop(`datagram of more than ${batch.slot} bytes does not fit`, length);
        continue;
      }
      const start = i * batch.slot;
      if (length <= loopBytes) { for (let k = 0; k < length; k++) slab[at + k] = source[start + k]!; }
      else slab.set(source.subarray(start, start + length), at);
      packets.push({ data: slab.subarray(at, at + length), from });
      at += length;
    }
    return packets;
  }

  /** Runs of datagrams from one sender share one object. */
  #peer(at: number, length: number): NativePeer {
    const key = peerKey(this.#batch.names, at, length);
    if (key !== this.#lastPeer.key) this.#lastPeer = new NativePeer(key);
    return this.#lastPeer;
  }

  async send(batch: readonly Datagram[], to?: Peer | SocketAddress): Promise<void> {
    let next = 0;
    let patientUntil: number | undefined;
    while (next < batch.length) {
      if (this.#closed) {
        throw new StreamError(`write(${this.#name}): the socket has been closed`, { code: "ECANCELED" });
      }
      if (this.#watch.writable && this.shared.reactor.spend(this.#watch)) {
        const sent = this.#sendSome(batch, next, to);
        if (sent > 0) next += sent;
        else if (sent < 0) {
          const error = -sent;
          if (error === EINTR) continue;
          const crowded = error === EAGAIN && this.family === AF_UNIX && to !== undefined;
          if (crowded) patientUntil ??= performance.now() + fullQueuePatienceMs;
          if (crowded && performance.now() >= patientUntil!) {
            this.#drop("the receiver does not read and its queue is full", batch[next++]!.data.length);
          } else if (error === EAGAIN) await this.#space(to !== undefined);
          else if (this.#isFatal(error, to !== undefined)) throw this.#broken(error, to);
          else this.#drop(this.#reason(error, batch[next]!), batch[next++]!.data.length);
        }
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#senders.push(resolve);
        if (this.#watch.writable) this.shared.reactor.defer(this.#watch);
      });
    }
  }

  /** Sends datagrams from `batch[first]` on in one call: how many went, or minus errno. */
  #sendSome(batch: readonly Datagram[], first: number, to: Peer | SocketAddress | undefined): number {
    const { names, payload } = this.#arena.send;
    const nameLength = to === undefined ? 0 : this.#encode(to, names);
    const data = batch[first]!.data;
    if (batch.length - first === 1 || data.length > slotBytes) {
      const name = nameLength === 0 ? null : names;
      return libc.sendto(this.fd, data, data.length, flags, name, nameLength) < 0 ? -errno() : 1;
    }
    const messages = this.#arena.send;
    let count = 0;
    for (let i = first; i < batch.length && count < messages.count; i++, count++) {
      const data = batch[i]!.data;
      const length = data.length;
      if (length > slotBytes) break;
      const start = count * slotBytes;
      if (length <= loopBytes) { for (let k = 0; k < length; k++) payload[start + k] = data[k]!; }
      else payload.set(data, start);
      messages.setLength(count, length);
      messages.setNameLength(count, nameLength);
      if (count > 0 && nameLength > 0) names.copyWithin(count * sockaddrStorageBytes, 0, nameLength);
    }
    const sent = libc.sendmmsg(this.fd, messages.headers, count, flags);
    return sent < 0 ? -errno() : sent;
  }

  #encode(to: Peer | SocketAddress, names: Uint8Array): number {
    if (to instanceof NativePeer) return to.encode(names, 0);
    const bytes = encodeSockaddr("address" in to ? to.address : to);
    names.set(bytes, 0);
    return bytes.length;
  }

  /** Waits until the socket takes more. */
  async #space(unconnected: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#senders.push(resolve);
      if (this.family === AF_UNIX && unconnected) {
        this.#retry ??= setTimeout(() => this.onWritable(), fullQueueRetryMs);
      } else this.shared.reactor.wantSpace(this.#watch);
    });
  }

  /**
   * Whether an error is more than the loss of one datagram: a broadcast that is not allowed stays so, while a peer that
   * is away may come back.
   */
  #isFatal(error: number, unconnected: boolean): boolean {
    return unconnected ? error === EACCES : error !== EMSGSIZE && error !== ENOBUFS;
  }

  #broken(error: number, to: Peer | SocketAddress | undefined): StreamError {
    const name = to === undefined ? this.#name : formatAddress("address" in to ? to.address : to);
    const failure = streamError("write", name, error);
    if (error === ECONNREFUSED) {
      // The system tells each refusal once, and our reader wants to know it as well.
      this.#refused = failure;
      this.onReadable();
    }
    return failure;
  }

  #takeRefusal(): StreamError {
    const { message, code } = this.#refused!;
    this.#refused = undefined;
    return new StreamError(message, { code });
  }

  #reason(error: number, datagram: Datagram): string {
    if (error !== EMSGSIZE) return errnoText(error);
    const what = `datagram of ${datagram.data.length} bytes does not fit`;
    if (this.family === AF_UNIX) return `${what} the socket's send buffer (option sndbuf)`;
    return `${what} UDP (${this.family === AF_INET ? 65507 : 65527})`;
  }

  #drop(reason: string, bytes: number): void {
    this.#dropped++;
    this.target.onDrop?.(reason, bytes);
  }

  onReadable(): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.();
  }

  onWritable(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const senders = this.#senders;
    if (senders.length === 0) return;
    this.#senders = [];
    for (const resume of senders) resume();
  }

  close(): void {
    this.release();
  }

  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.shared.reactor.remove(this.#watch);
    this.path?.release();
    libc.close(this.fd);
    this.onReadable();
    this.onWritable();
  }
}
