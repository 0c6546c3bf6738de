// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { after } from "./timer.ts";

Deno.test("after() waits longer than the runtime's timers can, for ever too, and stops", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
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
