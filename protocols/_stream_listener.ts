/** A listener over a driver's listening stream socket: one `Incoming` per connection. */
import type { StreamListener } from "../lib/driver.ts";
import { L7mpError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Incoming, Listener } from "../lib/protocol.ts";
import { type ByteStream, formatAddress, type SocketAddress } from "../lib/stream/stream.ts";

/** How long accepting rests when the process is out of descriptors. */
const pauseMs = 100;

/**
 * Accepts only when asked for the next caller, so callers beyond what the consumer takes wait in the backlog. Out of
 * descriptors it warns once, pauses and tries again. Owns the socket; accepted streams belong to whoever accepts.
 */
export class SocketListener implements Listener {
  readonly #socket: StreamListener;
  readonly #log: Log;
  #closed = false;
  #endPause: (() => void) | undefined;

  constructor(socket: StreamListener, log: Log) {
    this.#socket = socket;
    this.#log = log;
    log.notice("listener.open", `listening on ${formatAddress(socket.local)}`);
  }

  get address(): SocketAddress {
    return this.#socket.local;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Incoming> {
    let warned = false;
    while (!this.#closed) {
      let stream: ByteStream | null;
      try {
        stream = await this.#socket.accept();
      } catch (error) {
        if (this.#closed) return;
        if (!(error instanceof L7mpError) || !["EMFILE", "ENFILE"].includes(error.code)) throw error;
        if (!warned) this.#log.warn("listener.paused", `${error.message}; accepting pauses until a session ends`);
        warned = true;
        await this.#pause();
        continue;
      }
      if (stream === null) return;
      warned = false;
      yield this.#incoming(stream);
    }
  }

  #incoming(stream: ByteStream): Incoming {
    if (this.#log.enabled("notice")) {
      const remote = formatAddress(stream.info.remote ?? this.address);
      const local = formatAddress(stream.info.local ?? this.address);
      this.#log.notice("listener.accept", `accepting connection from ${remote} on ${local}`);
    }
    return {
      info: stream.info,
      accept: async (signal) => {
        if (signal.aborted) stream.abort(signal.reason);
        signal.throwIfAborted();
        return stream;
      },
      reject: async () => stream.abort(),
    };
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endPause = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#endPause?.();
    this.#socket.close();
  }
}
