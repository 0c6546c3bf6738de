/** A datagram stream that has a socket to itself: connected, sending to one address, or only receiving. */
import type { DatagramSocket, Peer } from "../lib/driver.ts";
import { L7mpError, StreamError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { OnceAMinute } from "../lib/stream/once_a_minute.ts";
import type { Datagram, DatagramStream, SocketAddress, StreamInfo } from "../lib/stream/stream.ts";
import type { SenderFilter } from "./_sender_filter.ts";

/** Largest payload of UDP: 65,535 less the headers; IPv6 does not count its own (RFC 768, RFC 8200 section 3). */
export function maxUdpBytes(address: SocketAddress): number | undefined {
  return address.family === "inet" ? 65_507 : address.family === "inet6" ? 65_527 : undefined;
}

/** A driver's `onDrop` that warns, at most once a minute. */
export function warnOfDrops(log: Log, name: string, maxBytes: number | undefined): (reason: string, n: number) => void {
  const told = new OnceAMinute();
  return (reason, bytes) => {
    if (!told.due()) return;
    const tooBig = maxBytes !== undefined && bytes > maxBytes;
    const why = tooBig ? `datagram of ${bytes} bytes does not fit UDP (${maxBytes})` : reason;
    const message = why.startsWith("datagram ") ? `${why}, dropped` : `datagram to ${name} dropped: ${why}`;
    log.warn("datagram.dropped", message);
  };
}

export interface SocketStreamOptions {
  readonly info: StreamInfo;
  /** Where to send, on a socket that is not connected. */
  readonly to?: Peer | SocketAddress;
  readonly filter?: SenderFilter;
  readonly maxDatagramBytes?: number;
  /** Receives nothing: `receive` gives the end at once. */
  readonly sendOnly?: boolean;
}

/** Owns `socket`. `closeWrite` does nothing: there is no end to tell. */
export class SocketDatagramStream implements DatagramStream {
  readonly kind = "datagram";
  readonly info: StreamInfo;
  readonly maxDatagramBytes: number | undefined;
  readonly #socket: DatagramSocket;
  readonly #to: Peer | SocketAddress | undefined;
  readonly #filter: SenderFilter | undefined;
  readonly #sendOnly: boolean;
  #failure: { error: unknown } | undefined;

  constructor(socket: DatagramSocket, options: SocketStreamOptions) {
    this.#socket = socket;
    this.info = options.info;
    this.maxDatagramBytes = options.maxDatagramBytes;
    this.#to = options.to;
    this.#filter = options.filter;
    this.#sendOnly = options.sendOnly === true;
  }

  get dropped(): number {
    return this.#socket.dropped;
  }

  async receive(): Promise<readonly Datagram[] | null> {
    for (;;) {
      this.#throwIfAborted();
      if (this.#sendOnly) return null;
      const packets = await this.#socket.receive();
      this.#throwIfAborted();
      if (packets === null || !this.#filter) return packets;
      const allowed = this.#filter.filter(packets);
      if (allowed.length > 0) return allowed;
    }
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    this.#throwIfAborted();
    try {
      await this.#socket.send(batch, this.#to);
    } catch (error) {
      this.#throwIfAborted();
      throw withBroadcastAdvice(error, this.info);
    }
  }

  async closeWrite(): Promise<void> {}

  abort(reason?: unknown): void {
    this.#failure ??= { error: reason ?? closed(this.info) };
    this.#socket.close();
  }

  #throwIfAborted(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** What calls on a stream that was closed without a reason reject with. */
export function closed(info: StreamInfo): StreamError {
  return new StreamError(`read(${info.name}): stream is closed`, { code: "CLOSED" });
}

/** Adds what to do to the refusal of a broadcast address, which comes when it is connected to or sent to. */
export function withBroadcastAdvice(error: unknown, { remote }: Pick<StreamInfo, "remote">): unknown {
  const ours = error instanceof L7mpError && /^(connect|write)\(/.test(error.message);
  if (!ours || error.code !== "EACCES" || remote?.family !== "inet") return error;
  error.message += "; sending to a broadcast address needs option broadcast";
  return error;
}
