/** A network in memory, and configurations that run over it: tests of the engine without a socket. */
import type { ConfigDocument } from "../../lib/config/document.ts";
import { RunningControl, type RunningControlOptions } from "../../lib/control/running_control.ts";
import type { Driver } from "../../lib/driver.ts";
import { ConnectError, type L7mpError } from "../../lib/errors.ts";
import type { Context, Incoming, Listener, Protocol, Registry, Transform } from "../../lib/protocol.ts";
import { Proxy, type ProxyEvents } from "../../lib/proxy.ts";
import * as s from "../../lib/schema.ts";
import type { SessionRecord } from "../../lib/session/record.ts";
import { bytePair, datagramPair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream, SocketAddress, Stream, StreamKind } from "../../lib/stream/stream.ts";
import { MemoryListener } from "./memory_plan.ts";
import { collectingLog } from "./steps.ts";

/** One attempt to connect: when it began, and where to. */
export interface Attempt {
  readonly port: number;
  readonly atMs: number;
}

/** What a port does with those who connect to it: a server's function, or an answer that never comes. */
export type Behaviour = ((near: Stream) => void) | "hang";

/** Ports are those of a test alone; nobody serves one unless the test does. */
export class MemoryNet {
  readonly attempts: Attempt[] = [];
  /** Attempts that wait for an answer. */
  hanging = 0;
  readonly #listeners = new Map<number, MemoryListener>();
  readonly #servers = new Map<number, Behaviour>();
  readonly #wraps = new Map<number, (near: Stream) => Stream>();
  #callers = 40_000;

  /** `MEM` and what it calls `TCP` move bytes, `MEMD` messages; `UPPER` is a transform. */
  readonly registry: Registry = {
    protocols: [this.#protocol("MEM", "byte"), this.#protocol("TCP", "byte"), this.#protocol("MEMD", "datagram")],
    layers: [],
    transforms: [upper],
  };

  /** Who connects to `port` is given to `behaviour`; undefined: refused. */
  serve(port: number, behaviour: Behaviour | undefined): void {
    if (behaviour) this.#servers.set(port, behaviour);
    else this.#servers.delete(port);
  }

  /** The far ends of those who connect to `port` from now on. */
  peers<S extends Stream = ByteStream>(port: number): S[] {
    const peers: S[] = [];
    this.serve(port, (far) => peers.push(far as S));
    return peers;
  }

  /** Those who connect to `port` get what `change` makes of their end. */
  wrap(port: number, change: (near: Stream) => Stream): void {
    this.#wraps.set(port, change);
  }

  /** What listens on `port`: another once it was bound anew. */
  boundAt(port: number): Listener | undefined {
    return this.#listeners.get(port);
  }

  listens(port: number): boolean {
    return this.#listeners.has(port);
  }

  /** A caller of whoever listens on `port`; `from` is its own port. */
  call(port: number, from = this.#callers++): { peer: ByteStream; refused: Promise<L7mpError> } {
    const listener = this.#listeners.get(port);
    if (!listener) throw new Error(`nobody listens on ${port}`);
    const remote: SocketAddress = { family: "inet", host: "10.0.0.1", port: from };
    const local: SocketAddress = { family: "inet", host: "10.0.0.2", port };
    const [peer, stream] = bytePair({ info: { protocol: "MEM", name: "caller", remote, local, halfCloses: true } });
    const refused = Promise.withResolvers<L7mpError>();
    const incoming: Incoming = {
      info: stream.info,
      accept: () => Promise.resolve(stream),
      reject(error) {
        refused.resolve(error);
        stream.abort();
        return Promise.resolve();
      },
    };
    listener.push({ peer, incoming, accepted: false });
    return { peer, refused: refused.promise };
  }

  #protocol(name: string, kind: StreamKind): Protocol<{ port?: number }> {
    const usual = { help: "" } as const;
    return {
      name,
      kind,
      end: kind === "byte" ? "half" : "none",
      spec: s.object({ address: s.string(), port: s.integer(), token: s.string() }),
      types: [
        { ...usual, names: [name], role: "connect", parameters: { form: "host:port" } },
        { ...usual, names: [`${name}-L`], role: "listen", parameters: { form: "[host:]port" } },
      ],
      connect: ({ port }, context) => this.#connect(port!, kind, context),
      listen: ({ port }) => this.#listen(port!),
    };
  }

  async #connect(port: number, kind: StreamKind, { signal }: Context): Promise<Stream> {
    signal.throwIfAborted();
    this.attempts.push({ port, atMs: performance.now() });
    const behaviour = this.#servers.get(port);
    if (behaviour === "hang") {
      this.hanging++;
      try {
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
      } finally {
        this.hanging--;
      }
    }
    if (typeof behaviour !== "function") {
      throw new ConnectError(`connect(${port}): Connection refused`, { code: "ECONNREFUSED" });
    }
    const info = { protocol: "MEM", name: `port ${port}`, halfCloses: kind === "byte" };
    const [far, near] = kind === "byte" ? bytePair({ info }) : datagramPair({ info });
    behaviour(far);
    return this.#wraps.get(port)?.(near) ?? near;
  }

  #listen(port: number): Promise<Listener> {
    if (this.#listeners.has(port)) {
      return Promise.reject(new ConnectError(`bind(${port}): Address already in use`, { code: "EADDRINUSE" }));
    }
    const listener = new MemoryListener();
    this.#listeners.set(port, listener);
    const close = listener[Symbol.asyncDispose].bind(listener);
    listener[Symbol.asyncDispose] = async () => {
      if (!listener.closed) this.#listeners.delete(port);
      await close();
    };
    return Promise.resolve(listener);
  }
}

const upper: Transform<Record<string, never>> = {
  name: "UPPER",
  types: [{ names: ["UPPER"], role: "local", parameters: { form: "none" }, help: "" }],
  needs: "any",
  gives: "same",
  spec: s.object({}),
  forward: () => ({
    push: ({ data, meta }, emit) =>
      emit({ data: new TextEncoder().encode(new TextDecoder().decode(data).toUpperCase()), meta }),
  }),
};

/** A configuration that runs over a memory network, until it is disposed. */
export class Gateway implements AsyncDisposable {
  readonly net: MemoryNet;
  readonly proxy: Proxy;
  readonly control: RunningControl;
  readonly records: SessionRecord[] = [];
  readonly lines: string[];

  constructor(options: Partial<RunningControlOptions> = {}, events: ProxyEvents = {}, net = new MemoryNet()) {
    const { log, lines } = collectingLog();
    this.net = net;
    this.lines = lines;
    this.proxy = new Proxy({
      plan: { listeners: [], warnings: [] },
      driver: {} as Driver,
      log,
      program: "l7mp",
      ipVersion: 0,
      compatSocat: false,
      observe: true,
      events: {
        onSessionStart: (session) => this.control.sessionChanged("ADDED", session),
        onSessionChange: (session) => this.control.sessionChanged("MODIFIED", session),
        onSessionEnd: (record, session) => {
          this.records.push(record);
          this.control.sessionChanged("DELETED", session);
        },
        ...events,
      },
    });
    this.control = new RunningControl({
      registry: net.registry,
      proxy: this.proxy,
      log,
      programVersion: "1",
      warnOfBoundaries: false,
      ...options,
    });
  }

  /** A running gateway of `document`. */
  static async start(document: ConfigDocument, options?: Partial<RunningControlOptions>): Promise<Gateway> {
    const gateway = new Gateway(options);
    await gateway.control.reload(document, "refuse");
    return gateway;
  }

  /** The only session, as the API shows it. */
  // deno-lint-ignore no-explicit-any
  get shown(): any {
    return JSON.parse(JSON.stringify(this.control.sessions()[0]));
  }

  /** `[active, connections made]` of all members of a cluster. */
  counts(cluster: string): { active: number; connections: number; pending: number } {
    const { members, pending } = this.control.clusters.get(cluster)!.cluster.statistics();
    const sum = (key: "active" | "connections") => members.reduce((sum, member) => sum + member[key], 0);
    return { active: sum("active"), connections: sum("connections"), pending };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.stop(0);
    await this.control[Symbol.asyncDispose]();
  }
}

export type { ByteStream, DatagramStream };
