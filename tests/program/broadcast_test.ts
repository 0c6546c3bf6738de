// One connection for many sessions that is opened again when it is lost: once, below all of them.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import type { ConfigDocument, RetryDocument } from "../../lib/config/document.ts";
import { StreamError } from "../../lib/errors.ts";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { broadcast } from "../../protocols/broadcast.ts";
import { Gateway, MemoryNet } from "../support/memory_net.ts";
import { bytesOf, readAll, readBytes, receiveSome, textOf } from "../support/streams.ts";
import { until } from "../support/until.ts";

interface Setting {
  readonly retry?: RetryDocument;
  /** Of the connection below. */
  readonly kind?: "MEM" | "MEMD";
  /** Options of the address. */
  readonly options?: Record<string, unknown>;
  /** Those of the cluster's endpoints. */
  readonly ports?: readonly number[];
}

const always: RetryDocument = { retry_on: "always", num_retries: 0, interval: 1, num_reconnects: -1 };

/** A listener on port 1, before a cluster whose one connection is on port 9 or on `ports`. */
function documentOf({ retry = always, kind = "MEM", options, ports = [9] }: Setting): ConfigDocument {
  return {
    listeners: [{
      name: "in",
      spec: { protocol: "MEM", port: 1 },
      options: { track: 60 },
      rules: [{ action: { route: { destination: "up", retry } } }],
    }],
    clusters: [{
      name: "up",
      spec: { protocol: "Broadcast", ...options, transport: { protocol: kind } },
      loadbalancer: { policy: "RoundRobin" },
      endpoints: ports.map((port) => ({ name: `to-${port}`, spec: { address: "x", port } })),
    }],
  };
}

async function started(net: MemoryNet, setting: Setting = {}) {
  const gateway = new Gateway({ registry: { ...net.registry, layers: [broadcast] } }, {}, net);
  await gateway.control.reload(documentOf(setting), "refuse");
  return gateway;
}

/** `count` clients, all of them in. */
async function clientsOf({ net, proxy }: Gateway, count: number): Promise<ByteStream[]> {
  const connected = () => [...proxy.sessions.running()].filter((session) => session.connected).length;
  const before = connected();
  const clients = Array.from({ length: count }, () => net.call(1).peer);
  await until(() => connected() === before + count);
  return clients;
}

const read = async (stream: ByteStream, text: string) =>
  assertEquals(textOf(await readBytes(stream, text.length)), text);
const lost = () => new StreamError("read(x): Connection reset by peer", { code: "ECONNRESET" });
const warnings = ({ lines }: Gateway) => lines.filter((line) => /^W connection to .* lost \(/.test(line)).length;
// deno-lint-ignore no-explicit-any
const shown = ({ control }: Gateway): any[] => JSON.parse(JSON.stringify(control.sessions()));

Deno.test("broadcast: with reconnect opens a lost connection again once, and no session misses what it says first", async () => {
  const net = new MemoryNet();
  const servers: ByteStream[] = [];
  net.serve(9, (far) => {
    const server = far as ByteStream;
    if (servers.push(server) > 1) server.write(bytesOf(`hello ${servers.length};`));
  });
  await using gateway = await started(net);
  const clients = await clientsOf(gateway, 5);
  for (let i = 1; i <= 5; i++) {
    servers.at(-1)!.abort(i % 2 ? lost() : undefined);
    await until(() => servers.length === i + 1);
    for (const client of clients) await read(client, `hello ${i + 1};`);
  }
  for (const [i, client] of clients.entries()) await client.write(bytesOf(String(i)));
  assertEquals([...textOf(await readBytes(servers[5]!, 5))].sort().join(""), "01234");
  assertEquals([net.attempts.length, warnings(gateway)], [6, 5]);
});

Deno.test("broadcast: while the connection is away sessions come and go, and what they say is kept", async () => {
  const net = new MemoryNet();
  const first = net.peers(9);
  await using gateway = await started(net);
  const [a, b] = await clientsOf(gateway, 2) as [ByteStream, ByteStream];
  net.serve(9, undefined);
  first[0]!.abort();
  await until(() => net.attempts.length > 2);
  for (const { status, destination, events } of shown(gateway)) {
    assertEquals(status, "DISCONNECTED");
    assert(["DISCONNECTED", "RETRYING"].includes(destination.status), destination.status);
    assertEquals(events.at(-1).event, "DISCONNECT");
  }
  await a.write(bytesOf("a;"));
  a.abort(lost());
  await until(() => gateway.records.length === 1);
  const [c] = await clientsOf(gateway, 1) as [ByteStream];
  await c.write(bytesOf("c;"));
  await until(() => gateway.proxy.sessions.totals().ltr.bytes === 4);
  const second = net.peers(9);
  await until(() => second.length === 1);
  await read(second[0]!, "a;c;");
  await second[0]!.write(bytesOf("to all"));
  for (const client of [b, c]) await read(client, "to all");
  const running = shown(gateway).filter(({ status }) => status !== "DESTROYED");
  assertEquals(running.map(({ status, destination }) => [status, destination.status]), [
    ["CONNECTED", "READY"],
    ["CONNECTED", "READY"],
  ]);
  assertEquals(warnings(gateway), 1);
});

Deno.test("broadcast: a connection that stays away fails all its sessions after as many attempts as for one", async () => {
  const net = new MemoryNet();
  const servers = net.peers(9);
  await using gateway = await started(net, { retry: { ...always, num_reconnects: 3 } });
  const clients = await clientsOf(gateway, 4);
  net.serve(9, undefined);
  servers[0]!.abort();
  await until(() => gateway.records.length === 4);
  assertEquals(
    gateway.records.map(({ reason, error }) => [reason, error?.code]),
    Array(4).fill(["error", "ECONNREFUSED"]),
  );
  assertEquals([net.attempts.length, warnings(gateway)], [4, 1]);
  assertEquals(gateway.counts("up").active, 0);
  // The next one begins anew.
  const others = net.peers(9);
  const [next] = await clientsOf(gateway, 1) as [ByteStream];
  await others[0]!.write(bytesOf("x"));
  await read(next, "x");
  for (const client of clients) client.abort();
});

Deno.test("broadcast: the last session that leaves ends the attempts, and what was kept is told", async () => {
  const net = new MemoryNet();
  const servers = net.peers(9);
  await using gateway = await started(net);
  const [a, b] = await clientsOf(gateway, 2) as [ByteStream, ByteStream];
  net.serve(9, "hang");
  servers[0]!.abort();
  await until(() => net.hanging === 1);
  await a.write(bytesOf("12345"));
  await until(() => gateway.proxy.sessions.totals().ltr.bytes === 5);
  a.abort(lost());
  await until(() => gateway.records.length === 1);
  assertEquals(net.hanging, 1);
  b.abort(lost());
  await until(() => gateway.records.length === 2);
  assertEquals(net.hanging, 0);
  assertEquals(
    gateway.lines.filter((line) => line.includes("could not be delivered")),
    ["W connection to port 9 lost, and 5 bytes kept for it could not be delivered"],
  );
  const others = net.peers(9);
  const [c] = await clientsOf(gateway, 1) as [ByteStream];
  await c.write(bytesOf("c"));
  await read(others[0]!, "c");
});

Deno.test("broadcast: a program that stops while the connection is away leaves nothing behind", async () => {
  const net = new MemoryNet();
  const servers = net.peers(9);
  const gateway = await started(net);
  await clientsOf(gateway, 3);
  net.serve(9, "hang");
  servers[0]!.abort();
  await until(() => net.hanging === 1);
  await gateway[Symbol.asyncDispose]();
  assertEquals([net.hanging, gateway.records.length], [0, 3]);
});

Deno.test("broadcast: every connection begins with the preamble, not every session", async () => {
  const net = new MemoryNet();
  const servers = net.peers(9);
  await using gateway = await started(net, { options: { preamble: "login;" } });
  const clients = await clientsOf(gateway, 3);
  for (const client of clients) await client.write(bytesOf("x"));
  await read(servers[0]!, "login;xxx");
  servers[0]!.abort();
  await until(() => servers.length === 2);
  await clients[0]!.write(bytesOf("y"));
  await read(servers[1]!, "login;y");
});

Deno.test("broadcast: without reconnect the connection still begins with one preamble", async () => {
  const net = new MemoryNet();
  const servers = net.peers(9);
  await using gateway = await started(net, { options: { preamble: "login;" }, retry: { retry_on: "never" } });
  const [a, b] = await clientsOf(gateway, 2) as [ByteStream, ByteStream];
  await a.write(bytesOf("x"));
  await b.write(bytesOf("x"));
  await read(servers[0]!, "login;xx");
});

Deno.test("broadcast: among several endpoints each session finds another when its own is lost", async () => {
  const net = new MemoryNet();
  const [here, there] = [net.peers(9), net.peers(10)];
  await using gateway = await started(net, { ports: [9, 10], retry: { ...always, num_retries: -1 } });
  const clients = await clientsOf(gateway, 4);
  assertEquals([here.length, there.length], [1, 1]);
  net.serve(9, undefined);
  here[0]!.abort();
  const at = (port: number) => shown(gateway).filter(({ destination }) => destination.endpoint.name === `to-${port}`);
  await until(() => at(10).filter(({ status }) => status === "CONNECTED").length === 4);
  assertEquals(there.length, 1);
  await there[0]!.write(bytesOf("to all"));
  for (const client of clients) await read(client, "to all");
});

Deno.test("broadcast: a session whose endpoint is deleted ends, and so do its fellows, whether it was lost before or not", async () => {
  for (const lose of [false, true]) {
    const net = new MemoryNet();
    const servers = net.peers(9);
    await using gateway = await started(net);
    const clients = await clientsOf(gateway, 2);
    if (lose) {
      servers[0]!.abort();
      await until(() => servers.length === 2);
      await servers[1]!.write(bytesOf("x"));
      for (const client of clients) await read(client, "x");
    }
    await gateway.control.change((draft) => draft.deleteEndPoint("to-9", true));
    await until(() => gateway.records.length === 2);
    assertEquals(textOf(await readAll(servers.at(-1)!).catch(() => bytesOf("reset"))), "");
  }
});

Deno.test("broadcast: connect-timeout limits every attempt of the one connection, first and later ones", async () => {
  const net = new MemoryNet();
  net.serve(9, "hang");
  await using gateway = await started(net, { retry: { ...always, num_reconnects: 2, timeout: 20 } });
  net.call(1);
  net.call(1);
  await until(() => gateway.records.length === 2);
  assertEquals(gateway.records.map(({ error }) => error?.code), ["ETIMEDOUT", "ETIMEDOUT"]);
  assertEquals(net.hanging, 0);
  const servers = net.peers(9);
  await clientsOf(gateway, 2);
  const before = net.attempts.length;
  net.serve(9, "hang");
  servers[0]!.abort();
  await until(() => gateway.records.length === 4);
  assertEquals(gateway.records.slice(2).map(({ error }) => error?.code), ["ETIMEDOUT", "ETIMEDOUT"]);
  assertEquals([net.attempts.length - before, net.hanging], [2, 0]);
});

Deno.test("broadcast: a configuration read again leaves the connection as it is, to new sessions too", async () => {
  const net = new MemoryNet();
  const servers = net.peers(9);
  await using gateway = await started(net);
  const [a] = await clientsOf(gateway, 1) as [ByteStream];
  await gateway.control.reload(documentOf({}), "refuse");
  const [b] = await clientsOf(gateway, 1) as [ByteStream];
  servers[0]!.abort();
  await until(() => servers.length === 2);
  await servers[1]!.write(bytesOf("to all"));
  for (const client of [a, b]) await read(client, "to all");
  assertEquals([net.attempts.length, warnings(gateway)], [2, 1]);
});

Deno.test("broadcast: messages kept for a connection that is away are bounded, and dropped ones are their speaker's", async () => {
  const net = new MemoryNet();
  const servers = net.peers<DatagramStream>(9);
  const retry = { ...always, buffer: 2 * 129 };
  await using gateway = await started(net, { kind: "MEMD", retry });
  const [a, b] = await clientsOf(gateway, 2) as [ByteStream, ByteStream];
  net.serve(9, undefined);
  servers[0]!.abort();
  await until(() => warnings(gateway) === 1);
  for (let i = 1; i <= 5; i++) {
    await a.write(bytesOf(String(i)));
    await until(() => gateway.proxy.sessions.totals().ltr.bytes === i);
  }
  const again = net.peers<DatagramStream>(9);
  await until(() => again.length === 1);
  assertEquals((await receiveSome(again[0]!, 2)).map(textOf), ["1", "2"]);
  for (const client of [a, b]) {
    client.abort(lost());
    await until(() => gateway.records.length === (client === a ? 1 : 2));
  }
  assertEquals(gateway.records.map(({ dropped }) => dropped), [3, 0]);
});
