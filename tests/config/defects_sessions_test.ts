/** What the original got wrong about sessions and their data, by number, seen from outside. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Backend } from "../e2e/carriers.ts";
import { acceptance } from "../e2e/harness.ts";
import { connect, echo, serveWebSockets, UdpPeer } from "../e2e/peers.ts";
import { eventually, memory, openHandles, within } from "../e2e/wait.ts";
import { startService } from "./service.ts";
import { echoes, listener, loopback, tcp, withAccessLog } from "./documents.ts";

acceptance("i-4", "callers without a request reach a WebSocket cluster", async (run) => {
  const [port, udpPort, tcpPort] = [run.port(), run.port(), run.port()];
  const path = run.path("in");
  const records = serveWebSockets(run, { port });
  const to = { destination: "ws" };
  await startService(run, {
    listeners: [
      listener({ protocol: "UDP", address: "127.0.0.1", port: udpPort }, to, "udp"),
      listener({ protocol: "TCP", address: "127.0.0.1", port: tcpPort }, to, "tcp"),
      listener({ protocol: "UnixDomainSocket", filename: path }, to, "unix"),
    ],
    clusters: [{ name: "ws", spec: { protocol: "WebSocket", port }, endpoints: loopback }],
  });
  const peer = new UdpPeer(run);
  await peer.send("datagram", udpPort);
  await eventually("the answer", () => peer.texts[0] === "datagram");
  await echoes(await connect(run, { tcp: tcpPort }), "bytes");
  await echoes(await connect(run, { unix: path }), "local");
  assertEquals(records.map(({ url }) => new URL(url).pathname), ["/", "/", "/"]);
});

acceptance("i-6", "a UDP listener with one peer has its session again after the end of the first", async (run) => {
  const peer = new UdpPeer(run);
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener(
      { protocol: "UDP", address: "127.0.0.1", port, connect: { address: "127.0.0.1", port: peer.port } },
      { destination: "echo" },
    )],
    clusters: [{ name: "echo", spec: { protocol: "Echo" } }],
  });
  const seen = new Set<string>();
  for (let i = 1; i <= 3; i++) {
    // It is there before anything has come.
    const [{ name }] = await service.sessions(
      "a session",
      (all) => all.length === 1 && all[0].status === "CONNECTED" && !seen.has(all[0].name),
    );
    seen.add(name);
    await peer.send(`${i}`, port);
    await eventually("the answer", () => peer.texts.length === i);
    assertEquals(peer.senders.at(-1)!.port, port);
    await service.do("DELETE", `/sessions/${encodeURIComponent(name)}`);
  }
});

acceptance("i-7", "a sender whose first session failed is served as soon as there is a way", async (run) => {
  const port = run.port();
  const { service, ended } = await withAccessLog(run, {
    listeners: [listener({ protocol: "UDP", address: "127.0.0.1", port }, { destination: "echo" })],
  });
  const peer = new UdpPeer(run);
  await peer.send("too early", port);
  const [line] = await ended();
  assertMatch(line!, /reason=error/);
  await service.do("POST", "/clusters", { cluster: { name: "echo", spec: { protocol: "Echo" } } });
  await peer.send("now", port);
  await eventually("the answer", () => peer.texts.length === 1);
  assertEquals(peer.texts, ["now"]);
});

acceptance("i-8", "a burst of a new sender is one session, and mixes with nobody's", async (run) => {
  const port = run.port();
  const received = new Map<string, string[]>();
  const backend = new Backend(run, async ({ conn }) => {
    const seen: string[] = [];
    const buffer = new Uint8Array(65_536);
    for (let text = "";;) {
      const n = await conn.read(buffer);
      if (n === null) return;
      const lines = (text + new TextDecoder().decode(buffer.subarray(0, n))).split("\n");
      text = lines.pop()!;
      for (const { metadata, payload } of lines.map((line) => JSON.parse(line))) {
        seen.push(atob(payload));
        received.set(metadata.UDP.src_port, seen);
      }
    }
  });
  const { service } = await withAccessLog(run, {
    listeners: [listener(
      { protocol: "UDP", address: "127.0.0.1", port },
      { destination: "up", ingress: [{ spec: { protocol: "JSONEncap" } }] },
    )],
    clusters: [tcp("up", backend.port)],
  });
  const peers = Array.from({ length: 5 }, () => new UdpPeer(run));
  // No more than the socket of the listener holds, if all come at once.
  const expected = Array.from({ length: 40 }, (_, i) => `${i}`);
  await Promise.all(peers.map(async (peer) => {
    for (const text of expected) await peer.send(text, port);
  }));
  const complete = () =>
    [...received.values()].filter((lines) => lines.length === expected.length).length === peers.length;
  await eventually("all messages", complete);
  for (const lines of received.values()) assertEquals(lines, expected);
  assertEquals((await service.get("/sessions")).length, peers.length);
});

acceptance("i-9", "a connection that comes about after the session's end is closed", async (run) => {
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let leftWith: unknown = "nothing";
  const left = Promise.withResolvers<void>();
  const backend = new Backend(run, async (peer) => {
    while (!(await peer.text(1)).endsWith("\n"));
    asked.resolve();
    await answer.promise;
    try {
      await peer.send("HTTP/1.1 101 Switching Protocols\r\n");
      leftWith = (await peer.rest()).length >= 0 ? "end" : "";
    } catch (error) {
      leftWith = (error as Error).name;
    }
    left.resolve();
  });
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "TCP", address: "127.0.0.1", port }, {
      destination: "ws",
      retry: { retry_on: "never", timeout: 60_000 },
    })],
    clusters: [{ name: "ws", spec: { protocol: "WebSocket", port: backend.port }, endpoints: loopback }],
  });
  // The connection over which this is asked stays.
  assertEquals(await service.get("/sessions"), []);
  const handles = await openHandles(service.child.pid);
  const peer = await connect(run, { tcp: port });
  const [{ name, destination }] = await service.sessions("the attempt", ([one]) => one?.destination.status === "INIT");
  assertEquals(destination.origin, "ws");
  await within("the request", asked.promise);
  await service.do("DELETE", `/sessions/${encodeURIComponent(name)}`);
  await peer.rest().catch(() => {});
  answer.resolve();
  await within("the end at the upstream", left.promise);

  assert(leftWith !== "nothing");
  await eventually("as many descriptors as before", async () => await openHandles(service.child.pid) <= handles);
});

acceptance("i-10", "what a UDP sender sends to a session that cannot take it is bounded and counted", async (run) => {
  const greeted = Promise.withResolvers<void>();
  // Takes the connection, and says nothing.
  const backend = new Backend(run, async (peer) => {
    await peer.text(1);
    greeted.resolve();
    await peer.rest();
  });
  const port = run.port();
  const { service, ended } = await withAccessLog(run, {
    listeners: [listener({ protocol: "UDP", address: "127.0.0.1", port, queue: 100 }, {
      destination: "ws",
      retry: { retry_on: "never", timeout: 60_000 },
    })],
    clusters: [{ name: "ws", spec: { protocol: "WebSocket", port: backend.port }, endpoints: loopback }],
  });
  const peer = new UdpPeer(run);
  await peer.send("first", port);
  await within("the attempt", greeted.promise);
  const before = await memory(service.child.pid);
  const block = new Uint8Array(60_000);
  const full = /queue of AF=2 127\.0\.0\.1:\d+ is full \(100 datagrams or 1048576 bytes, option queue\)/;
  // Of what comes faster than it is read the kernel has room for a few only.
  await eventually("a full queue", async () => {
    for (let i = 0; i < 100; i++) await peer.send(block, port);
    return full.test(service.child.stderr);
  }, { details: () => service.child.describe() });
  for (let i = 0; i < 2000; i++) await peer.send(block, port);
  const grown = await memory(service.child.pid) - before;
  assert(grown < 60 * 1024 * 1024, `${grown} bytes more, of 120 MB sent`);
  const [{ name }] = await service.get("/sessions");
  await service.do("DELETE", `/sessions/${encodeURIComponent(name)}`);
  const [line] = await ended();
  const dropped = Number(/ dropped=(\d+)/.exec(line!)?.[1]);
  // What the kernel had no room for is nowhere seen.
  assert(dropped > 0, line);
});

acceptance("i-27", "the last transform on the way back is connected again like any other stage", async (run) => {
  const stages = { first: new Backend(run, echo), last: new Backend(run, echo), target: new Backend(run, echo) };
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "TCP", address: "127.0.0.1", port }, {
      destination: "target",
      egress: ["first", "last"],
      retry: { retry_on: "always", num_retries: 1000, timeout: 100 },
    })],
    clusters: Object.entries(stages).map(([name, { port }]) => tcp(name, port)),
  });
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "before");
  for (const [name, backend] of Object.entries(stages)) {
    await backend.stop();
    await service.sessions(
      `the loss of ${name}`,
      ([one]) => [one.destination, ...one.egress].some(({ origin, status }) => origin === name && status !== "READY"),
    );
    backend.start();
    await service.sessions(
      `${name} again`,
      ([one]) => [one.destination, ...one.egress].every(({ status }) => status === "READY"),
    );
    await echoes(peer, `after ${name}`);
  }
});

acceptance("i-30", "a stage that has lost its connection says so", async (run) => {
  const backend = new Backend(run, echo);
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "TCP", address: "127.0.0.1", port }, {
      destination: "up",
      retry: { retry_on: "always", num_retries: -1, timeout: 100, interval: 60_000 },
    })],
    clusters: [tcp("up", backend.port)],
  });
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "x");
  await backend.stop();
  const [session] = await service.sessions(
    "the loss",
    ([one]) => ["DISCONNECTED", "RETRYING"].includes(one.destination.status),
  );
  assertEquals(session.status, "DISCONNECTED");
  const event = session.events.findLast(({ event }: { event: string }) => event === "DISCONNECT");
  assertMatch(event.message, /^up: /);
});

acceptance("i-37", "an endpoint that is deleted gets nothing more, behind a JSONSocket as elsewhere", async (run) => {
  const headers: string[] = [];
  const server = (name: string) =>
    new UdpPeer(run, {
      answer: (data) => {
        const text = new TextDecoder().decode(data);
        if (!text.includes("JSONSocketVersion")) return new TextEncoder().encode(name);
        headers.push(name);
        return new TextEncoder().encode('{"JSONSocketVersion": 1, "JSONSocketStatus": 200}');
      },
    });
  const [a, b] = [server("a"), server("b")];
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "UDP", address: "127.0.0.1", port }, { destination: "js" })],
    clusters: [{
      name: "js",
      spec: { protocol: "JSONSocket", transport: { protocol: "UDP", port: 1 } },
      endpoints: [
        { name: "a", spec: { address: "127.0.0.1", port: a.port } },
        { name: "b", spec: { address: "127.0.0.1", port: b.port } },
      ],
    }],
  });
  const ask = async () => {
    const peer = new UdpPeer(run);
    await peer.send("x", port);
    await eventually("the answer", () => peer.texts.length === 1, { details: () => service.child.describe() });
    return peer.texts[0];
  };
  assertEquals(await ask(), "a");
  await service.do("DELETE", "/endpoints/a");
  assertEquals([await ask(), await ask()], ["b", "b"]);
  assertEquals(headers, ["a", "b", "b"]);
});

acceptance("i-43", "a dead endpoint is left out although the policy is Trivial or a key's", async (run) => {
  for (const loadbalancer of [{ policy: "Trivial" }, { policy: "ConsistentHash", key: "/IP/src_addr" }]) {
    const [one, two] = [new Backend(run, echo), new Backend(run, echo)];
    const port = run.port();
    const service = await startService(run, {
      listeners: [listener({ protocol: "TCP", address: "127.0.0.1", port }, { destination: "up" })],
      clusters: [{
        name: "up",
        spec: { protocol: "TCP", port: 1 },
        endpoints: [one, two].map(({ port }, i) => ({ name: `e${i}`, spec: { address: "127.0.0.1", port } })),
        loadbalancer,
        health_check: { interval: 100, unhealthy: 1, healthy: 1 },
      }],
    });
    const peer = await connect(run, { tcp: port });
    await echoes(peer, "x");
    const [{ destination }] = await service.get("/sessions");
    const own = destination.endpoint.name === "e0" ? one : two;
    await own.stop();
    await service.child.logs(/is unhealthy/);
    await echoes(await connect(run, { tcp: port }), "y");
    own.start();
    await eventually("the first again", async () => {
      const again = await connect(run, { tcp: port });
      await echoes(again, "z");
      const sessions = await service.get("/sessions");
      again.close();
      return sessions.at(-1).destination.endpoint.name === destination.endpoint.name;
    });
  }
});
