/** A datagram socket that a listener and its sessions use together; the last one to leave closes it. */
import type { DatagramSocket, Packet, Peer } from "../lib/driver.ts";
import type { Datagram } from "../lib/stream/stream.ts";

export class SharedSocket {
  readonly socket: DatagramSocket;
  readonly #onClose: (() => void) | undefined;
  #users = 1;

  /** The maker is the first user. `onClose` is called when the socket closes. */
  constructor(socket: DatagramSocket, onClose?: () => void) {
    this.socket = socket;
    this.#onClose = onClose;
  }

  /** A further user: one session. */
  use(): SocketUse {
    this.retain();
    return new SocketUse(this);
  }

  /** A further user that calls `release` itself. */
  retain(): void {
    this.#users++;
  }

  /** Each user calls it once. */
  release(): void {
    if (--this.#users > 0) return;
    this.#onClose?.();
    this.socket.close();
  }
}

/** What a session holds of the socket. A pending `send` ends when the session does, not when the socket does. */
export class SocketUse {
  readonly #shared: SharedSocket;
  #sending: PromiseWithResolvers<void> | undefined;
  #left: { readonly error: unknown } | undefined;

  constructor(shared: SharedSocket) {
    this.#shared = shared;
  }

  /** As `DatagramSocket.send`; after `leave`, rejects with its error. */
  send(batch: readonly Datagram[], to: Peer): Promise<void> {
    if (this.#left) return Promise.reject(this.#left.error);
    const sending = Promise.withResolvers<void>();
    this.#sending = sending;
    this.#shared.socket.send(batch, to).then(sending.resolve, sending.reject);
    return sending.promise;
  }

  /** Gives the socket up; may be called twice. */
  leave(error: unknown): void {
    if (this.#left) return;
    this.#left = { error };
    this.#sending?.reject(error);
    this.#shared.release();
  }
}

/** The packet in memory of its own, where it is a view of more: a batch's packets may share theirs. */
export function detached(packet: Packet): Packet {
  const { data, from } = packet;
  return data.length === data.buffer.byteLength ? packet : { data: data.slice(), from };
}
