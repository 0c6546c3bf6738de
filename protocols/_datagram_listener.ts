/** A listener that gives every sender on one datagram socket a session of its own. */
import type { Peer } from "../lib/driver.ts";
import { ConnectError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Incoming, Listener } from "../lib/protocol.ts";
import { OnceAMinute } from "../lib/stream/once_a_minute.ts";
import { formatAddress, type SocketAddress, type StreamInfo } from "../lib/stream/stream.ts";
import type { DatagramPort, PeerTaker } from "./_datagram_port.ts";
import { PeerStream } from "./_peer_stream.ts";
import { readyCaller } from "./_ready_caller.ts";

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
 * Packets wait in bounded queues, one for each sender. Disposal stops taking new peers; sessions already given out go on,
 * and so does the port until the last of them has ended.
 */
export class DatagramListener implements Listener, AsyncIterator<Incoming>, PeerTaker {
  readonly #options: DatagramListenerOptions;
  readonly #port: DatagramPort;
  readonly #leave: () => void;
  readonly #told = new OnceAMinute();
  /** Sessions it has made. */
  #sessions = 0;
  #waiting: Incoming[] = [];
  #wake: (() => void) | undefined;
  #disposed = false;
  #failure: { error: unknown } | undefined;

  constructor(port: DatagramPort, options: DatagramListenerOptions) {
    this.#port = port;
    this.#options = options;
    const { log } = options;
    log.notice("listener.open", `listening on ${formatAddress(this.address)}`);
    if (port.isTaken) {
      const text = `${formatAddress(this.address)} is another listener's too, which has new senders until it is closed`;
      log.warn("listener.shared", text);
    }
    this.#leave = port.attach(this);
  }

  get address(): SocketAddress {
    return this.#port.address;
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
    this.#leave();
    this.#wake?.();
  }

  meet(peer: Peer, onEnd: () => void): PeerStream | undefined {
    const { log, fork } = this.#options;
    if (!fork && this.#sessions > 0) {
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
    const stream = this.#open(peer, onEnd);
    this.#waiting.push(incoming(stream));
    this.#wake?.();
    return stream;
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#wake?.();
  }

  #open(peer: Peer, forget: () => void): PeerStream {
    const { protocol, log, queueDatagrams, maxDatagramBytes } = this.#options;
    const name = formatAddress(peer.address);
    const info: StreamInfo = { protocol, name, local: this.address, remote: peer.address };
    this.#sessions++;
    const onEnd = () => {
      this.#sessions--;
      forget();
    };
    return new PeerStream({
      use: this.#port.shared.use(),
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
}

/** A caller that is already there: accepting gives `stream`, refusing drops it. */
export function incoming(stream: PeerStream): Incoming {
  const { info, accept, reject } = readyCaller(stream);
  return {
    info,
    accept,
    reject,
    get dropped() {
      return stream.dropped;
    },
  };
}
