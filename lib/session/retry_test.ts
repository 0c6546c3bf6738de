// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { collectingLog } from "../../tests/support/steps.ts";
import type { Retry } from "../config/plan.ts";
import { ConfigError, ConnectError, LimitError, StreamError } from "../errors.ts";
import { sleep } from "../stream/timer.ts";
import { Waits, withRetry } from "./retry.ts";

const refused = (text: string, code = "ECONNREFUSED") => new ConnectError(text, { code });
const retry = (count: number): Retry => ({ count, intervalMs: 1, timeoutMs: 0 });

/** Tries that fail with `errors` in order, then succeed. */
function trying(count: number, errors: readonly unknown[], signal = new AbortController().signal) {
  const { log, lines } = collectingLog();
  let tries = 0;
  const told = { retries: 0, retrying: () => void told.retries++ };
  const open = async () => {
    if (tries < errors.length) throw errors[tries++];
    tries++;
    return "open";
  };
  return { result: withRetry(open, retry(count), signal, log, told), told, lines, tries: () => tries };
}

Deno.test("withRetry() tries as often as told, and says so", async () => {
  const { result, told, lines, tries } = trying(2, [refused("one"), refused("two")]);
  assertEquals(await result, "open");
  assertEquals([tries(), told.retries], [3, 2]);
  assertEquals(lines, ["I one; trying again in 0.001 s (1 of 2)", "I two; trying again in 0.001 s (2 of 2)"]);
});

Deno.test("withRetry() rejects with the most frequent error, the latest of those that are", async () => {
  const cases = [
    { errors: [refused("a1"), refused("a2"), refused("b", "ETIMEDOUT")], expected: "a2" },
    { errors: [refused("a"), refused("b", "ETIMEDOUT")], expected: "b" },
    { errors: [refused("b", "ETIMEDOUT"), refused("a1"), refused("c", "X"), refused("a2")], expected: "a2" },
    { errors: [refused("only")], expected: "only" },
  ];
  for (const { errors, expected } of cases) {
    await assertRejects(() => trying(errors.length - 1, errors).result, ConnectError, expected);
  }
});

Deno.test("withRetry() does not try again what cannot help", async () => {
  const final = new ConnectError("no such name", { retryable: false });
  for (const error of [final, new ConfigError("x"), new LimitError("x"), new StreamError("x"), new TypeError("x")]) {
    const { result, tries } = trying(5, [refused("first"), error]);
    assertEquals(await result.catch((reason) => reason), error);
    assertEquals(tries(), 2);
  }
});

Deno.test("withRetry() stops waiting with its signal", async () => {
  const gone = new AbortController();
  const { log } = collectingLog();
  let tries = 0;
  const open = () => {
    tries++;
    return Promise.reject(refused("x"));
  };
  const result = withRetry(open, { count: Infinity, intervalMs: 3_600_000, timeoutMs: 0 }, gone.signal, log);
  await Promise.resolve();
  gone.abort(new StreamError("deleted"));
  await assertRejects(() => result, StreamError, "deleted");
  assertEquals(tries, 1);
});

Deno.test("Waits are all alike, or doubled up to the backoff with a fifth of jitter", () => {
  const same = new Waits(100);
  assertEquals([same.next(), same.next(), same.next()], [100, 100, 100]);
  const growing = new Waits(100, 400);
  for (const expected of [100, 200, 400, 400]) {
    const ms = growing.next();
    assert(ms >= 0.8 * expected && ms <= 1.2 * expected, `${ms} for ${expected}`);
  }
  growing.reset();
  assert(growing.next() <= 120);
});

Deno.test("sleep() of more than a timer can hold does not end at once", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const gone = new AbortController();
    let over = false;
    const sleeping = sleep(30 * 86_400_000, gone.signal).then(() => over = true, () => {});
    await clock.tickAsync(86_400_000);
    assert(!over);
    gone.abort();
    await sleeping;
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});
