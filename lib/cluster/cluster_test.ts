// @ts-types="../../tests/deno_std.d.ts"
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { ConfigError, ConnectError, LimitError } from "../errors.ts";
import { clusterObject, endpoint, makeCluster, tally } from "./_test_cluster.ts";
import type { Choice, Cluster } from "./cluster.ts";
import type { Member } from "./member.ts";

const [a, b, c] = [endpoint("a"), endpoint("b"), endpoint("c")];

function names(cluster: Cluster, count: number): Record<string, number> {
  return tally(Array.from({ length: count }, () => {
    const choice = cluster.pick({});
    choice.release();
    return choice.member.name;
  }));
}

function fail(cluster: Cluster, times: number): void {
  for (let i = 0; i < times; i++) cluster.pick({}).failed("connect");
}

Deno.test("Cluster.pick() without endpoints is a failure that may pass: status 503", () => {
  const { cluster } = makeCluster(clusterObject([]));
  const error = assertThrows(() => cluster.pick({}), ConnectError, 'no endpoint in cluster "c"');
  assertEquals([error.status, error.retryable], [503, true]);
  cluster.update(clusterObject([a]));
  assertEquals(cluster.pick({}).member.name, "a");
});

Deno.test("Cluster counts what became of its picks", () => {
  const { cluster } = makeCluster(clusterObject([a, b], { policy: "RoundRobin" }));
  const [first, second] = [cluster.pick({}), cluster.pick({})];
  first.connected(30);
  assertEquals([first.member.active, second.member.active, cluster.statistics().pending], [1, 1, 1]);
  second.failed("connect");
  const third = cluster.pick({});
  third.connected(10);
  third.release();
  first.failed("reset");
  // Nothing counts twice, however often it is told.
  for (const { connected, failed, release } of [first, second, third]) {
    connected(1);
    failed("error");
    release();
  }
  const { members, ...circuit } = cluster.statistics();
  assertEquals(circuit, { connections: 0, pending: 0, retries: 0, refused: 0 });
  const same = { active: 0, ejections: 0, healthy: true, ejected: false, available: true };
  assertEquals(members, [
    { name: "a", attempts: 2, connections: 2, failures: 1, connectMs: 40, ...same },
    { name: "b", attempts: 1, connections: 0, failures: 1, connectMs: 0, ...same },
  ]);
});

Deno.test("i-43: Cluster.pick() gives another member to a session that failed with one", () => {
  const { cluster } = makeCluster(clusterObject([a, b, c], { policy: "Random" }));
  const tried = new Set<Member>();
  const order = [0, 1, 2].map(() => {
    const choice = cluster.pick({}, tried);
    choice.failed("connect");
    tried.add(choice.member);
    return choice.member.name;
  });
  assertEquals(order.sort().join(""), "abc");
  cluster.pick({}, tried).release();
});

Deno.test("i-43: Cluster fails over to the next priority after errors, and back when their time is over", () => {
  const spare = endpoint("spare", { priority: 1 });
  const { cluster, clock, lines } = makeCluster(clusterObject([a, spare], undefined, { outlier_detection: {} }));
  fail(cluster, 5);
  assertEquals(names(cluster, 10), { spare: 10 });
  assertEquals(lines, ['W endpoint "a" of cluster "c" is left out for 30s: 5 errors in a row']);
  assertEquals(cluster.statistics().members.map(({ ejected, available }) => [ejected, available]), [[true, false], [
    false,
    true,
  ]]);
  clock.ms = 30_000;
  assertEquals(names(cluster, 10), { a: 10 });
});

Deno.test("Cluster picks an ejected member when it has no other", () => {
  const { cluster } = makeCluster(clusterObject([a], undefined, { outlier_detection: {} }));
  fail(cluster, 5);
  assertEquals(names(cluster, 3), { a: 3 });
});

Deno.test("Cluster counts no error of sessions that were given up", () => {
  const { cluster } = makeCluster(clusterObject([a, b], undefined, { outlier_detection: {} }));
  for (let i = 0; i < 10; i++) cluster.pick({}).release();
  fail(cluster, 4);
  cluster.pick({}).release();
  fail(cluster, 1);
  assertEquals(names(cluster, 3), { b: 3 });
});

Deno.test("Cluster begins to count anew when a connection comes about, however long it lasts then", () => {
  const { cluster } = makeCluster(clusterObject([a, b], undefined, { outlier_detection: {} }));
  fail(cluster, 4);
  cluster.pick({}).connected(1);
  fail(cluster, 4);
  assertEquals(names(cluster, 1), { a: 1 });
  fail(cluster, 1);
  assertEquals(names(cluster, 1), { b: 1 });
});

Deno.test("Cluster.update() with the same outlier detection goes on counting", () => {
  const { cluster } = makeCluster(clusterObject([a, b], undefined, { outlier_detection: {} }));
  fail(cluster, 4);
  cluster.update(clusterObject([a, b, c], undefined, { outlier_detection: {} }));
  fail(cluster, 1);
  assertEquals(names(cluster, 1), { b: 1 });
});

Deno.test("Cluster ejects members whose connections break, one after the other", () => {
  const { cluster } = makeCluster(clusterObject([a, b], undefined, { outlier_detection: {} }));
  const use = (end: (choice: Choice) => void) => {
    const choice = cluster.pick({});
    choice.connected(1);
    end(choice);
  };
  for (let i = 0; i < 4; i++) use((choice) => choice.failed("reset"));
  use((choice) => choice.release());
  for (let i = 0; i < 4; i++) use((choice) => choice.failed("reset"));
  assertEquals(names(cluster, 1), { a: 1 });
  // That a session was given up before it was connected says nothing.
  use((choice) => choice.failed("reset"));
  assertEquals(names(cluster, 1), { b: 1 });
});

Deno.test("Cluster refuses sessions over the limits of its circuit breaker", () => {
  const { cluster } = makeCluster(clusterObject([a], undefined, { circuit_breaker: { max_connections: 2 } }));
  const first = cluster.pick({});
  cluster.pick({});
  const error = assertThrows(() => cluster.pick({}), LimitError, "circuit_breaker.max_connections");
  assertEquals([error.status, cluster.statistics().refused], [503, 1]);
  first.failed("connect");
  cluster.pick({});
});

Deno.test("Cluster counts an attempt after a failure as a retry until it is connected", () => {
  const { cluster } = makeCluster(clusterObject([a], undefined, { circuit_breaker: { max_retries: 1 } }));
  const tried = new Set(cluster.members);
  const retry = cluster.pick({}, tried);
  assertThrows(() => cluster.pick({}, tried), LimitError, "circuit_breaker.max_retries");
  cluster.pick({});
  retry.connected(1);
  cluster.pick({}, tried);
});

Deno.test("Cluster.update() keeps the members that stay, with sessions, counters, health and turn", () => {
  const settings = { outlier_detection: {} };
  const { cluster } = makeCluster(clusterObject([a, b], { policy: "RoundRobin" }, settings));
  const [keptA, oldB] = cluster.members;
  const session = cluster.pick({});
  session.connected(5);
  assertStrictEquals(session.member, keptA);
  keptA!.healthy = false;
  const movedB = endpoint("b", { spec: { address: "elsewhere.example" } });
  cluster.update(
    clusterObject([c, movedB, endpoint("a", { weight: 7, priority: 3 })], { policy: "RoundRobin" }, settings),
  );
  const [, newB, newA] = cluster.members;
  assertEquals(cluster.members.map(({ name }) => name).join(""), "cba");
  assertStrictEquals(newA, keptA);
  assertNotStrictEquals(newB, oldB);
  assertEquals([newA!.active, newA!.weight, newA!.priority, newA!.healthy, newA!.counters.connectMs], [
    1,
    7,
    3,
    false,
    5,
  ]);
  session.release();
  assertEquals(newA!.active, 0);
});

Deno.test("Cluster.update() makes new members when the cluster's own spec is another", () => {
  const { cluster } = makeCluster(clusterObject([a]));
  const old = cluster.pick({});
  cluster.update({ ...clusterObject([a]), spec: { protocol: "TCP", port: 81 } });
  const [next] = cluster.members;
  assertNotStrictEquals(next, old.member);
  assertEquals([old.member.port, next!.port, next!.active], ["80", "81", 0]);
  old.release();
  assertEquals(cluster.statistics().connections, 0);
});

Deno.test("Cluster.update() with settings that cannot be read changes nothing", () => {
  const { cluster } = makeCluster(clusterObject([a]));
  assertThrows(() => cluster.update(clusterObject([b], { policy: "Rundum" })), ConfigError, "unknown policy");
  assertEquals(names(cluster, 1), { a: 1 });
});

Deno.test("Cluster.update() takes up another policy, other limits, and the end of outlier detection", () => {
  const { cluster } = makeCluster(clusterObject([a, b], undefined, { outlier_detection: {} }));
  fail(cluster, 5);
  assertEquals(names(cluster, 2), { b: 2 });
  cluster.update(clusterObject([a, b]));
  assertEquals(names(cluster, 2), { a: 2 });
  cluster.update(clusterObject([a, b], { policy: "RoundRobin" }, { circuit_breaker: { max_requests: 1 } }));
  assertEquals(names(cluster, 4), { a: 2, b: 2 });
  cluster.pick({});
  assertThrows(() => cluster.pick({}), LimitError);
});

Deno.test("Cluster.update() with the same load balancer keeps who is where", () => {
  const sticky = { policy: "RoundRobin", sticky: { key: "user" } };
  const { cluster } = makeCluster(clusterObject([a, b], sticky));
  const place = (user: string) => cluster.pick({ user }).member.name;
  assertEquals([place("u"), place("v")], ["a", "b"]);
  cluster.update(clusterObject([c, a, b], { ...sticky }));
  assertEquals([place("u"), place("v")], ["a", "b"]);
});

Deno.test("a virtual Cluster is its own only member", () => {
  const object = { ...clusterObject([], { policy: "None" }), spec: { protocol: "Logger" }, virtual: true };
  const { cluster } = makeCluster(object);
  assertEquals(names(cluster, 2), { c: 2 });
  assertEquals(cluster.members.map(({ name, address, port }) => [name, address, port]), [["c", undefined, undefined]]);
});

Deno.test("the port of a member is its own, or the cluster's, or that of what carries it", () => {
  const spec = { protocol: "JSONSocket", transport: { protocol: "UDP", port: 16000 } };
  const own = endpoint("own", { spec: { address: "x", port: 99 } });
  const { cluster } = makeCluster({ ...clusterObject([a, own]), spec });
  assertEquals(cluster.members.map(({ port }) => port), ["16000", "99"]);
});

Deno.test("Cluster checks the health of its members and leaves out those that are not well", async () => {
  const time = FakeTimers.install({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
  });
  try {
    const sick = new Set(["a"]);
    const probed: string[] = [];
    const probe = async ({ name }: Member) => {
      probed.push(name);
      if (sick.has(name)) throw new ConnectError(`connect(${name}): Connection refused`);
    };
    const checked = { health_check: { interval: "1s", healthy: 1 } };
    const { cluster, lines } = makeCluster(clusterObject([a, b], undefined, checked), { probe });
    await time.tickAsync(0);
    assertEquals(names(cluster, 2), { b: 2 });
    assertEquals(cluster.statistics().members.map(({ healthy }) => healthy), [false, true]);
    sick.clear();
    await time.tickAsync(1000);
    assertEquals(names(cluster, 2), { a: 2 });
    assertEquals(lines, [
      'W endpoint "a" of cluster "c" is unhealthy: connect(a): Connection refused',
      'N endpoint "a" of cluster "c" is healthy again',
    ]);
    cluster.update(clusterObject([b, c], undefined, { ...checked }));
    assertEquals(probed.join(""), "ababc");
    sick.add("b").add("c");
    await time.tickAsync(5000);
    assertEquals(cluster.statistics().members.map(({ healthy }) => healthy), [false, false]);
    // Without checks nobody is known to be unwell.
    cluster.update(clusterObject([b, c]));
    assertEquals(cluster.statistics().members.map(({ healthy }) => healthy), [true, true]);
    const before = probed.length;
    await time.tickAsync(5000);
    assertEquals(probed.length, before);
    await cluster[Symbol.asyncDispose]();
  } finally {
    time.uninstall();
  }
});

Deno.test("Cluster ends its checks, also those of settings it had before, when it is disposed", async () => {
  let running = 0;
  const probe = (_member: Member, signal: AbortSignal) => {
    running++;
    return new Promise<void>((_, reject) =>
      signal.addEventListener("abort", async () => {
        await new Promise((resolve) => setTimeout(resolve));
        running--;
        reject(signal.reason);
      })
    );
  };
  const { cluster } = makeCluster(clusterObject([a, b], undefined, { health_check: {} }), { probe });
  cluster.update(clusterObject([a, b], undefined, { health_check: { interval: "1h" } }));
  assertEquals(running, 4);
  await cluster[Symbol.asyncDispose]();
  assertEquals(running, 0);
  cluster.update(clusterObject([a, b, c], undefined, { health_check: {} }));
  assertEquals(running, 0);
  assert(cluster.pick({}).member);
});

Deno.test("a Cluster whose settings cannot be read says which", () => {
  const error = assertThrows(() => makeCluster(clusterObject([a], { policy: "Rundum" })), ConfigError);
  assertMatch(error.message, /^cluster c\.loadbalancer\.policy: unknown policy "Rundum"/);
});
