// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertGreater } from "@std/assert";
import * as fc from "fast-check";
import { member, tally, weighted } from "./_test_cluster.ts";
import type { Member } from "./member.ts";
import { Ring, ringKeys } from "./ring.ts";

const any = () => true;
const at = (address: string, weight = 1, more: Readonly<Record<string, unknown>> = {}) =>
  member(address, { spec: { address, ...more }, weight });
const keys = Array.from({ length: 1000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);

// The owners that npm:hashring 3.2.0 names for the same weights, with one replica, as the original uses it.
Deno.test("Ring.owner() names the owners of 100 keys that the original names, weights 3:1:1", () => {
  const members = [at("10.0.0.1", 3), at("10.0.0.2"), at("10.0.0.3")];
  const ring = new Ring(members);
  const owners = Array.from({ length: 100 }, (_, i) => ring.owner(`key-${i}`, any)!.name.slice(-1)).join("");
  assertEquals(
    owners,
    "21111313211111111311111311113223211121222313311112" +
      "13311111311111112112213231311131231311211211112332",
  );
});

Deno.test("Ring.owner() names the owners that the original names, with names, IPv6 and weights 5:2:7:1", () => {
  const short: Record<string, string> = { "a.example": "a", "b.example": "b", "10.0.0.9": "c", "::1": "d" };
  const ring = new Ring([at("a.example", 5), at("b.example", 2), at("10.0.0.9", 7), at("::1")]);
  const owners = Array.from({ length: 30 }, (_, i) => short[ring.owner(`10.1.2.${i}`, any)!.name]).join("");
  assertEquals([ring.size, owners], [158, "addccacacacaccccabbcabccabacca"]);
});

Deno.test("Ring gives 72, 24 and 24 of 120 points to weights 3:1:1", () => {
  const members = weighted({ a: 3, b: 1, c: 1 });
  const ring = new Ring(members);
  assertEquals([ring.size, ...members.map((member) => ring.pointsOf(member))], [120, 72, 24, 24]);
});

Deno.test("i-42: a light member has at least one point", () => {
  const members = weighted({ heavy: 10_000, light: 1 });
  const ring = new Ring(members);
  assertEquals(members.map((member) => ring.pointsOf(member)), [79, 1]);
});

Deno.test("i-42: members with one address and several ports are several members", () => {
  const members = [at("10.0.0.1", 1, { port: 1 }), at("10.0.0.1", 1, { port: 2 }), at("10.0.0.2")];
  assertEquals(ringKeys(members), ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2"]);
  const ring = new Ring(members);
  const counts = members.map((member) => keys.filter((key) => ring.owner(key, any) === member).length);
  for (const count of counts) assertGreater(count, 100);
});

Deno.test("ringKeys() takes names where address and port are equal, or absent", () => {
  const twins = [member("a", { spec: { address: "x" } }), member("b", { spec: { address: "x" } })];
  assertEquals(ringKeys(twins), ["a", "b"]);
  assertEquals(ringKeys([member("c", { spec: {} })]), ["c"]);
});

Deno.test("Ring.owner() takes keys only from a member that does not fit", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 8 });
  fc.assert(
    fc.property(weights, fc.nat(), (list, choice) => {
      const members = weighted(Object.fromEntries(list.map((weight, i) => [`m${i}`, weight])));
      const gone = members[choice % members.length]!;
      const ring = new Ring(members);
      for (const key of keys.slice(0, 200)) {
        const before = ring.owner(key, any);
        const after = ring.owner(key, (member) => member !== gone);
        if (before === gone) assert(after !== undefined && after !== gone);
        else assert(after === before, `${key} moved from ${before?.name} to ${after?.name}`);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("a Ring without one of its members of equal weight differs only for the keys that this one had", () => {
  // Not for every number of members: 1/7*40*7 is less than 40 where numbers have 53 bits, in the original too.
  for (const count of [2, 3, 4, 5, 10, 20]) {
    const members = weighted(Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, 1])));
    const [gone, ...rest] = members;
    const [before, after] = [new Ring(members), new Ring(rest)];
    for (const key of keys) {
      const owner = before.owner(key, any);
      if (owner !== gone) assert(after.owner(key, any) === owner, `${key} of ${owner!.name} moved, ${count} members`);
    }
  }
});

Deno.test("Ring.owner() shares keys by weight", () => {
  const ring = new Ring(weighted({ a: 3, b: 1, c: 1 }));
  const many = Array.from({ length: 10_000 }, (_, i) => ring.owner(`caller-${i}`, any)!.name);
  const { a = 0, b = 0, c = 0 } = tally(many);
  // The arcs of 120 points are not all alike: within a third of the weight.
  for (const [share, weight] of [[a, 0.6], [b, 0.2], [c, 0.2]] as const) {
    assert(Math.abs(share / 10_000 - weight) < weight / 3, JSON.stringify({ a, b, c }));
  }
});

Deno.test("Ring.owner() of a key that stands where a point stands is the owner of that point", () => {
  const members = weighted({ a: 3, b: 1, c: 1 });
  const ring = new Ring(members);
  for (const member of members) {
    for (let i = 0; i < ring.pointsOf(member); i++) {
      assertEquals(ring.owner(`${member.name}.example-${i}`, any)?.name, member.name);
    }
  }
});

Deno.test("Ring.owner() gives undefined where none fits", () => {
  assertEquals(new Ring(weighted({ a: 1 })).owner("x", () => false), undefined);
  assertEquals(new Ring([] as Member[]).owner("x", any), undefined);
});
