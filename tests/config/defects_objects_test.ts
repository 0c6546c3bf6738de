/** What the original got wrong about objects and changes of them, by number, seen from outside. */
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance } from "../e2e/harness.ts";
import { connect } from "../e2e/peers.ts";
import { released } from "../e2e/wait.ts";
import { startService } from "./service.ts";
import { listener, loopback, names, tcp } from "./documents.ts";

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
  await released({ tcp: port });
  await released({ udp: udpPort });
  await Deno.remove(path).catch(() => {});
  for (const spec of specs) {
    await service.do("POST", "/listeners", { listener: listener(spec, route) });
    await service.do("DELETE", "/listeners/in?recursive=true");
  }
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
