/** The session of one peer on a socket that many peers share. */
import type { Packet, Peer } from "../lib/driver.ts";
import type { Log } from "../lib/log.ts";
import { OnceAMinute } from "../lib/stream/once_a_minute.ts";
import type { Datagram, DatagramStream, StreamInfo } from "../lib/stream/stream.ts";
import { closed } from "./_datagram_stream.ts";
import { detached, type SocketUse } from "./_shared_socket.ts";

/** Bound of one peer's queue beside its number of datagrams. */
const maxQueueBytes = 1024 * 1024;

export interface PeerStreamOptions {
  readonly use: SocketUse;
  readonly peer: Peer;
  readonly info: StreamInfo;
  readonly log: Log;
  readonly maxDatagramBytes?: number;
  /** Datagrams to keep while the session does not receive; the newest beyond it are dropped and counted. */
  readonly queueDatagrams: number;
  /** Called once, when the session has ended: forgets the peer. */
  onEnd(): void;
}

/** Owns its use of the socket. Its end is not the socket's. */
export class PeerStream implements DatagramStream {
  readonly kind = "datagram";
  readonly info: StreamInfo;
  readonly maxDatagramBytes: number | undefined;
  readonly #options: PeerStreamOptions;
  readonly #told = new OnceAMinute();
  #queue: Packet[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  #waiting: PromiseWithResolvers<readonly Datagram[] | null> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  constructor(options: PeerStreamOptions) {
    this.#options = options;
    this.info = options.info;
    this.maxDatagramBytes = options.maxDatagramBytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Keeps one packet. True when a receiver waits for it and `flush` is due after the rest of the batch. `mixed` says
   * that the batch, whose packets may share memory, has several senders.
   */
  push(packet: Packet, mixed: boolean): boolean {
    const { length } = packet.data;
    const full = this.#queue.length >= this.#options.queueDatagrams || this.#queuedBytes + length > maxQueueBytes;
    if (full) {
      this.#dropped++;
      if (this.#told.due()) this.#warnOfOverflow();
      return false;
    }
    this.#queuedBytes += length;
    if (this.#waiting) return this.#queue.push(packet) === 1;
    // What waits here must not keep the others' datagrams in memory.
    this.#queue.push(mixed ? detached(packet) : packet);
    return false;
  }

  /** Hands what has come to the receiver that waits. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(this.#takeAll());
  }

  /** The socket broke: what has come is still received, then the error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#failure.error);
  }

  receive(): Promise<readonly Datagram[] | null> {
    if (this.#queue.length > 0) return Promise.resolve(this.#takeAll());
    if (this.#failure) return Promise.reject(this.#failure.error);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  send(batch: readonly Datagram[]): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error);
    // The socket drops these and warns; only here they can be told from those of other sessions.
    const limit = this.maxDatagramBytes ?? Infinity;
    for (const { data } of batch) if (data.length > limit) this.#dropped++;
    return this.#options.use.send(batch, this.#options.peer);
  }

  async closeWrite(): Promise<void> {}

  abort(reason?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    const error = reason ?? closed(this.info);
    this.fail(error);
    this.#options.onEnd();
    this.#options.use.leave(error);
  }

  #takeAll(): readonly Datagram[] {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return queue;
  }

  #warnOfOverflow(): void {
    const { log, queueDatagrams } = this.#options;
    const bound = `${queueDatagrams} datagrams or ${maxQueueBytes} bytes, option queue`;
    log.warn("datagram.overflow", `queue of ${this.info.name} is full (${bound}), dropping datagrams`);
  }
}
