// Acceptance examples: a plan that runs, and the REST API beside a command line (E69, E70); clusters by name.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { acceptance, eventually, type Run } from "./harness.ts";
import { connect, serveStreams, serveWebSockets, UdpPeer } from "./peers.ts";
import { isBound } from "./wait.ts";

acceptance("E69", "a plan opens nothing, and runs when it is piped into -c -", async (run) => {
  const [port, serverPort] = [run.port(), run.port()];
  const records = serveWebSockets(run, { port: serverPort });
  const plan = await run.out(["--plan", `UDP-L:${port},fork`, `ws://127.0.0.1:${serverPort}/`]);
  assertMatch(plan, /^listeners:\n/);
  assertEquals([await isBound({ udp: port }), records.length], [false, 0]);

  await run.serve(["-d1", "-c", "-"], { udp: port }, { input: plan });
  const peers = [new UdpPeer(run), new UdpPeer(run)];
  for (let i = 0; i < 20; i++) {
    for (const [who, peer] of peers.entries()) await peer.send(`${who}:${i}`, port);
  }
  await eventually("all answers", () => peers.every((peer) => peer.received.length >= 20));
  for (const [who, peer] of peers.entries()) {
    assertEquals(peer.texts, Array.from({ length: 20 }, (_, i) => `${who}:${i}`));
  }
  assertEquals(records.length, 2);
  for (const { messages } of records) assert(messages.every((message) => message instanceof ArrayBuffer));
}, { notFromFile: "it is one" });

acceptance("E70", "--admin lists the session of a command line, and DELETE ends it", async (run) => {
  const [admin, port] = [run.port(), run.port()];
  // Ended on request, the session is no error.
  await run.serve([`--admin=${admin}`, `TCP-L:${port},fork`, "PIPE"], { tcp: port });
  await eventually("the API", () => isBound({ tcp: admin }));
  const api = `http://127.0.0.1:${admin}/api/v1/sessions`;
  const sessions = async () => await (await fetch(api)).json();
  assertEquals(await sessions(), []);
  const client = await connect(run, { tcp: port });
  await client.send("x");
  assertEquals(await client.text(1), "x");

  const [session, ...others] = await sessions();
  assertEquals(others, []);
  const { IP, TCP } = session.metadata;
  assertEquals([IP.src_addr, IP.dst_addr, TCP.dst_port], ["127.0.0.1", "127.0.0.1", port]);
  assertEquals(session.source.origin, "cli");
  const deleted = await fetch(`${api}/${encodeURIComponent(session.name)}`, { method: "DELETE" });
  assertEquals([deleted.status, (await deleted.json()).message], [200, "OK"]);
  assertEquals((await client.rest().catch(() => "")).length, 0);
  await eventually("no session", async () => (await sessions()).length === 0);
});

async function config(run: Run, text: string): Promise<string> {
  const path = run.path("config.yaml");
  await Deno.writeTextFile(path, text);
  return path;
}

acceptance("4.9", "CLUSTER:name is a cluster of the configuration", async (run) => {
  const [port, ...backends] = [run.port(), run.port(), run.port()];
  for (const [i, tcp] of backends.entries()) serveStreams(run, { tcp }, (peer) => peer.send(`backend ${i}`));
  const endpoints = backends.map((port) => `{spec: {address: 127.0.0.1, port: ${port}}}`).join(", ");
  const file = await config(
    run,
    `clusters:
  - name: backends
    spec: {protocol: TCP}
    loadbalancer: {policy: RoundRobin}
    endpoints: [${endpoints}]
`,
  );
  await run.serve(["-d1", "-c", file, `TCP-L:${port},fork`, "CLUSTER:backends"], { tcp: port });
  const heard = [];
  for (let i = 0; i < 4; i++) heard.push(await (await connect(run, { tcp: port })).restText());
  assertEquals(heard, ["backend 0", "backend 1", "backend 0", "backend 1"]);
});

acceptance("4.9", "a session for a cluster that does not exist is refused, and the next finds it", async (run) => {
  const [admin, port, backend] = [run.port(), run.port(), run.port()];
  serveStreams(run, { tcp: backend }, (peer) => peer.send("here"));
  const stderr = / E .*unknown cluster "later"/;
  const args = [`--admin=${admin}`, "-d1", "-c", await config(run, ""), `TCP-L:${port},fork`, "CLUSTER:later"];
  const warned = / W route .*unknown cluster "later"; it may come later/;
  const child = await run.serve(args, { tcp: port }, { stderr: [warned, stderr] });
  await (await connect(run, { tcp: port })).rest().catch(() => {});
  await child.logs(stderr);
  const endpoints = [{ spec: { address: "127.0.0.1", port: backend } }];
  const cluster = { name: "later", spec: { protocol: "TCP" }, endpoints };
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ cluster });
  const added = await fetch(`http://127.0.0.1:${admin}/api/v1/clusters`, { method: "POST", headers, body });
  assertEquals([added.status, (await added.json()).message], [200, "OK"]);
  assertEquals(await (await connect(run, { tcp: port })).restText(), "here");
});
