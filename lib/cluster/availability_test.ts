// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { member } from "./_test_cluster.ts";
import { candidates } from "./availability.ts";
import type { Member } from "./member.ts";

const [a, b, spare, last] = [
  member("a"),
  member("b"),
  member("spare", { priority: 1 }),
  member("last", { priority: 2 }),
];
const all = [spare, a, b, last];

/** The candidates by name: available ones, and those untried. */
function names(options: { unhealthy?: Member[]; ejected?: Member[]; tried?: Member[]; nowMs?: number } = {}) {
  const { unhealthy = [], ejected = [], tried = [], nowMs = 0 } = options;
  for (const one of all) {
    one.healthy = !unhealthy.includes(one);
    one.ejectedUntilMs = ejected.includes(one) ? 100 : 0;
  }
  const found = candidates(all, nowMs, new Set(tried));
  const of = (members: readonly Member[]) => members.map(({ name }) => name).join(" ");
  return [of(found.available), of(found.untried), of(all.filter((one) => found.mayKeep(one)))];
}

Deno.test("candidates() are the available members of the first priority", () => {
  assertEquals(names(), ["a b", "a b", "spare a b last"]);
  assertEquals(names({ unhealthy: [a] }), ["b", "b", "spare b last"]);
  assertEquals(names({ ejected: [b] }), ["a", "a", "spare a last"]);
});

Deno.test("candidates() are of the next priority when the first has nobody available", () => {
  assertEquals(names({ unhealthy: [a], ejected: [b] }), ["spare", "spare", "spare last"]);
  assertEquals(names({ unhealthy: [a, b, spare] }), ["last", "last", "last"]);
});

Deno.test("an ejected member is a candidate again when its time is over", () => {
  assertEquals(names({ ejected: [a, b], nowMs: 99 })[0], "spare");
  assertEquals(names({ ejected: [a, b], nowMs: 100 })[0], "a b");
});

Deno.test("candidates() are all members of the first priority when nobody is available", () => {
  assertEquals(names({ unhealthy: all }), ["a b", "a b", "a b"]);
  assertEquals(names({ unhealthy: all, tried: [a] }), ["a b", "b", "b"]);
});

Deno.test("candidates() that were tried come last, after those of the next priority", () => {
  assertEquals(names({ tried: [a] }), ["a b", "b", "spare b last"]);
  assertEquals(names({ tried: [a, b] }), ["a b", "spare", "spare last"]);
  assertEquals(names({ tried: all }), ["a b", "a b", ""]);
});
