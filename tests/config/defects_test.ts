/** What the original got wrong, by number, seen from outside. Others of these stand where what they are about is tested. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ClusterDocument, ConfigDocument, ListenerDocument, RouteDocument } from "../../lib/config/document.ts";
import { Backend } from "../e2e/carriers.ts";
import { acceptance, type Run } from "../e2e/harness.ts";
import { connect, echo, type Peer, serveWebSockets, UdpPeer } from "../e2e/peers.ts";
import { descriptors, eventually, isBound, memory, openHandles, within } from "../e2e/wait.ts";
import { type Service, startService } from "./service.ts";

const loopback = [{ spec: { address: "127.0.0.1" } }];

function tcp(name: string, port: number): ClusterDocument {
  return { name, spec: { protocol: "TCP", port }, endpoints: loopback };
}

/** A listener all of whose sessions go `route`. */
function listener(spec: ListenerDocument["spec"], route: RouteDocument, name = "in"): ListenerDocument {
  return { name, spec, rules: [{ action: { route } }] };
}

async function echoes(peer: Peer, text: string): Promise<void> {
  await peer.send(text);
  assertEquals(await peer.text(text.length), text);
}

/** Names of the objects of all kinds. */
async function names(service: Service): Promise<Record<string, string[]>> {
  const { listeners, clusters, rulelists, rules, routes, endpoints } = await service.get("/config");
  const lists = Object.entries({ listeners, clusters, rulelists, rules, routes, endpoints });
  return Object.fromEntries(lists.map(([kind, list]) => [kind, list.map(({ name }: { name: string }) => name)]));
}

/** Starts a service with `--access-log`; gives the lines about sessions of `in`, once there are `count`. */
async function withAccessLog(run: Run, document: ConfigDocument) {
  const file = run.path("access");
  const service = await startService(run, document, { args: [`--access-log=${file}`] });
  const ended = async (count = 1) =>
    await eventually(`the end of ${count} sessions`, async () => {
      const lines = (await Deno.readTextFile(file).catch(() => "")).split("\n").filter((l) =>
        l.includes("listener=in")
      );
      return lines.length >= count && lines;
    }, { details: () => service.child.describe() });
  return { service, ended };
}

acceptance("i-1", "a cluster whose endpoints cannot be is refused, and the process goes on", async (run) => {
  const service = await startService(run, { clusters: [tcp("one", 1)] });
  const before = await names(service);
  const endpoint = (before.endpoints as string[])[0]!;
  for (
    const cluster of [
      {
        name: "two",
        spec: { protocol: "TCP", port: 1 },
        endpoints: [{ name: endpoint, spec: { address: "127.0.0.1" } }],
      },
      { name: "two", spec: { protocol: "Echo" }, endpoints: loopback },
      { name: "two", spec: { protocol: "UDP", port: 1 }, endpoints: [{ spec: {} }] },
    ]
  ) {
    const { status, body } = await service.request("POST", "/clusters", { cluster });
    assertEquals(status, 400, JSON.stringify(body));
    assertEquals(await names(service), before);
  }
  await service.do("POST", "/clusters", { cluster: { ...tcp("two", 1) } });
});

acceptance("i-2", "errors in the log end nothing", async (run) => {
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "TCP", address: "127.0.0.1", port }, { destination: "gone" })],
    clusters: [tcp("gone", run.port())],
  });
  for (let i = 0; i < 25; i++) await (await connect(run, { tcp: port })).rest().catch(() => {});
  assertMatch(service.child.stderr, / E .*Connection refused/);
  assertEquals((await service.get("/listeners")).length, 1);
});

acceptance("i-3", "a predicate on what is no text matches nothing, and the caller is answered", async (run) => {
  const port = run.port();
  await startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "HTTP", address: "127.0.0.1", port },
      rules: ["starts", "contains", "ends", "matches"].map((op) => ({
        match: { op, path: "/TCP/src_port", value: "1" },
        action: { route: { destination: { spec: { protocol: "TEXT", text: "matched" } } } },
      })),
    }],
  });
  for (let i = 0; i < 3; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assertEquals([response.status, (await response.json()).status], [404, 404]);
  }
});

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

acceptance("i-5", "a listener that cannot bind is refused and leaves nothing behind; later it can", async (run) => {
  const service = await startService(run, {});
  const taken = Deno.listen({ hostname: "127.0.0.1", port: run.port() });
  const datagrams = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: run.port() });
  const path = run.path("taken");
  const local = Deno.listen({ transport: "unix", path });
  const close = [() => taken.close(), () => datagrams.close(), () => local.close()];
  run.defer(() => close.forEach((closing) => closing()));
  const address = "127.0.0.1";
  const { port } = taken.addr;
  const udpPort = (datagrams.addr as Deno.NetAddr).port;
  const specs = [
    { protocol: "TCP", address, port },
    { protocol: "HTTP", address, port },
    { protocol: "WebSocket", address, port },
    { protocol: "JSONSocket", transport: { protocol: "TCP", address, port } },
    { protocol: "UDP", address, port: udpPort },
    { protocol: "JSONSocket", transport: { protocol: "UDP", address, port: udpPort } },
    { protocol: "UnixDomainSocket", filename: path },
  ];
  const before = await names(service);
  const route = { destination: { spec: { protocol: "Echo" } } };
  for (const spec of specs) {
    const { status, body } = await service.request("POST", "/listeners", { listener: listener(spec, route) });
    assertEquals(status, 400, spec.protocol);
    assertStringIncludes(body.content, "Address already in use");
    assertEquals(await names(service), before);
  }
  while (close.length > 0) close.pop()!();
  await Deno.remove(path).catch(() => {});
  for (const spec of specs) {
    await service.do("POST", "/listeners", { listener: listener(spec, route) });
    await service.do("DELETE", "/listeners/in?recursive=true");
  }
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
  const answer = Promise.withResolvers<void>();
  let leftWith: unknown = "nothing";
  const left = Promise.withResolvers<void>();
  const backend = new Backend(run, async (peer) => {
    while (!(await peer.text(1)).endsWith("\n"));
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
  for (let i = 0; i < 2000; i++) await peer.send(block, port);
  await service.child.logs(/queue of AF=2 127\.0\.0\.1:\d+ is full \(100 datagrams or 1048576 bytes, option queue\)/);
  const grown = await memory(service.child.pid) - before;
  assert(grown < 60 * 1024 * 1024, `${grown} bytes more, of 120 MB sent`);
  const [{ name }] = await service.get("/sessions");
  await service.do("DELETE", `/sessions/${encodeURIComponent(name)}`);
  const [line] = await ended();
  const dropped = Number(/ dropped=(\d+)/.exec(line!)?.[1]);
  // What the kernel had no room for is nowhere seen.
  assert(dropped > 0, line);
});

acceptance("i-19", "a cluster is deleted with its sessions while they still try to connect", async (run) => {
  const port = run.port();
  const service = await startService(run, {
    listeners: [
      listener({ protocol: "TCP", address: "127.0.0.1", port }, {
        destination: "gone",
        retry: { retry_on: "always", num_retries: -1, timeout: 100 },
      }),
    ],
    clusters: [tcp("gone", run.port())],
  });
  const peer = await connect(run, { tcp: port });
  await service.sessions("a session that tries again", ([one]) => one?.destination.status === "RETRYING");
  const [{ name: endpoint }] = await service.get("/clusters/gone/endpoints");
  await service.do("DELETE", `/endpoints/${endpoint}?recursive=true`);
  await service.do("DELETE", "/clusters/gone?recursive=true");
  await peer.rest().catch(() => {});
  await service.sessions("no session", (all) => all.length === 0);
});

acceptance("i-27", "the last transform on the way back is connected again like any other stage", async (run) => {
  const stages = { first: new Backend(run, echo), last: new Backend(run, echo), target: new Backend(run, echo) };
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "TCP", address: "127.0.0.1", port }, {
      destination: "target",
      egress: ["first", "last"],
      retry: { retry_on: "always", num_retries: 50, timeout: 100 },
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

acceptance("i-34", "every listener binds the address it is given, and no other", async (run) => {
  const [a, b, c, d] = [run.port(), run.port(), run.port(), run.port()];
  const address = "127.0.0.2";
  const to = { destination: "echo" };
  await startService(run, {
    listeners: [
      listener({ protocol: "TCP", address, port: a }, to, "tcp"),
      listener({ protocol: "HTTP", address, port: b }, to, "http"),
      listener({ protocol: "WebSocket", address, port: c }, to, "ws"),
      listener({ protocol: "JSONSocket", transport: { protocol: "TCP", address, port: d } }, to, "jsonsocket"),
    ],
    clusters: [{ name: "echo", spec: { protocol: "Echo" } }],
  });
  for (const tcp of [a, b, c, d]) {
    (await connect(run, { tcp, hostname: address })).close();
    const refused = await connect(run, { tcp }).then(() => "taken", (error) => error.name);
    assertEquals(refused, "ConnectionRefused");
  }
});

acceptance("i-35", "metadata of a UNIX caller name the socket", async (run) => {
  const filename = run.path("in");
  const service = await startService(run, {
    listeners: [listener({ protocol: "UnixDomainSocket", filename }, { destination: "echo" })],
    clusters: [{ name: "echo", spec: { protocol: "Echo" } }],
  });
  const peer = await connect(run, { unix: filename });
  await echoes(peer, "x");
  const [{ name, metadata }] = await service.get("/sessions");
  assertEquals(name, "UNIX:in-0");
  assertEquals(metadata.UNIX, { filename });
});

acceptance("i-36", "why connecting failed is told, in the log and of the session", async (run) => {
  const [tcpPort, unixPort, gone] = [run.port(), run.port(), run.port()];
  const path = run.path("nobody");
  const service = await startService(run, {
    listeners: [
      {
        ...listener({ protocol: "TCP", address: "127.0.0.1", port: tcpPort }, { destination: "tcp" }, "t"),
        options: { track: 60 },
      },
      {
        ...listener({ protocol: "TCP", address: "127.0.0.1", port: unixPort }, { destination: "unix" }, "u"),
        options: { track: 60 },
      },
    ],
    clusters: [
      tcp("tcp", gone),
      { name: "unix", spec: { protocol: "UnixDomainSocket" }, endpoints: [{ spec: { address: path } }] },
    ],
  });
  for (
    const [port, text] of [
      [tcpPort, `connect(AF=2 127.0.0.1:${gone}): Connection refused`],
      [unixPort, `connect(AF=1 "${path}"): No such file or directory`],
    ] as const
  ) {
    await (await connect(run, { tcp: port })).rest().catch(() => {});
    const sessions = await service.sessions("the failure", (all) => all.at(-1)?.status === "DESTROYED");
    const { message } = sessions.at(-1).events.find(({ event }: { event: string }) => event === "ERROR");
    assertStringIncludes(message, text);
    assertStringIncludes(service.child.stderr, text);
  }
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

acceptance("i-39", "a logger adds to its file, session by session, line by line, and closes it", async (run) => {
  const log_file = run.path("log");
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "TCP", address: "127.0.0.1", port }, {
      destination: { spec: { protocol: "Echo" } },
      ingress: [{ spec: { protocol: "Logger", log_file, log_prefix: "in" } }],
    })],
  });
  for (const text of ["one", "two"]) {
    const peer = await connect(run, { tcp: port });
    await echoes(peer, text);
    await peer.endWrite();
    await peer.rest();
  }
  await service.sessions("the end", (all) => all.length === 0);
  assertEquals(await Deno.readTextFile(log_file), "in: one\nin: two\n");
  await eventually("a closed file", async () => !(await descriptors(service.child.pid)).includes(log_file));
});

acceptance("i-39", "what is no JSON is dropped by JSONDecap, and not passed on empty", async (run) => {
  const target = new UdpPeer(run);
  const port = run.port();
  await startService(run, {
    listeners: [listener({ protocol: "UDP", address: "127.0.0.1", port }, {
      destination: { spec: { protocol: "UDP", port: target.port }, endpoints: loopback },
      ingress: [{ spec: { protocol: "JSONDecap" } }],
    })],
  });
  const peer = new UdpPeer(run);
  for (const text of ["no JSON", "{}", '{"payload": 1}', '{"payload": "aGVsbG8="}']) await peer.send(text, port);
  await eventually("the good one", () => target.received.length > 0);
  assertEquals(target.texts, ["hello"]);
});

acceptance("i-39", "Stdio works where standard output is no terminal", async (run) => {
  const port = run.port();
  const service = await startService(run, {
    listeners: [
      listener({ protocol: "TCP", address: "127.0.0.1", port }, { destination: { spec: { protocol: "Stdio" } } }),
    ],
  }, { openInput: true });
  const peer = await connect(run, { tcp: port });
  await peer.send("out\n");
  await service.child.prints("out\n");
  await service.child.write("in\n");
  assertEquals(await peer.text(3), "in\n");
});

acceptance(
  "i-40",
  "metrics have their content type, and what was written inline goes with its listener",
  async (run) => {
    const port = run.port();
    const service = await startService(run, {
      listeners: [listener({ protocol: "HTTP", address: "127.0.0.1", port }, {
        destination: { name: "metrics", spec: { protocol: "Prometheus" } },
      })],
    });
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    assertMatch(await response.text(), /^listener_requests_total\{.*\} \d+$/m);
    assertMatch(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    const [cluster] = (await service.get("/clusters?recursive=true")) as { endpoints: { spec: unknown }[] }[];
    assertEquals(cluster!.endpoints.map(({ spec }) => spec), [{ address: "<VIRTUAL>" }]);
    await service.do("DELETE", "/listeners/in?recursive=true");
    assertEquals(await service.get("/clusters"), []);
    assert(!await isBound({ tcp: port }));
  },
);

acceptance("i-44", "a cluster may be HTTP; a protocol that is none is refused by name", async (run) => {
  const backend = Deno.serve(
    { hostname: "127.0.0.1", port: run.port(), onListen() {} },
    () => new Response("made", { status: 201, headers: { "X-From": "upstream" } }),
  );
  run.defer(() => backend.shutdown());
  const port = run.port();
  const service = await startService(run, {
    listeners: [listener({ protocol: "HTTP", address: "127.0.0.1", port }, { destination: "web" })],
  });
  await service.do("POST", "/clusters", {
    cluster: { name: "web", spec: { protocol: "HTTP", port: backend.addr.port }, endpoints: loopback },
  });
  const response = await fetch(`http://127.0.0.1:${port}/`);
  assertEquals([response.status, response.headers.get("x-from"), await response.text()], [201, "upstream", "made"]);
  const { status, body } = await service.request("POST", "/clusters", {
    cluster: { name: "other", spec: { protocol: "WSS2", port: 1 }, endpoints: loopback },
  });
  assertEquals(status, 400);
  assertStringIncludes(body.content, '"WSS2"');
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
