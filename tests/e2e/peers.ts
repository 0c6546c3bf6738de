/** Scripted peers inside the test process: TCP, UNIX, UDP and WebSocket. All close with the case that made them. */

import { concat } from "../../lib/stream/concat.ts";
import type { Run } from "./harness.ts";
import { defaultDeadlineMs, within } from "./wait.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One end of a TCP or UNIX connection. */
export class Peer implements Disposable {
  readonly conn: Deno.Conn;
  #kept: Uint8Array = new Uint8Array(0);
  #closed = false;

  constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  async send(data: string | Uint8Array): Promise<void> {
    let bytes = typeof data === "string" ? encoder.encode(data) : data;
    while (bytes.length > 0) bytes = bytes.subarray(await this.conn.write(bytes));
  }

  async endWrite(): Promise<void> {
    await this.conn.closeWrite();
  }

  /** Exactly this many characters (of ASCII). */
  async text(length: number, deadlineMs = defaultDeadlineMs): Promise<string> {
    return await within(`${length} bytes from the peer`, this.#text(length), deadlineMs);
  }

  async #text(length: number): Promise<string> {
    while (this.#kept.length < length) {
      const buffer = new Uint8Array(65536);
      const n = await this.conn.read(buffer);
      if (n === null) throw new Error(`end after "${decoder.decode(this.#kept)}", ${length} bytes expected`);
      this.#kept = concat([this.#kept, buffer.subarray(0, n)]);
    }
    const text = decoder.decode(this.#kept.subarray(0, length));
    this.#kept = this.#kept.subarray(length);
    return text;
  }

  /** Everything up to the peer's end. A reset rejects. */
  async rest(deadlineMs = defaultDeadlineMs): Promise<Uint8Array> {
    return await within("end of the connection", this.#rest(), deadlineMs);
  }

  async #rest(): Promise<Uint8Array> {
    const chunks = [this.#kept];
    this.#kept = new Uint8Array(0);
    while (true) {
      const buffer = new Uint8Array(65536);
      const n = await this.conn.read(buffer);
      if (n === null) return concat(chunks);
      chunks.push(buffer.subarray(0, n));
    }
  }

  async restText(deadlineMs = defaultDeadlineMs): Promise<string> {
    return decoder.decode(await this.rest(deadlineMs));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

type Where = { readonly tcp: number; readonly hostname?: string } | { readonly unix: string };

export async function connect(run: Run, where: Where): Promise<Peer> {
  const peer = new Peer(
    "tcp" in where
      ? await dial(where.tcp, where.hostname) ?? resetAtOnce()
      : await Deno.connect({ transport: "unix", path: where.unix }),
  );
  run.defer(() => peer.close());
  return peer;
}

/**
 * Connects. Undefined: the connection was made and reset before the runtime, which says so when it is made, had looked at
 * it or had asked for its addresses.
 */
export async function dial(port: number, hostname = "127.0.0.1"): Promise<Deno.TcpConn | undefined> {
  try {
    return await Deno.connect({ hostname, port });
  } catch (error) {
    if (error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionReset) return undefined;
    throw error;
  }
}

/** A connection of which one hears only when it is used that it was reset. */
function resetAtOnce(): Deno.Conn {
  const fail = () => Promise.reject(new Deno.errors.ConnectionReset("reset before it was seen"));
  return { read: fail, write: fail, closeWrite: fail, close() {} } as unknown as Deno.Conn;
}

/** The callers of a listener until it is closed, without those that were gone before they could be accepted. */
export async function* callers(listener: Deno.Listener): AsyncGenerator<Deno.Conn> {
  while (true) {
    try {
      yield await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.NotConnected) continue;
      if (error instanceof Deno.errors.BadResource) return;
      throw error;
    }
  }
}

/** A stream server; `handle` runs once for every connection, which is closed after it. Errors of peers that leave are ignored. */
export function serveStreams(run: Run, where: Where, handle: (peer: Peer) => Promise<void>): { connections: number } {
  const listener: Deno.Listener = "tcp" in where
    ? Deno.listen({ hostname: "127.0.0.1", port: where.tcp })
    : Deno.listen({ transport: "unix", path: where.unix });
  const seen = { connections: 0 };
  const peers = new Set<Peer>();
  const tasks: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of callers(listener)) {
      seen.connections++;
      const peer = new Peer(conn);
      peers.add(peer);
      tasks.push(
        handle(peer).catch(() => {}).finally(() => {
          peers.delete(peer);
          peer.close();
        }),
      );
    }
  })();
  run.defer(async () => {
    listener.close();
    await accepting;
    for (const peer of peers) peer.close();
    await Promise.all(tasks);
  });
  return seen;
}

/** Sends everything back and ends when the peer ended. */
export async function echo(peer: Peer): Promise<void> {
  const buffer = new Uint8Array(65536);
  while (true) {
    const n = await peer.conn.read(buffer);
    if (n === null) break;
    await peer.send(buffer.slice(0, n));
  }
  await peer.endWrite();
}

/** Asks for an upgrade to WebSocket and gives the answer's status line and header, lower case. */
export async function upgrade(
  run: Run,
  port: number,
  path: string,
  headers: readonly string[] = [],
): Promise<{ status: number; head: string; peer: Peer }> {
  const peer = await connect(run, { tcp: port });
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  ];
  await peer.send(lines.join("\r\n") + "\r\n\r\n");
  let head = "";
  while (!head.endsWith("\r\n\r\n")) head += await peer.text(1);
  return { status: Number(head.split(" ")[1]), head: head.toLowerCase(), peer };
}

/** A UDP socket on a port of its own. */
export class UdpPeer {
  readonly #socket: Deno.DatagramConn;
  readonly received: Uint8Array[] = [];
  readonly senders: Deno.NetAddr[] = [];
  readonly #reading: Promise<void>;
  readonly #answer: ((data: Uint8Array) => Uint8Array | null) | undefined;

  constructor(run: Run, options: { port?: number; answer?: (data: Uint8Array) => Uint8Array | null } = {}) {
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: options.port ?? 0 });
    this.#answer = options.answer;
    this.#reading = this.#read();
    run.defer(async () => {
      this.#socket.close();
      await this.#reading;
    });
  }

  async #read(): Promise<void> {
    for await (const [data, from] of this.#socket) {
      this.received.push(data.slice());
      this.senders.push(from as Deno.NetAddr);
      const answer = this.#answer?.(data);
      if (answer) await this.#socket.send(answer, from);
    }
  }

  get port(): number {
    return (this.#socket.addr as Deno.NetAddr).port;
  }
  get texts(): string[] {
    return this.received.map((data) => decoder.decode(data));
  }

  async send(data: string | Uint8Array, port: number, hostname = "127.0.0.1"): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    await this.#socket.send(bytes, { transport: "udp", hostname, port });
  }
}

export interface WebSocketServerOptions {
  /** Called for each message; what it sends goes out on the same connection. */
  readonly message?: (socket: WebSocket, data: string | ArrayBuffer, connection: number) => void;
  readonly open?: (socket: WebSocket, connection: number) => void;
  /** Where it listens, 127.0.0.1 unless a UNIX path is given. */
  readonly unix?: string;
  readonly port?: number;
}

export interface WebSocketRecord {
  readonly url: string;
  readonly headers: Headers;
  readonly messages: (string | ArrayBuffer)[];
  readonly socket: WebSocket;
  closed?: CloseEvent;
}

/** A WebSocket server that records what every connection said. Without `message` it echoes. */
export function serveWebSockets(run: Run, options: WebSocketServerOptions): WebSocketRecord[] {
  const records: WebSocketRecord[] = [];
  const handler = (request: Request): Response => {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return new Response("no", { status: 400 });
    // After the upgrade the request can no longer be asked.
    const headers = new Headers(request.headers);
    const { socket, response } = Deno.upgradeWebSocket(request);
    const record: WebSocketRecord = { url: request.url, headers, messages: [], socket };
    const connection = records.push(record) - 1;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => options.open?.(socket, connection);
    socket.onmessage = (event) => {
      record.messages.push(event.data);
      if (options.message) options.message(socket, event.data, connection);
      else socket.send(event.data);
    };
    socket.onclose = (event) => {
      record.closed = event;
    };
    socket.onerror = () => {};
    return response;
  };
  const server = options.unix !== undefined
    ? Deno.serve({ path: options.unix, onListen() {} }, handler)
    : Deno.serve({ hostname: "127.0.0.1", port: options.port!, onListen() {} }, handler);
  run.defer(async () => {
    for (const { socket } of records) if (socket.readyState < WebSocket.CLOSING) socket.close();
    await server.shutdown();
  });
  return records;
}
