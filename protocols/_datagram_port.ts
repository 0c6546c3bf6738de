/** A bound datagram socket, the sessions of its peers, and the listeners that take new ones. */
import type { DatagramSocket, Packet, Peer } from "../lib/driver.ts";
import { L7mpError } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";
import type { SocketAddress } from "../lib/stream/stream.ts";
import type { PeerStream } from "./_peer_stream.ts";
import { SharedSocket } from "./_shared_socket.ts";

/** A listener as its port sees it. */
export interface PeerTaker {
  /** A session for a new peer; undefined when it cannot have one. `onEnd` is called when it has ended. */
  meet(peer: Peer, onEnd: () => void): PeerStream | undefined;
  /** The socket broke. */
  fail(error: unknown): void;
}

/**
 * Reads the socket all the time and sorts packets by sender, so a stalled session costs the others nothing. New senders
 * are the oldest listener's. Closes the socket when the last listener and the last session have left.
 */
export class DatagramPort {
  readonly shared: SharedSocket;
  readonly #peers = new Map<Peer["key"], PeerStream>();
  readonly #takers: PeerTaker[] = [];
  /** The last that has left: it may still have something to say of new senders. */
  #former: PeerTaker | undefined;
  #attached = 0;
  #failure: { readonly error: unknown } | undefined;

  /** The first that attaches owns `socket`, which is read from then on. */
  constructor(socket: DatagramSocket, onClose?: () => void) {
    this.shared = new SharedSocket(socket, onClose);
  }

  get address(): SocketAddress {
    return this.shared.socket.local;
  }

  get isBroken(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether a listener takes new peers. */
  get isTaken(): boolean {
    return this.#takers.length > 0;
  }

  /** The function it gives is to be called once, when the listener leaves. */
  attach(taker: PeerTaker): () => void {
    this.#takers.push(taker);
    if (this.#attached++ === 0) this.#receive();
    else this.shared.retain();
    if (this.#failure) taker.fail(this.#failure.error);
    return () => {
      this.#takers.splice(this.#takers.indexOf(taker), 1);
      this.#former = taker;
      this.shared.release();
    };
  }

  async #receive(): Promise<void> {
    for (;;) {
      try {
        const packets = await this.shared.socket.receive();
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

  #meet(peer: Peer): PeerStream | undefined {
    const stream = (this.#takers[0] ?? this.#former)?.meet(peer, () => this.#peers.delete(peer.key));
    if (stream) this.#peers.set(peer.key, stream);
    return stream;
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    for (const stream of this.#peers.values()) stream.fail(error);
    for (const taker of this.#takers) taker.fail(error);
  }
}

/** Ports that are open, by what they were opened with; made by the first that asks. */
const openPorts = {};

/**
 * The port of this process for `key`, or a new one over what `open` gives. So a listener can take the place of another
 * whose sessions still have the port.
 */
export async function datagramPort(
  key: unknown,
  context: Pick<Context, "shared">,
  open: () => Promise<DatagramSocket>,
): Promise<DatagramPort> {
  if (!context.shared) return new DatagramPort(await open());
  const ports = context.shared(openPorts, () => new Map<string, DatagramPort>());
  const name = JSON.stringify(key);
  const found = ports.get(name);
  if (found && !found.isBroken) return found;
  const port = new DatagramPort(await open(), () => ports.delete(name));
  ports.set(name, port);
  return port;
}
