// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import * as fc from "fast-check";
import { makeTools, member, tally, weighted } from "./_test_cluster.ts";
import { candidates } from "./availability.ts";
import { makeBalancer, type Metadata } from "./balancer.ts";
import type { LoadBalancing, Policy } from "./load_balancing.ts";
import type { Member } from "./member.ts";

const picks = 10_000;

function balancerFor(members: readonly Member[], settings: LoadBalancing, seed?: number) {
  const tools = makeTools(seed);
  const balancer = makeBalancer(settings, tools);
  balancer.update(members);
  const pick = (metadata: Metadata = {}, tried: readonly Member[] = []) =>
    balancer.pick(candidates(members, tools.now(), new Set(tried)), metadata);
  return { balancer, pick, clock: tools.clock };
}

function many(pick: () => Member, count = picks): string[] {
  return Array.from({ length: count }, () => pick().name);
}

/** That each member got its share by weight, within `tolerance` of all picks. */
function assertShares(members: readonly Member[], names: readonly string[], tolerance: number): void {
  const counts = tally(names);
  const sum = members.reduce((sum, { weight }) => sum + weight, 0);
  for (const { name, weight } of members) {
    const share = (counts[name] ?? 0) / names.length;
    assert(Math.abs(share - weight / sum) <= tolerance, `${name}: ${share} instead of ${weight / sum}`);
  }
}

const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 })
  .map((list) => weighted(Object.fromEntries(list.map((weight, i) => [`m${i}`, weight]))));

Deno.test("Trivial picks the first available member, also after a failure with it", () => {
  const members = weighted({ a: 1, b: 9 });
  const { pick } = balancerFor(members, { policy: "Trivial" });
  assertEquals(tally(many(pick)), { a: picks });
  assertEquals(pick({}, [members[0]!]).name, "a");
  members[0]!.healthy = false;
  assertEquals(pick().name, "b");
});

Deno.test("RoundRobin shares exactly by weight in every round", () => {
  fc.assert(fc.property(weights, (members) => {
    const { pick } = balancerFor(members, { policy: "RoundRobin" });
    const round = members.reduce((sum, { weight }) => sum + weight, 0);
    const wanted = Object.fromEntries(members.map(({ name, weight }) => [name, weight]));
    for (let i = 0; i < 3; i++) assertEquals(tally(many(pick, round)), wanted);
  }));
});

Deno.test("RoundRobin spreads a heavy member's turns", () => {
  const { pick } = balancerFor(weighted({ a: 3, b: 1, c: 1 }), { policy: "RoundRobin" });
  assertEquals(many(pick, 5).join(""), "abaca");
});

Deno.test("RoundRobin forgets members that are gone and takes in new ones", () => {
  const members = weighted({ a: 1, b: 1 });
  const { balancer, pick } = balancerFor(members, { policy: "RoundRobin" });
  pick();
  members.splice(0, 1, member("c"));
  balancer.update(members);
  assertEquals(tally(many(pick, 10)), { b: 5, c: 5 });
});

Deno.test("Random shares by weight", () => {
  fc.assert(
    fc.property(weights, fc.nat(), (members, seed) => {
      const { pick } = balancerFor(members, { policy: "Random" }, seed);
      assertShares(members, many(pick), 0.025);
    }),
    { numRuns: 20 },
  );
});

Deno.test("LeastRequest shares sessions that last by weight", () => {
  fc.assert(
    fc.property(weights, (members) => {
      const { pick } = balancerFor(members, { policy: "LeastRequest" });
      for (let i = 0; i < 1000; i++) pick().active++;
      const sum = members.reduce((sum, { weight }) => sum + weight, 0);
      for (const { active, weight } of members) assert(Math.abs(active - 1000 * weight / sum) <= members.length);
    }),
    { numRuns: 20 },
  );
});

Deno.test("LeastRequest shares sessions that never meet by weight", () => {
  const members = weighted({ a: 3, b: 1, c: 1 });
  const { pick } = balancerFor(members, { policy: "LeastRequest" });
  assertShares(members, many(pick), 0.02);
});

Deno.test("LeastRequest picks the member with the fewest sessions for its weight", () => {
  const members = weighted({ a: 1, b: 4, c: 1 });
  const [a, b, c] = members as [Member, Member, Member];
  [a.active, b.active, c.active] = [2, 7, 3];
  const { pick } = balancerFor(members, { policy: "LeastRequest" });
  assertEquals(tally(many(pick, 100)), { b: 100 });
});

Deno.test("HashRing keeps a caller with its member, also after a failure with it", () => {
  const members = weighted({ a: 1, b: 1, c: 1, d: 1 });
  const { pick } = balancerFor(members, { policy: "HashRing", key: "ip" });
  const owners = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const metadata = { ip: `10.0.0.${i}` };
    const owner = pick(metadata);
    owners.add(owner.name);
    assertEquals(tally(many(() => pick(metadata), 10)), { [owner.name]: 10 });
    assertEquals(pick(metadata, [owner]), owner);
  }
  assertEquals(owners.size, 4);
});

Deno.test("HashRing gives the keys of an unavailable member to others, and back", () => {
  const members = weighted({ a: 1, b: 1, c: 1, d: 1 });
  const { pick } = balancerFor(members, { policy: "HashRing", key: "ip" });
  const all = Array.from({ length: 200 }, (_, i) => ({ ip: `10.0.0.${i}` }));
  const before = all.map((metadata) => pick(metadata).name);
  members[1]!.healthy = false;
  const during = all.map((metadata) => pick(metadata).name);
  members[1]!.healthy = true;
  assertEquals(all.map((metadata) => pick(metadata).name), before);
  during.forEach((name, i) => before[i] === "b" ? assertNotEquals(name, "b") : assertEquals(name, before[i]));
});

Deno.test("HashRing gives its share of the keys to a member that comes later", () => {
  const members = weighted({ a: 1, b: 1 });
  const { balancer, pick } = balancerFor(members, { policy: "HashRing", key: "ip" });
  const place = () => tally(Array.from({ length: 300 }, (_, i) => pick({ ip: `10.0.0.${i}` }).name));
  assertEquals(Object.keys(place()).sort(), ["a", "b"]);
  members.push(member("c"));
  balancer.update(members);
  assertEquals(Object.keys(place()).sort(), ["a", "b", "c"]);
});

Deno.test("HashRing takes numbers and other values as keys", () => {
  const { pick } = balancerFor(weighted({ a: 1, b: 1, c: 1 }), { policy: "HashRing", key: "k" });
  assertEquals(pick({ k: 5060 }), pick({ k: "5060" }));
  const owners = Array.from({ length: 50 }, (_, i) => pick({ k: { port: i } }).name);
  assertEquals(new Set(owners).size, 3);
});

Deno.test("i-42: HashRing without a key, or a value for it, is random by weight, from more than 1000 numbers", () => {
  const members = weighted({ a: 3, b: 1, c: 1 });
  for (const key of [undefined, "absent"]) {
    assertShares(members, many(balancerFor(members, { policy: "HashRing", key }).pick), 0.02);
  }
  const fine = weighted({ heavy: 99_999, light: 1 });
  const { pick } = balancerFor(fine, { policy: "HashRing" }, 7);
  const { light = 0 } = tally(many(pick, 300_000));
  assert(light > 0 && light < 20, `${light} of 300000 with weight 1 in 100000`);
});

Deno.test("i-43: a session that failed with a member gets another, unless the policy insists", () => {
  const members = weighted({ a: 1, b: 1 });
  const [a, b] = members as [Member, Member];
  for (const policy of ["RoundRobin", "Random", "LeastRequest", "HashRing"] as const satisfies Policy[]) {
    const { pick } = balancerFor(members, { policy });
    assertEquals(tally(many(() => pick({}, [a]), 20)), { b: 20 }, policy);
    // With all of them: any.
    assertEquals(Object.keys(tally(many(() => pick({}, [a, b]), 100))).sort(), ["a", "b"], policy);
  }
});

Deno.test("sticky keeps a caller with the member that was picked first", () => {
  const members = weighted({ a: 1, b: 1, c: 1 });
  const { pick } = balancerFor(members, {
    policy: "RoundRobin",
    sticky: { path: "user", ttlMs: Infinity, maxKeys: 1000 },
  });
  const first = Array.from({ length: 300 }, (_, i) => pick({ user: `u${i}` }).name);
  assertEquals(tally(first), { a: 100, b: 100, c: 100 });
  assertEquals(Array.from({ length: 300 }, (_, i) => pick({ user: `u${i}` }).name), first);
  assertEquals(tally(many(pick, 30)), { a: 10, b: 10, c: 10 });
});

Deno.test("sticky moves a caller whose member is not available or has just failed it, and keeps it there", () => {
  const members = weighted({ a: 1, b: 1, c: 1 });
  const { pick } = balancerFor(members, {
    policy: "RoundRobin",
    sticky: { path: "user", ttlMs: Infinity, maxKeys: 1000 },
  });
  const caller = { user: "u" };
  const first = pick(caller);
  first.healthy = false;
  const second = pick(caller);
  assertNotEquals(second, first);
  first.healthy = true;
  assertEquals(tally(many(() => pick(caller), 10)), { [second.name]: 10 });
  const third = pick(caller, [second]);
  assertNotEquals(third, second);
  assertEquals(tally(many(() => pick(caller), 10)), { [third.name]: 10 });
});

Deno.test("sticky keeps a caller with a member of a later priority when earlier ones return", () => {
  const members = [member("a"), member("spare", { priority: 1 })];
  const { pick } = balancerFor(members, {
    policy: "Trivial",
    sticky: { path: "user", ttlMs: Infinity, maxKeys: 10 },
  });
  members[0]!.healthy = false;
  assertEquals(pick({ user: "u" }).name, "spare");
  members[0]!.healthy = true;
  assertEquals([pick({ user: "u" }).name, pick({ user: "v" }).name], ["spare", "a"]);
});

/** Picks for `names` in turn. */
function placed(pick: (metadata: Metadata) => Member, names: readonly string[]): string[] {
  return names.map((user) => pick({ user }).name);
}

Deno.test("sticky forgets a caller after its time, which begins anew with every session", () => {
  const { pick, clock } = balancerFor(weighted({ a: 1, b: 1 }), {
    policy: "RoundRobin",
    sticky: { path: "user", ttlMs: 1000, maxKeys: 10 },
  });
  assertEquals(placed(pick, ["u"]), ["a"]);
  clock.ms = 999;
  assertEquals(placed(pick, ["u"]), ["a"]);
  clock.ms = 1998;
  assertEquals(placed(pick, ["u"]), ["a"]);
  clock.ms = 2998;
  assertEquals(placed(pick, ["u"]), ["b"]);
});

Deno.test("sticky remembers at most so many callers and forgets the one not seen for longest", () => {
  const { pick } = balancerFor(weighted({ a: 1, b: 1, c: 1 }), {
    policy: "RoundRobin",
    sticky: { path: "user", ttlMs: Infinity, maxKeys: 2 },
  });
  assertEquals(placed(pick, ["u", "v", "u", "w", "u", "v"]), ["a", "b", "a", "c", "a", "a"]);
});

Deno.test("sticky tells long keys apart by all of their text", () => {
  const { pick } = balancerFor(weighted({ a: 1, b: 1 }), {
    policy: "RoundRobin",
    sticky: { path: "user", ttlMs: Infinity, maxKeys: 10 },
  });
  const long = "x".repeat(1000);
  assertEquals(placed(pick, [`${long}1`, `${long}2`, `${long}1`, `${long}2`]), ["a", "b", "a", "b"]);
});

Deno.test("sticky forgets members that are gone", () => {
  const members = weighted({ a: 1, b: 1 });
  const { balancer, pick } = balancerFor(members, {
    policy: "Trivial",
    sticky: { path: "user", ttlMs: Infinity, maxKeys: 10 },
  });
  assertEquals(pick({ user: "u" }).name, "a");
  members.shift();
  balancer.update(members);
  assertEquals(pick({ user: "u" }).name, "b");
});

Deno.test("every policy picks one of its candidates, whatever their health, weights and priorities are", () => {
  const one = fc.record({
    weight: fc.integer({ min: 1, max: 100 }),
    priority: fc.integer({ min: 0, max: 2 }),
    healthy: fc.boolean(),
    ejected: fc.boolean(),
    tried: fc.boolean(),
  });
  const policies = fc.constantFrom<Policy>("Trivial", "RoundRobin", "Random", "LeastRequest", "HashRing", "None");
  fc.assert(
    fc.property(policies, fc.array(one, { minLength: 1, maxLength: 8 }), fc.boolean(), (policy, list, keyed) => {
      const members = list.map(({ weight, priority, healthy, ejected }, i) =>
        Object.assign(member(`m${i}`, { weight, priority }), { healthy, ejectedUntilMs: ejected ? 1 : 0 })
      );
      const tried = members.filter((_, i) => list[i]!.tried);
      const { pick } = balancerFor(members, { policy, ...(keyed && { key: "k" }) });
      const picked = pick({ k: "v" }, tried);
      const available = members.filter((member) => member.healthy && member.ejectedUntilMs === 0);
      if (available.length > 0) assert(available.includes(picked));
      else assertEquals(picked.priority, Math.min(...members.map(({ priority }) => priority)));
    }),
  );
});
