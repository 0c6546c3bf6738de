/** A listener that makes a session of every single datagram: RECVFROM. */
import type { Packet, Peer } from "../lib/driver.ts";
import { StreamError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Incoming, Listener } from "../lib/protocol.ts";
import {
  type Datagram,
  type DatagramStream,
  formatAddress,
  type SocketAddress,
  type StreamInfo,
} from "../lib/stream/stream.ts";
import { closed } from "./_datagram_stream.ts";
import { readyCaller } from "./_ready_caller.ts";
import type { SenderFilter } from "./_sender_filter.ts";
import { detached, type SharedSocket, type SocketUse } from "./_shared_socket.ts";

export interface RecvfromOptions {
  readonly protocol: string;
  readonly log: Log;
  readonly filter: SenderFilter;
  readonly maxDatagramBytes?: number;
}

/**
 * Reads the socket only when asked for the next caller: datagrams nobody takes wait in the system's bounded buffer.
 * Disposal ends that; sessions already given out may still answer, and the last of them closes the socket.
 */
export class RecvfromListener implements Listener, AsyncIterator<Incoming> {
  readonly #shared: SharedSocket;
  readonly #options: RecvfromOptions;
  readonly #stop = Promise.withResolvers<null>();
  #waiting: Packet[] = [];
  #disposed = false;

  constructor(shared: SharedSocket, options: RecvfromOptions) {
    this.#shared = shared;
    this.#options = options;
    options.log.notice("listener.open", `listening on ${formatAddress(this.address)}`);
  }

  get address(): SocketAddress {
    return this.#shared.socket.local;
  }

  [Symbol.asyncIterator](): AsyncIterator<Incoming> {
    return this;
  }

  async next(): Promise<IteratorResult<Incoming>> {
    while (!this.#disposed) {
      const packet = this.#waiting.shift();
      if (packet) return { done: false, value: this.#incoming(packet) };
      const packets = await Promise.race([this.#shared.socket.receive(), this.#stop.promise]);
      if (packets === null) break;
      this.#waiting = [...this.#options.filter.filter(packets)];
    }
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#waiting = [];
    this.#stop.resolve(null);
    this.#shared.release();
  }

  #incoming(packet: Packet): Incoming {
    const { protocol, log, maxDatagramBytes } = this.#options;
    const remote = packet.from.address;
    const info: StreamInfo = { protocol, name: formatAddress(remote), local: this.address, remote };
    log.notice("listener.accept", `receiving packet from ${info.name} on ${formatAddress(this.address)}`);
    const stream = new OneDatagramStream(this.#shared.use(), detached(packet), info, maxDatagramBytes);
    return readyCaller(stream);
  }
}

/** Gives one datagram, then ends; what is sent answers its sender. Owns its use of the socket. */
class OneDatagramStream implements DatagramStream {
  readonly kind = "datagram";
  readonly info: StreamInfo;
  readonly maxDatagramBytes: number | undefined;
  readonly #use: SocketUse;
  readonly #peer: Peer;
  #packet: Packet | undefined;
  #dropped = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(use: SocketUse, packet: Packet, info: StreamInfo, maxDatagramBytes: number | undefined) {
    this.#use = use;
    this.#peer = packet.from;
    this.#packet = packet;
    this.info = info;
    this.maxDatagramBytes = maxDatagramBytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  async receive(): Promise<readonly Datagram[] | null> {
    if (this.#failure) throw this.#failure.error;
    const packet = this.#packet;
    this.#packet = undefined;
    return packet ? [packet] : null;
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    const { address } = this.#peer;
    if (address.family === "unix" && address.path === "") {
      throw new StreamError("sendto: the sender has no name to answer to; it must bind one", { code: "EDESTADDRREQ" });
    }
    const limit = this.maxDatagramBytes ?? Infinity;
    for (const { data } of batch) if (data.length > limit) this.#dropped++;
    await this.#use.send(batch, this.#peer);
  }

  async closeWrite(): Promise<void> {}

  abort(reason?: unknown): void {
    if (this.#failure) return;
    this.#failure = { error: reason ?? closed(this.info) };
    this.#packet = undefined;
    this.#use.leave(this.#failure.error);
  }
}
