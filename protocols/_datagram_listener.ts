/** A listener that gives every sender on one datagram socket a session of its own. */
import type { Packet, Peer } from "../lib/driver.ts";
import { ConnectError, L7mpError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Incoming, Listener } from "../lib/protocol.ts";
import { formatAddress, type SocketAddress, type StreamInfo } from "../lib/stream/stream.ts";
import { OnceAMinute } from "./_once_a_minute.ts";
import { PeerStream } from "./_peer_stream.ts";
import { SharedSocket } from "./_shared_socket.ts";

/** Peers that nobody has taken yet; datagrams of further ones are dropped. */
const maxWaitingPeers = 1024;

export interface DatagramListenerOptions {
  readonly protocol: string;
  readonly log: Log;
  /** False: one session at a time, other senders are ignored and told once a minute. */
  readonly fork: boolean;
  readonly queueDatagrams: number;
  readonly maxDatagramBytes?: number;
}

/**
 * Reads the socket all the time and sorts packets by sender into bounded queues, so a stalled session costs the others
 * nothing. Disposal stops taking new peers; sessions already given out go on and the last of them closes the socket.
 */
export class DatagramListener implements Listener, AsyncIterator<Incoming> {
  readonly #options: DatagramListenerOptions;
  readonly #shared: SharedSocket;
  readonly #peers = new Map<Peer["key"], PeerStream>();
  readonly #told = new OnceAMinute();
  #waiting: Incoming[] = [];
  #wake: (() => void) | undefined;
  #disposed = false;
  #failure: { error: unknown } | undefined;

  constructor(shared: SharedSocket, options: DatagramListenerOptions) {
    this.#shared = shared;
    this.#options = options;
    options.log.notice("listener.open", `listening on ${formatAddress(this.address)}`);
    this.#receive();
  }

  get address(): SocketAddress {
    return this.#shared.socket.local;
  }

  [Symbol.asyncIterator](): AsyncIterator<Incoming> {
    return this;
  }

  async next(): Promise<IteratorResult<Incoming>> {
    for (;;) {
      const value = this.#waiting.shift();
      if (value) return { done: false, value };
      if (this.#disposed) return { done: true, value: undefined };
      if (this.#failure) throw this.#failure.error;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const untaken = this.#waiting;
    this.#waiting = [];
    for (const incoming of untaken) await incoming.reject(new ConnectError("listener is closing"));
    this.#shared.release();
    this.#wake?.();
  }

  async #receive(): Promise<void> {
    for (;;) {
      try {
        const packets = await this.#shared.socket.receive();
        if (packets === null) return;
        this.#sort(packets);
      } catch (error) {
        // Some systems report a peer's ICMP refusal on the shared socket; the socket itself is sound.
        if (error instanceof L7mpError && ["ECONNREFUSED", "ECONNRESET"].includes(error.code)) continue;
        this.#fail(error);
        return;
      }
    }
  }

  #sort(packets: readonly Packet[]): void {
    const due: PeerStream[] = [];
    let key: Peer["key"] | undefined;
    let stream: PeerStream | undefined;
    const mixed = packets.some(({ from }) => from.key !== packets[0]!.from.key);
    for (const packet of packets) {
      if (packet.from.key !== key) {
        key = packet.from.key;
        stream = this.#peers.get(key) ?? this.#meet(packet.from);
      }
      if (stream?.push(packet, mixed)) due.push(stream);
    }
    for (const stream of due) stream.flush();
  }

  /** A session for a new peer, or undefined when it cannot have one. */
  #meet(peer: Peer): PeerStream | undefined {
    const { log, fork } = this.#options;
    if (!fork && this.#peers.size > 0) {
      this.#tell(`ignoring ${formatAddress(peer.address)}: session already open; add ",fork" to serve more than one`);
      return undefined;
    }
    if (this.#disposed) return undefined;
    if (this.#waiting.length >= maxWaitingPeers) {
      this.#tell(`ignoring ${formatAddress(peer.address)}: ${maxWaitingPeers} peers are waiting already`);
      return undefined;
    }
    if (log.enabled("notice")) {
      const [from, on] = [formatAddress(peer.address), formatAddress(this.address)];
      log.notice("listener.accept", `accepting connection from ${from} on ${on}`);
    }
    const stream = this.#open(peer);
    this.#peers.set(peer.key, stream);
    this.#waiting.push(incoming(stream));
    this.#wake?.();
    return stream;
  }

  #open(peer: Peer): PeerStream {
    const { protocol, log, queueDatagrams, maxDatagramBytes } = this.#options;
    const name = formatAddress(peer.address);
    const info: StreamInfo = { protocol, name, local: this.address, remote: peer.address };
    const onEnd = () => this.#peers.delete(peer.key);
    return new PeerStream({
      use: this.#shared.use(),
      peer,
      info,
      log,
      maxDatagramBytes,
      queueDatagrams,
      onEnd,
    });
  }

  #tell(message: string): void {
    if (this.#told.due()) this.#options.log.notice("listener.ignored", message);
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    for (const stream of this.#peers.values()) stream.fail(error);
    this.#wake?.();
  }
}

/** A caller that is already there: accepting gives `stream`, refusing drops it. */
export function incoming(stream: PeerStream): Incoming {
  return {
    info: stream.info,
    accept: async (signal) => {
      if (signal.aborted) stream.abort(signal.reason);
      signal.throwIfAborted();
      return stream;
    },
    reject: async (error) => stream.abort(error),
  };
}
