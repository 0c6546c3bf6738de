/** Who gets which sessions: policies measured, callers that stay, endpoints that go, come back or are left out, limits. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { acceptance, stays } from "../e2e/harness.ts";
import { connect } from "../e2e/peers.ts";
import { delay, eventually } from "../e2e/wait.ts";
import { Fleet, type Name, names } from "./fleet.ts";

/** Within five standard deviations of what chance gives. */
function assertShare(got: number, count: number, share: number): void {
  const spread = 5 * Math.sqrt(count * share * (1 - share));
  assert(Math.abs(got - count * share) <= spread, `${got} of ${count}, ${share} expected`);
}

/** Addresses of callers. */
const addresses = Array.from({ length: 20 }, (_, i) => `127.0.0.${i + 2}`);

async function ownersByAddress(fleet: Fleet): Promise<(Name | undefined)[]> {
  const owners: (Name | undefined)[] = [];
  for (const address of addresses) owners.push(await fleet.visit(address));
  return owners;
}

acceptance("balancing", "Trivial, and no policy at all, take the first endpoint", async (run) => {
  const fleet = await Fleet.start(run);
  assertEquals(await fleet.visits(5), { a: 5, b: 0, c: 0 });
  await fleet.service.do("DELETE", "/endpoints/a");
  assertEquals(await fleet.visits(5), { a: 0, b: 5, c: 0 });
});

acceptance("balancing", "RoundRobin goes round", async (run) => {
  const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy: "RoundRobin" } } });
  const order: unknown[] = [];
  for (let i = 0; i < 6; i++) order.push(await fleet.visit());
  assertEquals(order, [...names, ...names]);
});

acceptance("balancing", "RoundRobin gives each what it weighs", async (run) => {
  const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy: "RoundRobin" } }, weights: [3, 1, 1] });
  assertEquals(await fleet.visits(20), { a: 12, b: 4, c: 4 });
});

for (const policy of ["Random", "HashRing"]) {
  acceptance("balancing", `${policy} without a key gives each what it weighs, by chance`, async (run) => {
    const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy } }, weights: [3, 1, 1] });
    const count = 250;
    const { a, b, c } = await fleet.visits(count);
    assertEquals(a + b + c, count);
    assertShare(a, count, 0.6);
    assertShare(b, count, 0.2);
    assertShare(c, count, 0.2);
  });
}

acceptance("balancing", "LeastRequest evens out sessions that stay, and fills up who has lost his", async (run) => {
  const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy: "LeastRequest" } } });
  const joined: Awaited<ReturnType<Fleet["join"]>>[] = [];
  for (let i = 0; i < 9; i++) joined.push(await fleet.join());
  const of = (name: Name) => joined.filter((one) => one.name === name);
  for (const name of names) assertEquals(of(name).length, 3, name);
  for (const { peer } of of("b")) peer.close();
  await fleet.service.sessions("six sessions", (all) => all.length === 6);
  for (let i = 0; i < 3; i++) assertEquals((await fleet.join()).name, "b");
});

acceptance("balancing", "LeastRequest reckons with weights", async (run) => {
  const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy: "LeastRequest" } }, weights: [3, 1, 1] });
  const seen = { a: 0, b: 0, c: 0 };
  for (let i = 0; i < 10; i++) seen[(await fleet.join()).name]++;
  assertEquals(seen, { a: 6, b: 2, c: 2 });
});

acceptance(
  "balancing",
  "ConsistentHash keeps a source address where it is, whoever else comes and goes",
  async (run) => {
    const loadbalancer = { policy: "ConsistentHash", key: "/IP/src_addr" };
    const fleet = await Fleet.start(run, { cluster: { loadbalancer } });
    const owners = await ownersByAddress(fleet);
    assertEquals(new Set(owners).size, 3, `all have some: ${owners}`);
    assertEquals(await ownersByAddress(fleet), owners);
    await fleet.service.do("DELETE", "/endpoints/b");
    const without = await ownersByAddress(fleet);
    owners.forEach((owner, i) => {
      if (owner === "b") assert(without[i] === "a" || without[i] === "c");
      else assertEquals(without[i], owner);
    });
    const spec = { address: "127.0.0.1", port: fleet.backends.b.port };
    await fleet.service.do("POST", "/clusters/up/endpoints", { endpoint: { name: "b", spec } });
    assertEquals(await ownersByAddress(fleet), owners);
  },
);

acceptance("balancing", "ConsistentHash goes by a header, and by chance where there is none", async (run) => {
  const loadbalancer = { policy: "ConsistentHash", key: "HTTP/headers/x-user" };
  const fleet = await Fleet.start(run, { protocol: "HTTP", cluster: { loadbalancer } });
  const users = Array.from({ length: 20 }, (_, i) => `user-${i}`);
  const round = async () => {
    const owners: string[] = [];
    for (const user of users) owners.push((await fleet.ask({ "X-User": user })).body);
    return owners;
  };
  const owners = await round();
  assertEquals(new Set(owners).size, 3);
  assertEquals(await round(), owners);
  const nameless = new Set<string>();
  await eventually("everyone", async () => nameless.add((await fleet.ask()).body).size === 3);
});

acceptance("balancing", "a sticky caller keeps its endpoint until it has not been seen for ttl", async (run) => {
  const ttl = 4000;
  const loadbalancer = { policy: "RoundRobin", sticky: { key: "/IP/src_addr", ttl } };
  const fleet = await Fleet.start(run, { cluster: { loadbalancer } });
  assertEquals(await fleet.visits(2, "127.0.0.2"), { a: 2, b: 0, c: 0 });
  assertEquals(await fleet.visits(2, "127.0.0.3"), { a: 0, b: 2, c: 0 });
  assertEquals(await fleet.visits(2, "127.0.0.2"), { a: 2, b: 0, c: 0 });
  // Every visit begins the time anew, so nothing can be watched meanwhile.
  await delay(ttl + 100);
  assertEquals(await fleet.visits(2, "127.0.0.2"), { a: 0, b: 0, c: 2 });
});

acceptance("balancing", "a sticky caller moves when its endpoint is gone, and then stays there", async (run) => {
  const loadbalancer = { policy: "RoundRobin", sticky: { key: "/IP/src_addr" } };
  const fleet = await Fleet.start(run, {
    cluster: { loadbalancer },
    retry: { retry_on: "connect-failure", num_retries: 2, interval: 10 },
  });
  assertEquals(await fleet.visits(3), { a: 3, b: 0, c: 0 });
  await fleet.backends.a.stop();
  const second = (await fleet.visit())!;
  assert(second === "b" || second === "c");
  assertEquals((await fleet.visits(3))[second], 3);
  fleet.backends.a.start();
  assertEquals((await fleet.visits(3))[second], 3);
});

acceptance("fail-over", "an attempt that is made again goes to another endpoint", async (run) => {
  const fleet = await Fleet.start(run, {
    cluster: { loadbalancer: { policy: "RoundRobin" } },
    retry: { retry_on: "connect-failure", num_retries: 2, interval: 10 },
  });
  await fleet.backends.a.stop();
  await fleet.backends.b.stop();
  assertEquals(await fleet.visits(6), { a: 0, b: 0, c: 6 });
});

acceptance("fail-over", "a session that loses its endpoint goes on with another", async (run) => {
  const fleet = await Fleet.start(run, {
    cluster: { loadbalancer: { policy: "RoundRobin" } },
    retry: { retry_on: "always", num_retries: 5, timeout: 100 },
  });
  const { name, peer } = await fleet.join();
  assertEquals(name, "a");
  await fleet.backends.a.stop();
  // Who takes over says its name too.
  assertEquals(await peer.text(1), "b");
  await peer.send("x");
  assertEquals(await peer.text(1), "x");
});

/** Checks often, so that tests are quick; one failure or success decides. */
const health_check = { type: "tcp", interval: 100, timeout: 5000, unhealthy: 2, healthy: 2 };

acceptance("fail-over", "the next priority serves only while no endpoint before it is healthy", async (run) => {
  const fleet = await Fleet.start(run, {
    cluster: { loadbalancer: { policy: "RoundRobin" }, health_check },
    priorities: [0, 0, 1],
    start: { stderr: "any" },
  });
  assertEquals(await fleet.visits(4), { a: 2, b: 2, c: 0 });
  await fleet.backends.a.stop();
  await fleet.service.child.logs(/endpoint "a" of cluster "up" is unhealthy/);
  assertEquals(await fleet.visits(4), { a: 0, b: 4, c: 0 });
  await fleet.backends.b.stop();
  await fleet.service.child.logs(/endpoint "b" of cluster "up" is unhealthy/);
  assertEquals(await fleet.visits(4), { a: 0, b: 0, c: 4 });
  fleet.backends.b.start();
  await eventually("b again", async () => await fleet.visit() === "b");
  assertEquals(await fleet.visits(4), { a: 0, b: 4, c: 0 });
});

acceptance(
  "health checks",
  "a killed endpoint is left out within its time, and is there again when it is back",
  async (run) => {
    const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy: "RoundRobin" }, health_check } });
    assertEquals(await fleet.visits(6), { a: 2, b: 2, c: 2 });
    await fleet.backends.b.stop();
    await fleet.service.child.logs(/endpoint "b" of cluster "up" is unhealthy: .*Connection refused/);
    assertEquals(await fleet.visits(6), { a: 3, b: 0, c: 3 });
    fleet.backends.b.start();
    await eventually("b again", async () => await fleet.visit() === "b");
    const { a, b, c } = await fleet.visits(6);
    assertEquals([a, b, c], [2, 2, 2]);
  },
);

acceptance("health checks", "end with the cluster", async (run) => {
  const fleet = await Fleet.start(run, { cluster: { health_check } });
  let checks = 0;
  fleet.backends.a.handle = () => {
    checks++;
    return Promise.resolve();
  };
  await eventually("checks", () => checks > 2);
  await fleet.service.do("DELETE", "/clusters/up");
  const left = checks;
  // One may have been under way.
  await stays("checks of a cluster that is gone", 500, () => checks > left + 1);
});

acceptance("outlier detection", "an endpoint that fails is left out for a while, then tried again", async (run) => {
  const outlier_detection = { consecutive_errors: 2, base_ejection_time: 6000, max_ejection_percent: 50 };
  const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy: "RoundRobin" }, outlier_detection } });
  await fleet.backends.b.stop();
  let failures = 0;
  while (failures < 2) if (await fleet.visit() === undefined) failures++;
  await fleet.service.child.logs(/endpoint "b" of cluster "up" is left out for 6s: 2 errors in a row/);
  const { a, b, c } = await fleet.visits(12);
  assertEquals(b, 0);
  assertEquals(a + c, 12, "nobody is sent to it");
  fleet.backends.b.start();
  await eventually("b again", async () => await fleet.visit() === "b");
});

/** A request whose body does not end. */
async function hold({ run, port }: Fleet) {
  const peer = await connect(run, { tcp: port });
  await peer.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  assertEquals(await peer.text(12), "HTTP/1.1 200");
  return peer;
}

acceptance("limits", "of a circuit breaker are said with 503, and leave when sessions do", async (run) => {
  const fleet = await Fleet.start(run, { protocol: "HTTP", cluster: { circuit_breaker: { max_connections: 2 } } });
  const first = await hold(fleet);
  await hold(fleet);
  assertEquals((await fleet.ask()).status, 503);
  await fleet.service.child.logs(
    /cluster "up" has 2 sessions, as many as it may \(circuit_breaker\.max_connections\)/,
  );
  first.close();
  await eventually("room", async () => (await fleet.ask()).status === 200);
});

acceptance("limits", "max_sessions of a listener is said with 503, and leaves when sessions do", async (run) => {
  const fleet = await Fleet.start(run, { protocol: "HTTP", listener: { options: { max_sessions: 1 } } });
  // Who has not said what it wants takes nobody's place.
  await connect(run, { tcp: fleet.port });
  const peer = await hold(fleet);
  const { status, body } = await fleet.ask();
  assertEquals(status, 503);
  assertMatch(body, /too many sessions/);
  peer.close();
  await eventually("room", async () => (await fleet.ask()).status === 200);
});

acceptance("balancing", "a cluster may be given other endpoints and another policy while it serves", async (run) => {
  const fleet = await Fleet.start(run);
  const { peer } = await fleet.join();
  const cluster = await fleet.service.get("/clusters/up?recursive=true");
  cluster.loadbalancer = { policy: "RoundRobin" };
  cluster.endpoints = cluster.endpoints.slice(1);
  await fleet.service.do("PUT", "/clusters/up", { cluster });
  assertEquals(await fleet.visits(4), { a: 0, b: 2, c: 2 });
  await peer.send("still here");
  assertEquals(await peer.text(10), "still here");
});

acceptance("balancing", "all of three endpoints serve a load at the same time", async (run) => {
  const fleet = await Fleet.start(run, { cluster: { loadbalancer: { policy: "RoundRobin" } } });
  const seen = await Promise.all(Array.from({ length: 60 }, () => fleet.visit()));
  for (const name of names) assertEquals(seen.filter((one) => one === name).length, 20, name);
});
