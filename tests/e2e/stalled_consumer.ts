/**
 * Memory of a relay between WebSocket and TCP while a fast sender offers 1 GiB to a consumer that reads nothing:
 * `deno run -A tests/e2e/stalled_consumer.ts [seconds]` prints it for every transport.
 */

import { heldMemory, l7mp, Run, serveMeasured } from "./harness.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { binaryOpcode, frame, upgradeAnswer, upgradeRequest } from "../support/raw_websocket.ts";
import { settledAt } from "../support/streams.ts";
import { delay, memory, within } from "./wait.ts";

export type Transport = "ws" | "wss" | "ws+unix";
export type Role = "listener" | "connector";
/** Who sends: the WebSocket peer or the TCP peer. */
export type Sender = "websocket" | "tcp";

export interface Stall {
  readonly transport: Transport;
  readonly role: Role;
  readonly sender: Sender;
}

export interface StallResult extends Stall {
  /** What the sender got rid of before it was held back, in bytes. */
  readonly taken: number;
  /** Growth of resident memory, garbage collected, in bytes. */
  readonly growth: number;
  /** The same before anything is collected, at its peak. */
  readonly peakGrowth: number;
}

const offered = 2 ** 30;
const blockBytes = 65_536;

interface Stalled {
  taken(): number;
  end(): Promise<void>;
}

/** Measures what a relay holds for a sender that it faces for `stallMs` while the consumer reads nothing. */
export async function measureStall(run: Run, stall: Stall, certificates: Certificates, stallMs: number) {
  const { transport, role, sender } = stall;
  const port = run.port();
  const other = run.port();
  const path = run.path(`s-${port}`);
  const tls = `cert=${certificates.path("server-both.pem")},verify=0`;
  const listener = { ws: `ws-l:${port},fork`, wss: `wss-l:${port},fork,${tls}`, "ws+unix": `ws-u:unix-l:${path},fork` };
  const connector = {
    ws: `ws://127.0.0.1:${other}`,
    wss: `wss://localhost:${other}/,cafile=${certificates.path("ca.pem")}`,
    "ws+unix": `ws+unix://${path}`,
  };
  const args = role === "listener"
    ? [`${listener[transport]}`, `tcp:127.0.0.1:${other}`]
    : [`tcp-l:${port},fork`, `${connector[transport]},binary`];
  using far = role === "listener"
    ? Deno.listen({ hostname: "127.0.0.1", port: other })
    : await listenFor(transport, other, path, certificates);
  const bound = role === "listener" && transport === "ws+unix" ? { unix: path } : { tcp: port };
  const relay = await serveMeasured(run, args, bound);
  const open = async (): Promise<{ from: Deno.Conn; to: Deno.Conn }> => {
    const accepting = far.accept();
    const near = role === "listener"
      ? await dial(transport, port, path, certificates)
      : await Deno.connect({ hostname: "127.0.0.1", port });
    const farther = role === "listener" ? accepting : accepting.then(answerUpgrade);
    if (role === "listener") await upgradeOf(near);
    const [a, b] = [near, await within("the far connection", farther)];
    const websocket = role === "listener" ? a : b;
    const plain = role === "listener" ? b : a;
    return sender === "websocket" ? { from: websocket, to: plain } : { from: plain, to: websocket };
  };
  const mask = role === "listener" ? [1, 2, 3, 4] as const : undefined;
  const block = sender === "websocket"
    ? frame(binaryOpcode, new Uint8Array(blockBytes), { mask })
    : new Uint8Array(blockBytes);

  const stallOne = async (): Promise<Stalled> => {
    const { from, to } = await open();
    let taken = 0;
    const sending = send(from, block, offered, (bytes) => taken = bytes).catch(() => {});
    return {
      taken: () => taken,
      async end() {
        to.close();
        from.close();
        await sending;
      },
    };
  };

  // What grows once (code, buffers, the heap's young generation) is there after the first, which stays.
  const first = await stallOne();
  await settledAt(first.taken, 1000);
  const before = (await heldMemory(run, relay)).rss;
  const second = await stallOne();
  let peak = 0;
  for (const end = performance.now() + stallMs; performance.now() < end; await delay(100)) {
    peak = Math.max(peak, await memory(relay.pid));
  }
  const after = (await heldMemory(run, relay)).rss;
  const taken = second.taken();
  await Promise.all([first.end(), second.end()]);
  relay.kill("SIGTERM");
  await relay.end();
  return { ...stall, taken, growth: after - before, peakGrowth: peak - before };
}

async function listenFor(transport: Transport, port: number, path: string, certificates: Certificates) {
  if (transport === "ws+unix") return Deno.listen({ transport: "unix", path }) as unknown as Deno.Listener;
  if (transport === "ws") return Deno.listen({ hostname: "127.0.0.1", port });
  const { cert, key } = { cert: certificates.text("server.pem"), key: certificates.text("server.key") };
  return Deno.listenTls({ hostname: "127.0.0.1", port, cert, key }) as unknown as Deno.Listener;
}

async function dial(transport: Transport, port: number, path: string, certificates: Certificates): Promise<Deno.Conn> {
  if (transport === "ws+unix") return await Deno.connect({ transport: "unix", path }) as unknown as Deno.Conn;
  if (transport === "ws") return await Deno.connect({ hostname: "127.0.0.1", port });
  return await Deno.connectTls({ hostname: "localhost", port, caCerts: [certificates.text("ca.pem")] });
}

/** The head of a message, which nothing follows yet. */
async function readHead(conn: Deno.Conn): Promise<string> {
  let text = "";
  while (!text.endsWith("\r\n\r\n")) {
    const buffer = new Uint8Array(1);
    if (await conn.read(buffer) === null) throw new Error(`end after "${text}"`);
    text += String.fromCharCode(buffer[0]!);
  }
  return text;
}

async function upgradeOf(conn: Deno.Conn): Promise<void> {
  await writeAll(conn, upgradeRequest());
  const head = await within("the answer", readHead(conn));
  if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(head);
}

async function answerUpgrade(conn: Deno.Conn): Promise<Deno.Conn> {
  await writeAll(conn, await upgradeAnswer(await readHead(conn)));
  return conn;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

async function send(conn: Deno.Conn, block: Uint8Array, total: number, taken: (bytes: number) => void): Promise<void> {
  for (let sent = 0; sent < total; taken(sent)) {
    await writeAll(conn, block);
    sent += block.length;
  }
}

export const stalls = (transport: Transport): Stall[] =>
  (["listener", "connector"] as const).flatMap((role) =>
    (["websocket", "tcp"] as const).map((sender) => ({ transport, role, sender }))
  );

if (import.meta.main) {
  const stallMs = Number(Deno.args[0] ?? 60) * 1000;
  const certificates = makeCertificates()!;
  for (const stall of (["ws", "wss", "ws+unix"] as const).flatMap(stalls)) {
    await using run = await Run.begin(l7mp);
    const { taken, growth, peakGrowth } = await measureStall(run, stall, certificates, stallMs);
    const [took, held, peak] = [taken, growth, peakGrowth].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    const { transport, role, sender } = stall;
    console.log(`${transport} ${role}, ${sender} sends: ${took} MiB taken, grew by ${held} MiB, at most ${peak} MiB`);
  }
}
