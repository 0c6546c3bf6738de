// Faults around sockets: resets, crowds, refusals, floods. Whole proxies in one process.

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertLess, assertMatch } from "@std/assert";
import net from "node:net";
import type { ListenOptions } from "../../lib/config/engine_options.ts";
import type { Endpoint } from "../../lib/config/plan.ts";
import type { Incoming, Protocol } from "../../lib/protocol.ts";
import { Proxy } from "../../lib/proxy.ts";
import type { SessionRecord } from "../../lib/session/record.ts";
import { datagramPair } from "../../lib/stream/memory.ts";
import type { DatagramStream, SocketAddress } from "../../lib/stream/stream.ts";
import { tcp } from "../../protocols/tcp.ts";
import { udp } from "../../protocols/udp.ts";
import { type Bench, driverTest } from "../support/drivers.ts";
import { closedPort } from "../support/machine.ts";
import { memoryEndpoint, plannedListener } from "../support/memory_plan.ts";

// The plug-ins have different specs.
// deno-lint-ignore no-explicit-any
type AnyProtocol = Protocol<any>;

function endpoint(protocol: AnyProtocol, role: "connect" | "listen", spec: Record<string, unknown>): Endpoint {
  const { kind } = protocol;
  const parsed = protocol.spec.parse({ fork: true, ...spec }, "");
  const listen = { fork: true } as ListenOptions;
  return {
    ...memoryEndpoint({ connect: never }),
    name: protocol.name,
    kind,
    role,
    source: { protocol, spec: parsed },
    listen,
  };
}

function never(): Promise<never> {
  throw new Error("not used");
}

/** A running proxy; `ends` resolve one by one as sessions end. */
async function relay({ driver, context }: Bench, source: Endpoint, target: Endpoint) {
  const records: SessionRecord[] = [];
  const bound = Promise.withResolvers<SocketAddress>();
  const watchers: { count: number; resolve: () => void }[] = [];
  const proxy = new Proxy({
    plan: { listeners: [plannedListener(source, target)], warnings: [] },
    driver,
    log: context.log,
    program: "l7mp",
    ipVersion: 4,
    compatSocat: false,
    events: {
      onListening: (_type, address) => bound.resolve(address),
      onSessionEnd(record) {
        records.push(record);
        for (const { count, resolve } of watchers) if (records.length >= count) resolve();
      },
    },
  });
  const running = proxy.run();
  if (source.role !== "listen") bound.resolve({ family: "unix", path: "" });
  return {
    proxy,
    running,
    records,
    port: portOf(await bound.promise),
    ended: (count: number) =>
      new Promise<void>((resolve) => records.length >= count ? resolve() : watchers.push({ count, resolve })),
    async stop() {
      await proxy.stop(0);
      await running;
    },
  };
}

function portOf(address: SocketAddress): number {
  return address.family === "unix" ? 0 : address.port;
}

const loopback = { address: "127.0.0.1", port: 0 };

/** A server whose connections a test handles; `connections` are what has come. */
async function upstream(handle: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 1024, resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function dial(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** Writes for as long as the socket lives. */
function flood(socket: net.Socket): void {
  const block = new Uint8Array(65_536);
  const more = () => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on("drain", more);
  more();
}

function closed(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    let end = "end";
    socket.on("error", (error) => end = (error as { code?: string }).code ?? error.message);
    socket.on("close", () => resolve(end));
  });
}

async function seen(what: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !what();) {
    assertLess(performance.now(), end, `not seen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

driverTest(
  "a reset in full flow reaches the other side and ends that session only",
  async (bench) => {
    const arrived: net.Socket[] = [];
    const server = await upstream((socket) => arrived.push(socket));
    const target = endpoint(tcp, "connect", { address: "127.0.0.1", port: server.port });
    const proxy = await relay(bench, endpoint(tcp, "listen", loopback), target);
    const bystander = await dial(proxy.port);
    await seen(() => arrived.length === 1);
    const client = await dial(proxy.port);
    await seen(() => arrived.length === 2);
    const peer = arrived[1]!;
    let [up, down] = [0, 0];
    peer.on("data", (data) => up += data.length);
    client.on("data", (data) => down += data.length);
    flood(client);
    flood(peer);
    await seen(() => up > 1e6 && down > 1e6);
    const peerEnd = closed(peer);
    client.resetAndDestroy();
    await proxy.ended(1);
    assertEquals(proxy.records[0]!.reason, "reset");
    const end = await peerEnd;
    if (bench.driver.name === "native") assertEquals(end, "ECONNRESET");
    const errors = bench.context.lines.filter((line) => line.startsWith("E"));
    assertEquals(errors.length, 1);
    assertMatch(
      errors[0]!,
      /^E (read|write)\(AF=2 127\.0\.0\.1:\d+\): (Connection reset by peer|Broken pipe) \(downstream/,
    );

    const echoed = new Promise<string>((resolve) => bystander.once("data", (data) => resolve(String(data))));
    arrived[0]!.once("data", (data) => arrived[0]!.write(data));
    bystander.write("still here");
    assertEquals(await echoed, "still here");
    const bystanderEnd = closed(bystander);
    await proxy.stop();
    bystander.destroy();
    await bystanderEnd;
    await server.close();
  },
);

driverTest("500 connections at once are each answered", async (bench) => {
  const server = await upstream((socket) => socket.pipe(socket));
  const target = endpoint(tcp, "connect", { address: "127.0.0.1", port: server.port });
  const proxy = await relay(bench, endpoint(tcp, "listen", loopback), target);
  const answers = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    const socket = await dial(proxy.port);
    let text = "";
    socket.on("data", (data) => text += data);
    const end = closed(socket);
    socket.end(`client ${i}`);
    await new Promise((resolve) => socket.once("end", resolve));
    socket.destroy();
    await end;
    return text;
  }));
  assertEquals(answers, Array.from({ length: 500 }, (_, i) => `client ${i}`));
  await proxy.ended(500);
  assertEquals(new Set(proxy.records.map(({ reason }) => reason)), new Set(["eof"]));
  await proxy.stop();
  await server.close();
});

driverTest("a UDP peer that is not there is an error of the session, as with socat", async (bench) => {
  const port = closedPort;
  const [ours, theirs] = datagramPair();
  const source = { ...memoryEndpoint({ connect: async () => theirs }), kind: "datagram" as const };
  const proxy = await relay(bench, source, endpoint(udp, "connect", { address: "127.0.0.1", port }));
  await ours.send([{ data: new Uint8Array(1) }]);
  const { error } = await proxy.running;
  assertEquals(error?.code, "ECONNREFUSED");
  assertMatch(error!.message, new RegExp(`^(read|write)\\(AF=2 127\\.0\\.0\\.1:${port}\\): Connection refused$`));
  assertEquals(proxy.records[0]!.reason, "error");
}, { skip: { portable: "the runtime does not report it" } });

driverTest(
  "a flood on a stalled UDP session is bounded, counted, and harms no other",
  async ({ context }) => {
    const listener = await udp.listen!(udp.spec.parse({ ...loopback, fork: true }, ""), context);
    const target = { address: "127.0.0.1", port: portOf(listener.address) };
    const client = () => udp.connect!(udp.spec.parse(target, ""), context) as Promise<DatagramStream>;
    const session = async () => {
      const { value } = await listener[Symbol.asyncIterator]().next();
      return await (value as Incoming).accept(context.signal) as DatagramStream;
    };
    const one = { data: new Uint8Array(1000) };
    const flooding = await client();
    await flooding.send([one]);
    const stalled = await session();
    const asking = await client();
    await asking.send([one]);
    const serving = await session();
    await serving.receive();

    // Each round ends with an answer, so the system's own buffer never overflows.
    const batch = Array.from({ length: 32 }, () => one);
    for (let round = 0; round < 300; round++) {
      await flooding.send(batch);
      await asking.send([{ data: new TextEncoder().encode(`question ${round}`) }]);
      await serving.send((await serving.receive())!);
      const answer = (await asking.receive())!;
      assertEquals(new TextDecoder().decode(answer[0]!.data), `question ${round}`);
    }
    assertEquals(serving.dropped, 0);
    const kept = (await stalled.receive())!.length;
    assertEquals(kept, 1024);
    assertEquals(stalled.dropped, 1 + 300 * batch.length - kept);
    assertEquals(context.lines.filter((line) => /^W queue of .* is full/.test(line)).length, 1);
    for (const stream of [flooding, asking, stalled, serving]) stream.abort();
    await listener[Symbol.asyncDispose]();
  },
);
