/** Three backends behind one cluster, and callers that learn which of them they have got. */
import type { ClusterDocument, ConfigDocument, ListenerDocument, RetryDocument } from "../../lib/config/document.ts";
import { Backend } from "../e2e/carriers.ts";
import type { StartOptions } from "../e2e/child.ts";
import type { Run } from "../e2e/harness.ts";
import { echo, Peer } from "../e2e/peers.ts";
import { type Service, startService } from "./service.ts";

export const names = ["a", "b", "c"] as const;
export type Name = typeof names[number];

/** What one kind of fleet differs in from another. */
export interface FleetOptions {
  readonly protocol?: "TCP" | "HTTP";
  readonly listener?: Partial<ListenerDocument>;
  readonly cluster?: Partial<ClusterDocument>;
  readonly retry?: RetryDocument;
  readonly weights?: readonly number[];
  readonly priorities?: readonly number[];
  readonly start?: StartOptions;
}

/** A listener `in` whose sessions go to the cluster `up`, whose endpoints `a`, `b` and `c` have a port each. */
export class Fleet {
  readonly run: Run;
  readonly port: number;
  readonly backends: Readonly<Record<Name, Backend>>;
  readonly service: Service;

  private constructor(run: Run, port: number, backends: Record<Name, Backend>, service: Service) {
    this.run = run;
    this.port = port;
    this.backends = backends;
    this.service = service;
  }

  static async start(run: Run, options: FleetOptions = {}): Promise<Fleet> {
    const { protocol = "TCP", weights = [], priorities = [], retry, start } = options;
    const backends = { a: newBackend(run, "a"), b: newBackend(run, "b"), c: newBackend(run, "c") };
    const port = run.port();
    const document: ConfigDocument = {
      listeners: [{
        name: "in",
        spec: { protocol, address: "127.0.0.1", port },
        rules: [{ action: { route: { destination: "up", ...(retry && { retry }) } } }],
        ...options.listener,
      }],
      clusters: [{
        name: "up",
        spec: { protocol: "TCP", port: run.port() },
        endpoints: names.map((name, i) => ({
          name,
          spec: { address: "127.0.0.1", port: backends[name].port },
          ...(weights[i] !== undefined && { weight: weights[i] }),
          ...(priorities[i] !== undefined && { priority: priorities[i] }),
        })),
        ...options.cluster,
      }],
    };
    return new Fleet(run, port, backends, await startService(run, document, start));
  }

  /** A session that stays; with the name of its backend. `from`: address of the caller. */
  async join(from = "127.0.0.1"): Promise<{ name: Name; peer: Peer }> {
    const peer = new Peer(await connectFrom(from, this.port));
    this.run.defer(() => peer.close());
    return { name: await peer.text(1) as Name, peer };
  }

  /** The backend of a session that ends at once; undefined: it got none. */
  async visit(from?: string): Promise<Name | undefined> {
    try {
      const { name, peer } = await this.join(from);
      await peer.endWrite();
      await peer.rest();
      return name;
    } catch {
      return undefined;
    }
  }

  /** How many of `count` sessions, one after another, each backend got. */
  async visits(count: number, from?: string): Promise<Record<Name, number>> {
    const seen = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < count; i++) {
      const name = await this.visit(from);
      if (name) seen[name]++;
    }
    return seen;
  }

  /** One request; the body is the backend's name. */
  async ask(headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.port}/`, { headers });
    return { status: response.status, body: await response.text() };
  }

  /** Resolves when no session runs. */
  async quiet(): Promise<void> {
    await this.service.sessions("the end of all sessions", (all) => all.length === 0);
  }
}

/** Says its name, then sends everything back. */
function newBackend(run: Run, name: Name): Backend {
  return new Backend(run, async (peer) => {
    await peer.send(name);
    await echo(peer);
  });
}

/** A connection from an address of this machine; `Deno.connect` cannot choose one. */
async function connectFrom(address: string, port: number): Promise<Deno.Conn> {
  if (address === "127.0.0.1") return await Deno.connect({ hostname: "127.0.0.1", port });
  const { connect } = await import("node:net");
  const socket = connect({ host: "127.0.0.1", port, localAddress: address, allowHalfOpen: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const reader = socket[Symbol.asyncIterator]();
  let rest = new Uint8Array(0);
  const conn = {
    async read(buffer: Uint8Array) {
      if (rest.length === 0) {
        const { done, value } = await reader.next();
        if (done) return null;
        rest = value;
      }
      const part = rest.subarray(0, buffer.length);
      buffer.set(part);
      rest = rest.subarray(part.length);
      return part.length;
    },
    write: (bytes: Uint8Array) =>
      new Promise<number>((resolve, reject) => {
        socket.write(bytes.slice(), (error) => error ? reject(error) : resolve(bytes.length));
      }),
    closeWrite: () => new Promise<void>((resolve) => socket.end(resolve)),
    close: () => void socket.destroy(),
  };
  return conn as unknown as Deno.Conn;
}
