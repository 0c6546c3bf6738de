/** What the original got wrong about single protocols and what they tell, by number, seen from outside. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance } from "../e2e/harness.ts";
import { connect, UdpPeer } from "../e2e/peers.ts";
import { descriptors, eventually, isBound } from "../e2e/wait.ts";
import { startService } from "./service.ts";
import { echoes, listener, loopback, tcp } from "./documents.ts";

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
