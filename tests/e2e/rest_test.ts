// Acceptance examples: transforms, access log, stopping and leaks (E64, E65, E74 to E76).

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
// @ts-types="../deno_std.d.ts"
import { parse } from "@std/yaml";
import { connect as connectNode } from "node:net";
import { acceptance, eventually, heldMemory, patience, type Run, serveMeasured } from "./harness.ts";
import { connect, echo, serveStreams, UdpPeer } from "./peers.ts";
import { openHandles } from "./wait.ts";

acceptance("E64", "LOGGER copies both directions to a file with its prefix", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  const log = run.path("log");
  serveStreams(run, { tcp: backendPort }, async (peer) => {
    await peer.text(8);
    await peer.send("answer\n");
    await peer.rest();
  });
  await run.serve([`TCP-L:${port},fork`, `LOGGER:${log},prefix=in`, `TCP:127.0.0.1:${backendPort}`], { tcp: port });
  const client = await connect(run, { tcp: port });
  await client.send("question");
  assertEquals(await client.text(7), "answer\n");
  await client.endWrite();
  await client.rest();
  const text = await eventually("both payloads in the log", async () => {
    const text = await Deno.readTextFile(log).catch(() => "");
    return text.includes("question") && text.includes("answer") ? text : "";
  });
  assertMatch(text, /in.*question/);
  assertMatch(text, /in.*answer/);
});

acceptance("E65", "JSONENCAP makes one JSON line per datagram, and the plan shows LINES", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  let received = "";
  serveStreams(run, { tcp: backendPort }, async (peer) => {
    while (true) received += await peer.text(1);
  });
  const args = [`UDP-L:${port},fork`, "JSONENCAP", `TCP:127.0.0.1:${backendPort}`];
  const plan = parse(await run.out(["--plan", ...args]));
  const text = JSON.stringify(plan);
  assert(text.indexOf(`"LINES"`) > text.indexOf(`"JSONENCAP"`), `no LINES after JSONENCAP in ${text}`);
  await run.serve(args, { udp: port });
  const client = new UdpPeer(run);
  const datagrams = ["one", "two\nlines", ""];
  for (const datagram of datagrams) await client.send(datagram, port);
  await eventually("three lines", () => received.split("\n").length === 4, { details: () => received });
  const objects = received.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(objects.map((object) => atob(object.payload)), datagrams);
  for (const object of objects) {
    assertEquals(typeof object.metadata, "object");
    assertStringIncludes(JSON.stringify(object.metadata), String(client.port));
  }
});

acceptance("2.3", "JSONENCAP makes lines where only connecting tells that the other side is bytes", async (run) => {
  const path = run.path("messages.json");
  await run.out(["-u", "-", "LINES", "JSONENCAP", path], { input: "one\ntwo\n" });
  const written = await Deno.readTextFile(path);
  const objects = written.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(objects.map((object) => atob(object.payload)), ["one", "two"]);
  assertEquals(await run.out(["-u", path, "JSONDECAP", "LINES", "-"]), "one\ntwo\n");
});

acceptance("2.3", "JSONENCAP makes messages where only connecting tells that the other side is those", async (run) => {
  const path = run.path("socket");
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  run.defer(() => socket.close());
  await run.out(["-u", "-", "LINES", "JSONENCAP", `UNIX-CLIENT:${path}`], { input: "one\ntwo\n" });
  for (const expected of ["one", "two"]) {
    const text = new TextDecoder().decode((await socket.receive())[0]);
    assertEquals([atob(JSON.parse(text).payload), text.endsWith("}")], [expected, true]);
  }
});

/** A TCP connection that can be reset. */
async function connectResettable(run: Run, port: number) {
  const socket = connectNode({ host: "127.0.0.1", port, allowHalfOpen: true });
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {});
  run.defer(async () => {
    socket.destroy();
    await closed;
  });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("close", reject));
  return socket;
}

acceptance("E74", "the access log has a line for each session, with its reason", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  const file = run.path("a");
  serveStreams(run, { tcp: backendPort }, echo);
  const lines = async () => (await Deno.readTextFile(file).catch(() => "")).split("\n").filter((line) => line !== "");
  const line = async (count: number) =>
    (await eventually(`${count} lines`, async () => {
      const all = await lines();
      return all.length >= count ? all : undefined;
    }, { details: () => relay.describe() }))[count - 1]!;
  const args = (port: number) => [`--access-log=${file}`, `TCP-L:${port},fork`, `TCP:127.0.0.1:${backendPort}`];
  const relay = await run.serve(args(port), { tcp: port }, { stderr: "any" });

  const orderly = await connect(run, { tcp: port });
  await orderly.send("12345");
  await orderly.text(5);
  await orderly.endWrite();
  await orderly.rest();
  const first = await line(1);
  assertMatch(first, /\beof\b/);
  assertMatch(first, new RegExp(`127\\.0\\.0\\.1:${(orderly.conn.localAddr as Deno.NetAddr).port}\\b`));
  assertMatch(first, new RegExp(`127\\.0\\.0\\.1:${backendPort}\\b`));
  assertMatch(first, /\b5\b.*\b5\b/);

  const reset = await connectResettable(run, port);
  reset.write("x");
  await new Promise((resolve) => reset.once("data", resolve));
  reset.resetAndDestroy();
  assertMatch(await line(2), /\breset\b/);

  const idlePort = run.port();
  await run.serve(["-T0.3", ...args(idlePort)], { tcp: idlePort });
  const idle = await connect(run, { tcp: idlePort });
  await idle.rest().catch(() => {});
  assertMatch(await line(3), /\bidle\b/);
});

acceptance("E74", "a session whose target refuses is in the access log too", async (run) => {
  const port = run.port();
  const file = run.path("a");
  const args = [`--access-log=${file}`, `TCP-L:${port},fork`, `TCP:127.0.0.1:${run.port()}`];
  await run.serve(args, { tcp: port }, { stderr: / E .*Connection refused/ });
  const client = await connect(run, { tcp: port });
  await client.rest().catch(() => {});
  await eventually(
    "a line with the reason",
    async () => /\berror\b/.test(await Deno.readTextFile(file).catch(() => "")),
  );
});

async function graceful(run: Run) {
  const port = run.port();
  const relay = await run.serve([`--grace=${patience}`, `TCP-L:${port},fork`, "PIPE"], { tcp: port }, {
    code: 143,
    stderr: "any",
  });
  const client = await connect(run, { tcp: port });
  await client.send("a");
  assertEquals(await client.text(1), "a");
  relay.kill("SIGTERM");
  await eventually("refusal of new clients", async () => {
    try {
      (await connect(run, { tcp: port })).close();
      return false;
    } catch {
      return true;
    }
  });
  return { relay, client };
}

acceptance("E75", "with --grace the session goes on, and its end is ours", async (run) => {
  const { relay, client } = await graceful(run);
  await client.send("b");
  assertEquals(await client.text(1), "b");
  assert(relay.running);
  await client.endWrite();
  assertEquals(await client.restText(), "");
  await relay.end();
});

acceptance("E75", "a second SIGTERM ends at once", async (run) => {
  const { relay, client } = await graceful(run);
  relay.kill("SIGTERM");
  await relay.end();
  await client.rest().catch(() => {});
});

acceptance("E75", "without --grace SIGTERM ends a session at once", async (run) => {
  const port = run.port();
  const relay = await run.serve([`TCP-L:${port},fork`, "PIPE"], { tcp: port });
  const client = await connect(run, { tcp: port });
  await client.send("a");
  assertEquals(await client.text(1), "a");
  relay.kill("SIGTERM");
  await relay.end();
  await client.rest().catch(() => {});
  await assertRejects(() => connect(run, { tcp: port }), Deno.errors.ConnectionRefused);
});

acceptance("E76", "2000 short sessions, a quarter of them reset, leave nothing", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  const backend = serveStreams(run, { tcp: backendPort }, echo);
  const relay = await serveMeasured(run, [`TCP-L:${port},fork`, `TCP:127.0.0.1:${backendPort}`], { tcp: port });

  const session = async (reset: boolean): Promise<void> => {
    const socket = connectNode({ host: "127.0.0.1", port, allowHalfOpen: true });
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    const payload = crypto.randomUUID();
    let answer = "";
    const answered = new Promise<void>((resolve, reject) => {
      socket.on("data", (data) => {
        answer += data;
        if (answer.length >= payload.length) resolve();
      });
      socket.on("error", reject);
    });
    socket.write(payload);
    await answered;
    assertEquals(answer, payload);
    socket.on("error", () => {});
    if (reset) socket.resetAndDestroy();
    else socket.end();
    await closed;
  };
  const burst = async (count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, i) => session(i % 4 === 0)));
  };
  const before = await openHandles(relay.pid);
  const settled = () =>
    eventually(`${before} descriptors`, async () => await openHandles(relay.pid) === before, {
      details: () => relay.describe(),
    });

  const memoryAfter = async (count: number): Promise<Deno.MemoryUsage> => {
    for (let i = 0; i < count; i += 200) await burst(200);
    await settled();
    return await heldMemory(run, relay);
  };
  // The first round is for what grows once: code, pools, the young part of the heap.
  const first = await memoryAfter(2000);
  const second = await memoryAfter(2000);
  assertEquals(backend.connections, 4000);
  const grown = `grew from ${JSON.stringify(first)} to ${JSON.stringify(second)}`;
  assertLess(second.rss - first.rss, 20e6, grown);
  assertLess(second.heapUsed - first.heapUsed, 1e6, grown);
});
