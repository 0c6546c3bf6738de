/** Retries of a route, against upstreams that come late, go away and come back. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import type { ConfigDocument, RetryDocument } from "../../lib/config/document.ts";
import { Backend } from "../e2e/carriers.ts";
import { acceptance, type Run } from "../e2e/harness.ts";
import { connect, echo } from "../e2e/peers.ts";
import { eventually } from "../e2e/wait.ts";
import { echoes } from "./documents.ts";
import { startService } from "./service.ts";

function gateway(port: number, upstream: number, retry: RetryDocument): ConfigDocument {
  return {
    listeners: [{
      name: "in",
      spec: { protocol: "TCP", address: "127.0.0.1", port },
      rules: [{ action: { route: { destination: "up", retry } } }],
    }],
    clusters: [{
      name: "up",
      spec: { protocol: "TCP", port: upstream },
      endpoints: [{ name: "first", spec: { address: "127.0.0.1" } }],
    }],
  };
}

async function begin(run: Run, retry: RetryDocument) {
  const backend = new Backend(run, echo);
  const port = run.port();
  const accessLog = run.path("access");
  const args = [`--access-log=${accessLog}`];
  const service = await startService(run, gateway(port, backend.port, retry), { args });
  /** Line of the access log of the first session that ends. */
  const end = () =>
    eventually("the end of the session", async () => {
      const lines = (await Deno.readTextFile(accessLog).catch(() => "")).split("\n");
      return lines.find((line) => line.includes("reason="));
    });
  return { backend, port, service, end };
}

for (
  const { retry_on, late } of [
    { retry_on: "never", late: false },
    { retry_on: "disconnect", late: false },
    { retry_on: "connect-failure", late: true },
    { retry_on: "always", late: true },
  ] as const
) {
  const fate = late ? "waits for an upstream that comes late" : "does not wait for an upstream";
  acceptance("retry", `${retry_on} ${fate}`, async (run) => {
    const { backend, port, service, end } = await begin(run, { retry_on, num_retries: 1000, timeout: 100 });
    await backend.stop();
    const peer = await connect(run, { tcp: port });
    if (!late) {
      await peer.rest().catch(() => {});
      const line = await end();
      assert(line.includes("retries=0") || !line.includes("retries="), line);
      return;
    }
    await service.sessions("a session that tries again", ([one]) => one?.destination.status === "RETRYING");
    backend.start();
    await echoes(peer, "late");
  });
}

for (
  const { retry_on, back } of [
    { retry_on: "never", back: false },
    { retry_on: "connect-failure", back: false },
    { retry_on: "disconnect", back: true },
    { retry_on: "always", back: true },
  ] as const
) {
  acceptance("retry", `${retry_on} ${back ? "survives" : "ends with"} the loss of the upstream`, async (run) => {
    const { backend, port, service } = await begin(run, { retry_on, num_retries: 1000, timeout: 100 });
    const peer = await connect(run, { tcp: port });
    await echoes(peer, "one");
    await backend.stop();
    if (!back) {
      await peer.rest().catch(() => {});
      return;
    }
    await service.sessions(
      "the loss",
      ([one]) => one?.events.some(({ event }: { event: string }) => event === "DISCONNECT"),
    );
    // What comes meanwhile is kept for the upstream.
    await peer.send("two");
    backend.start();
    assertEquals(await peer.text(3), "two");
    await echoes(peer, "three");
    const [{ status, destination, events }] = await service.get("/sessions");
    assertEquals(status, "CONNECTED");
    assertEquals(destination.status, "READY");
    assertEquals(events.map(({ event }: { event: string }) => event).slice(0, 2), ["INIT", "LOOKUP SUCCESS"]);
    assertEquals(events.at(-1).event, "CONNECT");
  });
}

acceptance("i-26", "an upstream's orderly end does not end the client where a loss is retried", async (run) => {
  const { backend, port } = await begin(run, { retry_on: "disconnect", num_retries: 5, timeout: 200 });
  backend.handle = async (peer) => {
    await peer.send(await peer.text(1));
  };
  const peer = await connect(run, { tcp: port });
  for (const letter of "abc") await echoes(peer, letter);
});

acceptance("i-25", "a client that hangs up is no error where losses are retried", async (run) => {
  const { port, end } = await begin(run, { retry_on: "always", num_retries: 3, timeout: 100 });
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "x");
  await peer.endWrite();
  assertEquals((await peer.rest()).length, 0);
  const line = await end();
  assert(line.includes("reason=eof"), line);
});

acceptance("i-28", "a partial retry is completed with the defaults", async (run) => {
  const { service } = await begin(run, { retry_on: "always" });
  const [{ retry }] = await service.get("/routes");
  assertEquals(retry, { retry_on: "always", num_retries: 1, timeout: 2000 });
});

acceptance("retry", "the budget of a lost connection is num_retries, then the session ends", async (run) => {
  const { backend, port, end } = await begin(run, { retry_on: "always", num_retries: 2, timeout: 50 });
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "x");
  await backend.stop();
  await peer.rest().catch(() => {});
  const line = await end();
  assert(/reason=(error|reset)/.test(line), line);
});

acceptance("deletion", "of an endpoint, recursive, moves its sessions to another one", async (run) => {
  const { backend, port, service } = await begin(run, { retry_on: "always", num_retries: 5, timeout: 100 });
  const second = new Backend(run, echo);
  const peer = await connect(run, { tcp: port });
  await echoes(peer, "first");
  await service.do("POST", "/clusters/up/endpoints", {
    endpoint: { name: "second", spec: { address: "127.0.0.1", port: second.port } },
  });
  assertEquals((await service.get("/sessions"))[0].destination.endpoint.name, "first");
  await service.do("DELETE", "/endpoints/first?recursive=true");
  await service.sessions(
    "the other endpoint",
    ([one]) => one?.destination.endpoint.name === "second" && one.destination.status === "READY",
  );
  await echoes(peer, "second");
  assert(backend.port !== second.port);
});

acceptance("deletion", "of a cluster or a listener, recursive, ends its sessions; plain, it does not", async (run) => {
  const { port, service } = await begin(run, { retry_on: "never" });
  const one = await connect(run, { tcp: port });
  await echoes(one, "x");
  await service.do("DELETE", "/clusters/up");
  await echoes(one, "still there");
  const refused = await connect(run, { tcp: port });
  await refused.rest().catch(() => {});
  await service.do("DELETE", "/listeners/in?recursive=true");
  await one.rest().catch(() => {});
  assertEquals(await service.get("/sessions"), []);
});
