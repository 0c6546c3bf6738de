// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { Gateway } from "../../tests/support/memory_net.ts";
import { readBytes, textOf } from "../../tests/support/streams.ts";
import { until } from "../../tests/support/until.ts";
import type { AdminDocument, ClusterDocument, ConfigDocument, ListenerDocument } from "../config/document.ts";
import { ConfigError, ConnectError, StreamError } from "../errors.ts";
import type { ByteStream, Stream } from "../stream/stream.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

function listener(name: string, port: number, changes: Partial<ListenerDocument> = {}): ListenerDocument {
  return { name, spec: { protocol: "MEM", port }, rules: [{ action: { route: { destination: "up" } } }], ...changes };
}

function cluster(name: string, port: number, changes: Partial<ClusterDocument> = {}): ClusterDocument {
  return {
    name,
    spec: { protocol: "MEM", port },
    endpoints: [{ name: `${name}-one`, spec: { address: "x" } }],
    ...changes,
  };
}

/** A server that sends back what it gets. */
async function echo(far: Stream): Promise<void> {
  if (far.kind !== "byte") throw new TypeError("bytes are echoed");
  for (let data = await far.read().catch(() => null); data; data = await far.read().catch(() => null)) {
    await far.write(data);
  }
  await far.closeWrite().catch(() => {});
}

async function echoes(peer: ByteStream, text: string): Promise<void> {
  await peer.write(bytesOf(text));
  assertEquals(textOf(await readBytes(peer, text.length)), text);
}

function serving(gateway: Gateway, ...ports: number[]): void {
  for (const port of ports) gateway.net.serve(port, (far) => void echo(far));
}

Deno.test("reload() gives the address of a listener to another that comes in its place, and swaps two", async () => {
  await using gateway = await Gateway.start({ listeners: [listener("a", 1), listener("b", 2)] });
  const { control, net } = gateway;
  await control.reload({ listeners: [listener("c", 1), listener("b", 2)] });
  assertEquals([...control.snapshot.listeners.keys()].sort(), ["b", "c"]);
  await control.reload({ listeners: [listener("c", 2), listener("b", 1)] });
  assert(net.listens(1) && net.listens(2));
  net.call(1);
  await until(() => gateway.records.length === 1);
  assertEquals(gateway.records[0]!.listener, "b");
});

Deno.test("reload() that fails leaves listeners, admin settings, clusters and sessions as they were", async () => {
  const told: AdminDocument[] = [];
  const document: ConfigDocument = {
    admin: { log_level: "warn" },
    listeners: [listener("a", 1), listener("b", 2)],
    clusters: [cluster("up", 9)],
  };
  await using gateway = await Gateway.start(document, { onAdmin: (admin) => void told.push(admin) });
  const { control, net } = gateway;
  serving(gateway, 9);
  const before = net.call(1);
  await echoes(before.peer, "one");
  const { snapshot, version } = control;
  const clusters = [...control.clusters.values()];
  // Port 2 is taken twice: the second cannot be opened.
  const bad: ConfigDocument = {
    admin: { log_level: "debug" },
    listeners: [listener("a", 3), listener("c", 2), listener("d", 2)],
    clusters: [cluster("up", 9, { loadbalancer: { policy: "RoundRobin" } }), cluster("new", 10)],
  };
  await assertRejects(() => control.reload(bad), ConnectError, "Address already in use");
  assertEquals(control.snapshot, snapshot);
  assertEquals(control.version, version);
  assertEquals([...control.clusters.values()], clusters);
  assertEquals(told.map(({ log_level }) => log_level), ["warn", "debug", "warn"]);
  assert(net.listens(1) && net.listens(2) && !net.listens(3));
  await echoes(before.peer, "two");
  await echoes(net.call(1).peer, "three");
  await echoes(net.call(2).peer, "four");
});

Deno.test("reload() keeps the sessions of a listener that changes, and they count against its max_sessions", async () => {
  const limited = (track: number) => ({
    listeners: [listener("a", 1, { options: { max_sessions: 1, track } })],
    clusters: [cluster("up", 9)],
  });
  await using gateway = await Gateway.start(limited(0));
  serving(gateway, 9);
  const first = gateway.net.call(1);
  await echoes(first.peer, "one");
  await gateway.control.reload(limited(1));
  await echoes(first.peer, "two");
  const second = gateway.net.call(1);
  assertEquals((await second.refused).status, 503);
  await first.peer.closeWrite();
  await until(() => gateway.proxy.sessions.totals().sessions === 0);
  await echoes(gateway.net.call(1).peer, "three");
});

Deno.test("a listener whose rules or options change stays bound, and new sessions find the new way", async () => {
  const ruled = (destination: string, track: number) => ({
    listeners: [listener("a", 1, { options: { track }, rules: [{ action: { route: { destination } } }] })],
    clusters: [cluster("up", 9), cluster("other", 10)],
  });
  await using gateway = await Gateway.start(ruled("up", 0));
  serving(gateway, 9);
  const { peer } = gateway.net.call(1);
  await echoes(peer, "x");
  const bound = gateway.net.boundAt(1);
  await gateway.control.reload(ruled("other", 0));
  await gateway.control.reload(ruled("other", 3600));
  assertEquals(gateway.net.boundAt(1), bound);
  const others = gateway.net.peers(10);
  const next = gateway.net.call(1);
  await until(() => others.length === 1);
  await echoes(peer, "y");
  next.peer.abort(new Error("gone"));
  await until(() => gateway.records.length === 1);
  // With the new options it is shown for a while.
  assertEquals(gateway.control.sessions().length, 2);
  // Another direction is another endpoint.
  const oneWay = ruled("other", 3600);
  await gateway.control.reload({ ...oneWay, listeners: [{ ...oneWay.listeners[0]!, options: { direction: "ltr" } }] });
  assert(gateway.net.boundAt(1) !== bound);
});

Deno.test("change() that closes a one-shot listener does not wait for its session", async () => {
  const once = listener("a", 1, { spec: { protocol: "MEM", port: 1, fork: false } });
  await using gateway = await Gateway.start({ listeners: [once], clusters: [cluster("up", 9)] });
  serving(gateway, 9);
  const { peer } = gateway.net.call(1);
  await echoes(peer, "one");
  await gateway.control.change((draft) => draft.deleteListener("a", false));
  assert(!gateway.net.listens(1));
  await echoes(peer, "two");
});

Deno.test("changes run one after another, and one that throws takes back all of itself", async () => {
  await using gateway = await Gateway.start({ clusters: [cluster("up", 9)] });
  const { control } = gateway;
  const results = await Promise.allSettled([
    control.change((draft) => draft.addListener(listener("a", 1))),
    control.change((draft) => {
      draft.addListener(listener("b", 2));
      draft.addCluster(cluster("up", 8));
    }),
    control.change((draft) => draft.addListener(listener("b", 3))),
  ]);
  assertEquals(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assert(gateway.net.listens(1) && !gateway.net.listens(2) && gateway.net.listens(3));
});

Deno.test("health checks begin when the change has taken effect; the first one decides", async () => {
  const time = FakeTimers.install({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
  });
  try {
    const checked = (name: string, port: number) => cluster(name, port, { health_check: { interval: "1s" } });
    const gateway = await Gateway.start({ listeners: [listener("a", 1)] });
    const { control, net } = gateway;
    const probes = () => net.attempts.map(({ port }) => port);
    await control.check({ clusters: [checked("up", 9)] });
    const bad = { listeners: [listener("a", 1), listener("b", 1)], clusters: [checked("up", 9)] };
    await assertRejects(() => control.reload(bad), ConnectError);
    await assertRejects(
      () => control.reload({ clusters: [checked("up", 9), { name: "z", spec: { protocol: "NONE" } }] }),
      ConfigError,
    );
    await time.tickAsync(5000);
    assertEquals(probes(), []);
    assertEquals(time.countTimers(), 0);

    await control.reload({ listeners: [listener("a", 1)], clusters: [checked("up", 9)] });
    await time.tickAsync(0);
    assertEquals(probes(), [9]);
    assertEquals(control.clusters.get("up")!.cluster.statistics().members[0]!.healthy, false);
    // One of the same name with another spec is checked at its own address.
    net.serve(10, () => {});
    await control.reload({ listeners: [listener("a", 1)], clusters: [checked("up", 10)] });
    await time.tickAsync(0);
    assertEquals(probes(), [9, 10]);
    assertEquals(control.clusters.get("up")!.cluster.statistics().members[0]!.healthy, true);
    await time.tickAsync(1000);
    assertEquals(probes(), [9, 10, 10]);
    await gateway[Symbol.asyncDispose]();
    assertEquals(time.countTimers(), 0);
  } finally {
    time.uninstall();
  }
});

Deno.test("a session whose cluster becomes another kind while it retries fails, and gives back its place", async () => {
  const retry = { retry_on: "disconnect", num_retries: 100, timeout: 5 } as const;
  const rules = [{ action: { route: { name: "way", destination: "up", retry } } }];
  const listeners = [listener("a", 1, { rules })];
  await using gateway = await Gateway.start({ listeners, clusters: [cluster("up", 9)] });
  const { net, control, records } = gateway;
  const peers = net.peers(9);
  const { peer } = net.call(1);
  await peer.write(bytesOf("x"));
  await until(() => peers.length === 1);
  net.serve(9, undefined);
  peers[0]!.abort(new Error("gone"));
  await until(() => net.attempts.length > 2);
  assertEquals(gateway.shown.status, "DISCONNECTED");
  assertEquals(gateway.shown.destination.status, "RETRYING");
  net.peers(10);
  await control.reload({ listeners, clusters: [cluster("up", 10, { spec: { protocol: "MEMD", port: 10 } })] });
  await until(() => records.length === 1);
  assertMatch(records[0]!.error!.message, /was a byte stream, and is now a datagram stream/);
  assertEquals(gateway.counts("up"), { active: 0, connections: 1, pending: 0 });
});

Deno.test("a session whose cluster becomes a transform while it retries fails, and holds no place", async () => {
  const retry = { retry_on: "connect-failure", num_retries: 1000, timeout: 5 } as const;
  const rules = [{ action: { route: { name: "way", destination: "up", retry } } }];
  await using gateway = await Gateway.start({ listeners: [listener("a", 1, { rules })], clusters: [cluster("up", 9)] });
  const { net, control, records } = gateway;
  net.call(1);
  await until(() => net.attempts.length > 1);
  // The listener leads nowhere now, or the change would be refused.
  await control.reload({ clusters: [{ name: "up", spec: { protocol: "UPPER" } }] });
  await until(() => records.length === 1);
  assert(records[0]!.error instanceof ConfigError, String(records[0]!.error));
  assertEquals(gateway.counts("up").active, 0);
});

Deno.test("a recursive deletion of an endpoint cancels an attempt to reach it", async () => {
  const retry = { retry_on: "connect-failure", num_retries: 3, timeout: "1h", interval: "1ms" } as const;
  const rules = [{ action: { route: { name: "way", destination: "up", retry } } }];
  const two = [{ name: "slow", spec: { address: "x", port: 8 } }, { name: "good", spec: { address: "x", port: 9 } }];
  await using gateway = await Gateway.start({
    listeners: [listener("a", 1, { rules })],
    clusters: [cluster("up", 9, { endpoints: two })],
  });
  const { net, control } = gateway;
  net.serve(8, "hang");
  serving(gateway, 9);
  const { peer } = net.call(1);
  await until(() => net.hanging === 1);
  await control.change((draft) => draft.deleteEndPoint("slow", true));
  await echoes(peer, "hello");
  assertEquals(net.hanging, 0);
  assertEquals(gateway.shown.destination.endpoint.name, "good");
  assertEquals(gateway.counts("up"), { active: 1, connections: 1, pending: 0 });
});

Deno.test("i-30: a session whose stage is away is DISCONNECTED, and those who watch hear of it", async () => {
  const retry = { retry_on: "disconnect", num_retries: 100, timeout: 5 } as const;
  const rules = [{ action: { route: { name: "way", destination: "up", retry } } }];
  await using gateway = await Gateway.start({ listeners: [listener("a", 1, { rules })], clusters: [cluster("up", 9)] });
  const { net, control } = gateway;
  const gone = new AbortController();
  const changes: string[] = [];
  const watching = (async () => {
    for await (const { type, session } of control.watch(gone.signal)) {
      changes.push(`${type} ${session.toJSON().status}`);
    }
  })();
  const peers = net.peers(9);
  net.call(1);
  await until(() => gateway.control.sessions().length === 1 && gateway.shown.status === "CONNECTED");
  net.serve(9, undefined);
  peers[0]!.abort(new Error("gone"));
  await until(() => gateway.shown.status === "DISCONNECTED");
  assertEquals(gateway.shown.source.status, "READY");
  net.peers(9);
  await until(() => gateway.shown.status === "CONNECTED");
  assertEquals(gateway.shown.destination.status, "READY");
  await until(() => changes.length === 4);
  gone.abort();
  await watching;
  assertEquals(changes.filter((change) => change.startsWith("MODIFIED")).length, 3);
  assertEquals(changes.at(-1), "MODIFIED CONNECTED");
  const events = gateway.shown.events.map(({ event }: { event: string }) => event);
  assertEquals(events, ["INIT", "LOOKUP SUCCESS", "CONNECT", "DISCONNECT", "CONNECT"]);
  assertStringIncludes(gateway.shown.events[3].message, "up: ");
  assertEquals(gateway.shown.events[3].content, "ECONNRESET");
});

Deno.test("a cluster's local_ratelimit refuses sessions beyond it, and outlives other changes of the cluster", async () => {
  const limited = (policy: string) => ({
    listeners: [listener("a", 1)],
    clusters: [cluster("up", 9, {
      local_ratelimit: { token_bucket: { max_tokens: 1, fill_interval: "1h" } },
      loadbalancer: { policy },
    })],
  });
  await using gateway = await Gateway.start(limited("Trivial"));
  serving(gateway, 9);
  await echoes(gateway.net.call(1).peer, "x");
  assertEquals((await gateway.net.call(1).refused).status, 429);
  await gateway.control.reload(limited("RoundRobin"));
  assertEquals((await gateway.net.call(1).refused).status, 429);
});

Deno.test("a negative idle_timeout of a cluster or route means never, when added and when changed", async () => {
  const lasting = (idle_timeout: number | string) => ({
    listeners: [listener("a", 1, { rules: [{ action: { route: { name: "w", destination: "up", idle_timeout } } }] })],
    clusters: [cluster("up", 9, { idle_timeout })],
  });
  await using gateway = await Gateway.start(lasting(-1));
  serving(gateway, 9);
  await echoes(gateway.net.call(1).peer, "x");
  await gateway.control.reload(lasting("1h"));
  await gateway.control.reload(lasting(-1));
  await echoes(gateway.net.call(1).peer, "x");
});

Deno.test("changes that come while the process is ending are refused, and begin nothing", async () => {
  const gateway = await Gateway.start({});
  const { control } = gateway;
  const checked = cluster("up", 9, { health_check: {} });
  const under = control.change((draft) => draft.addCluster(checked));
  const disposed = control[Symbol.asyncDispose]();
  const late = control.change((draft) => draft.addCluster({ ...checked, name: "late" }));
  await assertRejects(() => late, StreamError, "the process is ending");
  await under.catch(() => {});
  await disposed;
  assert(!control.ready);
  await gateway.proxy.stop(0);
});

Deno.test("sessions() is in order of creation, ended ones that are still shown among the others", async () => {
  await using gateway = await Gateway.start({
    listeners: [listener("a", 1, { options: { track: 3600 } })],
    clusters: [cluster("up", 9)],
  });
  serving(gateway, 9);
  const names: string[] = [];
  const call = async () => {
    const { peer } = gateway.net.call(1);
    await echoes(peer, "x");
    names.push(gateway.control.sessions().map(({ name }) => name).find((name) => !names.includes(name))!);
    return peer;
  };
  await call();
  const second = await call();
  await call();
  await second.closeWrite();
  await until(() => gateway.proxy.sessions.totals().sessions === 2);
  assertEquals(gateway.control.sessions().map(({ name }) => name), names);
});

Deno.test("endSession() forgets an ended session that is still shown, and ends one that runs", async () => {
  await using gateway = await Gateway.start({
    listeners: [listener("a", 1, { options: { track: 3600 } })],
    clusters: [cluster("up", 9)],
  });
  serving(gateway, 9);
  const { peer } = gateway.net.call(1);
  await echoes(peer, "x");
  const { name } = gateway.control.sessions()[0]!;
  assert(gateway.control.endSession(name));
  await until(() => gateway.shown.status === "DESTROYED");
  assertEquals(gateway.records[0]!.reason, "deleted");
  const { events, source, destination } = gateway.shown;
  assertEquals(events.slice(-2).map(({ event }: { event: string }) => event), ["END", "DESTROY"]);
  assertEquals([source.status, destination.status], ["END", "END"]);
  assert(gateway.control.endSession(name));
  assertEquals(gateway.control.sessions(), []);
  assertEquals(gateway.control.endSession(name), false);
});

Deno.test("admin.offload, which is not here, is told once for each change of it", async () => {
  const document = (offload?: string): ConfigDocument => ({ admin: { offload }, listeners: [listener("a", 1)] });
  await using gateway = await Gateway.start(document("init"));
  const told = () => gateway.lines.filter((line) => line.includes("admin.offload: not in this version")).length;
  assertEquals(told(), 1);
  await gateway.control.reload(document("init"));
  assertEquals(told(), 1);
  await gateway.control.reload(document("disable"));
  assertEquals(told(), 1);
  await gateway.control.reload(document("no_init"));
  assertEquals(told(), 2);
});
