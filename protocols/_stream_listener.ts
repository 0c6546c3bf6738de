/** A listener over a driver's listening stream socket: one `Incoming` per connection. */
import type { StreamListener } from "../lib/driver.ts";
import type { Log } from "../lib/log.ts";
import type { Incoming, Listener } from "../lib/protocol.ts";
import { type ByteStream, formatAddress, type SocketAddress } from "../lib/stream/stream.ts";
import { readyCaller } from "./_ready_caller.ts";

/**
 * Accepts only when asked for the next caller, so callers beyond what the consumer takes wait in the backlog. `next`
 * rejects with `EMFILE` or `ENFILE` when out of descriptors and may be called again. Owns the listening socket;
 * accepted streams belong to whoever took them.
 */
export class SocketListener implements Listener, AsyncIterator<Incoming> {
  readonly #socket: StreamListener;
  readonly #log: Log;

  constructor(socket: StreamListener, log: Log) {
    this.#socket = socket;
    this.#log = log;
    log.notice("listener.open", `listening on ${formatAddress(socket.local)}`);
  }

  get address(): SocketAddress {
    return this.#socket.local;
  }

  [Symbol.asyncIterator](): AsyncIterator<Incoming> {
    return this;
  }

  async next(): Promise<IteratorResult<Incoming>> {
    const stream = await this.#socket.accept();
    return stream === null ? { done: true, value: undefined } : { done: false, value: this.#incoming(stream) };
  }

  #incoming(stream: ByteStream): Incoming {
    const { info } = stream;
    if (this.#log.enabled("notice")) {
      const remote = formatAddress(info.remote ?? this.address);
      const local = formatAddress(info.local ?? this.address);
      this.#log.notice("listener.accept", `accepting connection from ${remote} on ${local}`);
    }
    return readyCaller(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
  }
}
