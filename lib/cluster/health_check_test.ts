// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { messageOf } from "../errors.ts";
import { member, weighted } from "./_test_cluster.ts";
import { readHealthCheck } from "./cluster_settings.ts";
import { HealthChecker, type Probe } from "./health_check.ts";
import type { Member } from "./member.ts";

/** Time that passes when told to. */
function fakeTime(): Disposable & { pass(ms: number): Promise<void> } {
  const clock = FakeTimers.install({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
  });
  return {
    async pass(ms) {
      await clock.tickAsync(ms);
    },
    [Symbol.dispose]: () => clock.uninstall(),
  };
}

const settings = readHealthCheck({}, "h");

/** A checker whose checks do what `probe` says, and what it did. */
function checking(members: readonly Member[], probe: Probe) {
  const probes: string[] = [];
  const changes: string[] = [];
  const checker = new HealthChecker(
    settings,
    (member, signal) => {
      probes.push(member.name);
      return probe(member, signal);
    },
    (member, error) => changes.push(member.healthy ? member.name : `${member.name}: ${messageOf(error)}`),
  );
  checker.update(members);
  return { checker, probes, changes };
}

const well: Probe = () => Promise.resolve();
/** A check that ends only when it is aborted. */
const hanging: Probe = (_member, signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

Deno.test("HealthChecker tries all members at once and then every interval", async () => {
  using time = fakeTime();
  const { checker, probes } = checking(weighted({ a: 1, b: 1 }), well);
  assertEquals(probes.join(""), "ab");
  await time.pass(4999);
  assertEquals(probes.join(""), "ab");
  await time.pass(1);
  assertEquals(probes.join(""), "abab");
  await time.pass(10_000);
  assertEquals(probes.join(""), "abababab");
  await checker[Symbol.asyncDispose]();
  await time.pass(100_000);
  assertEquals(probes.join(""), "abababab");
});

Deno.test("HealthChecker takes a member out after 3 failures and back after 2 successes in a row", async () => {
  using time = fakeTime();
  // The first letter is the first check: w well, f failed.
  const results = "wwffwfffwffwfwww";
  const one = member("a");
  const states: string[] = [];
  let next = 0;
  const { checker, changes } = checking([one], async () => {
    if (results[next++] === "f") throw new Error("refused");
  });
  for (let i = 0; i < results.length; i++) {
    await time.pass(i === 0 ? 0 : 5000);
    states.push(one.healthy ? "w" : "f");
  }
  assertEquals(states.join(""), "wwwwwwwfffffffww");
  assertEquals(changes, ["a: refused", "a"]);
  await checker[Symbol.asyncDispose]();
});

Deno.test("HealthChecker lets the first result decide", async () => {
  using time = fakeTime();
  const members = weighted({ a: 1, b: 1 });
  const { checker, changes } = checking(
    members,
    ({ name }) => name === "a" ? Promise.reject("down") : well(members[0]!, new AbortController().signal),
  );
  assertEquals(members.map(({ healthy }) => healthy), [true, true]);
  await time.pass(0);
  assertEquals(members.map(({ healthy }) => healthy), [false, true]);
  assertEquals(changes, ["a: down"]);
  await checker[Symbol.asyncDispose]();
});

Deno.test("HealthChecker ends a check after its timeout and counts it as failed", async () => {
  using time = fakeTime();
  const one = member("a");
  const { checker, changes } = checking([one], hanging);
  await time.pass(999);
  assertEquals(one.healthy, true);
  await time.pass(1);
  assertEquals([one.healthy, changes], [false, ["a: no success within 1s"]]);
  await checker[Symbol.asyncDispose]();
});

Deno.test("HealthChecker counts a check that takes no notice of its timeout as failed, and runs no second beside it", async () => {
  using time = fakeTime();
  const one = member("a");
  let done = () => {};
  const { checker, probes } = checking([one], () => new Promise((resolve) => done = resolve));
  await time.pass(12_000);
  assertEquals(probes.length, 1);
  done();
  await time.pass(0);
  assertEquals(one.healthy, false);
  const ending = checker[Symbol.asyncDispose]();
  done();
  await ending;
});

Deno.test("HealthChecker checks new members at once and ends the checks of those that are gone", async () => {
  using time = fakeTime();
  const [a, b] = [member("a"), member("b")];
  let aborted = 0;
  const { checker, probes, changes } = checking([a], (one, signal) => {
    signal.addEventListener("abort", () => aborted++);
    return hanging(one, signal);
  });
  checker.update([b]);
  assertEquals([probes.join(""), aborted], ["ab", 1]);
  await time.pass(1000);
  assertEquals([a.healthy, b.healthy, changes.length], [true, false, 1]);
  await time.pass(4000);
  assertEquals(probes.join(""), "abb");
  await checker[Symbol.asyncDispose]();
});

Deno.test("HealthChecker ends with its running checks, whose result then says nothing", async () => {
  const one = member("a");
  let reason: unknown;
  let closed = false;
  const { checker, changes } = checking([one], async (one, signal) => {
    await hanging(one, signal).catch((error) => reason = error);
    await new Promise((resolve) => setTimeout(resolve));
    closed = true;
    throw reason;
  });
  await checker[Symbol.asyncDispose]();
  await checker[Symbol.asyncDispose]();
  assert(closed);
  assert(reason instanceof DOMException);
  assertMatch(reason.name, /AbortError/);
  assertEquals([one.healthy, changes], [true, []]);
  checker.update([member("b")]);
});
