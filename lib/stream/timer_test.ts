// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { after, sleep } from "./timer.ts";

Deno.test("after() waits longer than the runtime's timers can, for ever too, and stops", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const days = 86_400_000;
    const called: string[] = [];
    after(60 * days, () => called.push("60 days"));
    after(Infinity, () => called.push("never"));
    const stopped = after(60 * days, () => called.push("stopped"));
    await clock.tickAsync(30 * days);
    stopped.stop();
    stopped.stop();
    await clock.tickAsync(30 * days - 1);
    assertEquals(called, []);
    await clock.tickAsync(1);
    assertEquals(called, ["60 days"]);
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("after() of a process that stood still waits as long again, at most a second, for what stops it", () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    for (const { stoodMs, moreMs } of [{ stoodMs: 800, moreMs: 320 }, { stoodMs: 60_000, moreMs: 1000 }]) {
      const called: string[] = [];
      after(500, () => called.push("called"));
      const stopped = after(500, () => called.push("stopped"));
      clock.jump(stoodMs);
      stopped.stop();
      clock.tick(20 + moreMs - 1);
      assertEquals(called, []);
      clock.tick(1);
      assertEquals(called, ["called"]);
      assertEquals(clock.countTimers(), 0);
    }
  } finally {
    clock.uninstall();
  }
});

Deno.test("after() of a process that goes on just before the time is over has a moment to see what came", () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const called: string[] = [];
    after(500, () => called.push("called"));
    clock.jump(499);
    clock.tick(19);
    assertEquals(called, []);
    clock.tick(1);
    assertEquals(called, ["called"]);
  } finally {
    clock.uninstall();
  }
});

Deno.test("after() of a process that stands still again looks again, of one that is always late only so often", () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const called: string[] = [];
    after(500, () => called.push("called"));
    clock.jump(800);
    clock.tick(20);
    clock.jump(700);
    clock.tick(20 + 399);
    assertEquals(called, []);
    clock.tick(1);
    assertEquals(called, ["called"]);
    after(500, () => called.push("in the end"));
    let jumps = 0;
    for (; called.length === 1 && jumps < 100; jumps++) clock.jump(jumps === 0 ? 600 : 100);
    assertEquals([called.at(-1), jumps < 20], ["in the end", true]);
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("sleep() rejects as soon as its signal aborts, and leaves neither timer nor listener behind", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const abort = new AbortController();
    const { signal } = abort;
    let listeners = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const whole = sleep(10, signal);
    await clock.tickAsync(10);
    await whole;
    assertEquals([clock.countTimers(), listeners], [0, 0]);
    const cut = sleep(10, signal);
    await clock.tickAsync(9);
    abort.abort(new Error("cut"));
    await assertRejects(() => cut, Error, "cut");
    await assertRejects(() => sleep(10, signal), Error, "cut");
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});
