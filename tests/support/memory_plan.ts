/** Plans whose endpoints live in memory, for tests of the engine without a socket. */
import type { Endpoint, PlannedListener } from "../../lib/config/plan.ts";
import { ConnectError, type L7mpError } from "../../lib/errors.ts";
import type { Context, Incoming, Listener, Protocol } from "../../lib/protocol.ts";
import { object } from "../../lib/schema.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, SocketAddress, Stream } from "../../lib/stream/stream.ts";

/** A caller that a test plays: `peer` is its end. */
export interface Caller {
  readonly peer: ByteStream;
  readonly incoming: Incoming;
  accepted: boolean;
  refused?: L7mpError;
}

export function caller(host = "127.0.0.1", port = 5000): Caller {
  const remote: SocketAddress = { family: "inet", host, port };
  const [peer, stream] = bytePair({ info: { remote, halfCloses: true } });
  const made: Caller = {
    peer,
    accepted: false,
    incoming: {
      info: stream.info,
      accept: async () => {
        made.accepted = true;
        return stream;
      },
      reject: async (error) => {
        made.refused = error;
        stream.abort();
      },
    },
  };
  return made;
}

/** A listener whose callers a test hands in; an error handed in is what accepting fails with, once. */
export class MemoryListener implements Listener, AsyncIterator<Incoming> {
  readonly address: SocketAddress = { family: "inet", host: "127.0.0.1", port: 1 };
  readonly #queue: (Incoming | Error)[] = [];
  #waiting: PromiseWithResolvers<void> | undefined;
  closed = false;

  push(...items: (Caller | Error)[]): void {
    this.#queue.push(...items.map((item) => item instanceof Error ? item : item.incoming));
    this.#waiting?.resolve();
  }
  [Symbol.asyncIterator]() {
    return this;
  }
  async next(): Promise<IteratorResult<Incoming>> {
    while (this.#queue.length === 0) {
      if (this.closed) return { done: true, value: undefined };
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
    }
    const item = this.#queue.shift()!;
    if (item instanceof Error) throw item;
    return { done: false, value: item };
  }
  async [Symbol.asyncDispose]() {
    this.closed = true;
    this.#waiting?.resolve();
  }
}

/** An endpoint that gives `connect`'s streams, or listens on `listener`. */
export function memoryEndpoint(
  how: { listener: Listener } | { connect: (context: Context) => Promise<Stream> },
  changes: Partial<Endpoint> = {},
): Endpoint {
  const protocol: Protocol<unknown> = {
    name: "MEMORY",
    types: [],
    kind: "byte",
    end: "half",
    spec: object({}),
    ...("listener" in how
      ? { listen: async () => how.listener }
      : { connect: (_spec: unknown, context: Context) => how.connect(context) }),
  };
  return {
    name: "MEMORY",
    role: "listener" in how ? "listen" : "connect",
    direction: "both",
    kind: "byte",
    source: { protocol, spec: {} },
    layers: [],
    stream: {} as Endpoint["stream"],
    ...changes,
  };
}

/** A connector whose far ends a test plays: each connect adds one to `peers`. */
export function memoryTarget(): { endpoint: Endpoint; connect: () => Promise<ByteStream>; peers: ByteStream[] } {
  const peers: ByteStream[] = [];
  const connect = async () => {
    const [peer, stream] = bytePair({ info: { halfCloses: true } });
    peers.push(peer);
    return stream;
  };
  return { endpoint: memoryEndpoint({ connect }), connect, peers };
}

export function refusing(times: number, then: () => Promise<ByteStream>): () => Promise<ByteStream> {
  return async () => {
    if (times-- > 0) throw new ConnectError("connect(MEMORY): Connection refused", { code: "ECONNREFUSED" });
    return await then();
  };
}

export function plannedListener(
  endpoint: Endpoint,
  target: Endpoint,
  changes: Partial<PlannedListener> = {},
): PlannedListener {
  return {
    name: "cli",
    endpoint,
    target,
    session: { maxMessageBytes: 1 << 20, direction: "both", oneMessage: false },
    ingress: [],
    egress: [],
    retry: { count: 0, intervalMs: 1, timeoutMs: 0 },
    ...changes,
  };
}
