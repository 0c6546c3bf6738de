// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { Heartbeat } from "./heartbeat.ts";

/** Runs `test` on a clock of its own; `events` collects what the heartbeat does. */
function onFakeClock(test: (clock: { tick(ms: number): void }, events: string[], heartbeat: Heartbeat) => void): void {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const events: string[] = [];
  const heartbeat = new Heartbeat({
    intervalMs: 1000,
    timeoutMs: 300,
    ping: () => events.push("ping"),
    fail: (ms) => events.push(`fail ${ms}`),
  });
  try {
    heartbeat.start();
    test(clock, events, heartbeat);
  } finally {
    heartbeat.stop();
    clock.uninstall();
  }
}

Deno.test("Heartbeat pings after silence and fails when that stays", () => {
  onFakeClock((clock, events) => {
    clock.tick(999);
    assertEquals(events, []);
    clock.tick(1);
    assertEquals(events, ["ping"]);
    clock.tick(299);
    assertEquals(events, ["ping"]);
    clock.tick(1);
    assertEquals(events, ["ping", "fail 300"]);
    clock.tick(10_000);
    assertEquals(events, ["ping", "fail 300"]);
  });
});
Deno.test("Heartbeat takes anything that arrives as life", () => {
  onFakeClock((clock, events, heartbeat) => {
    clock.tick(900);
    heartbeat.alive();
    clock.tick(900);
    assertEquals(events, []);
    clock.tick(100);
    assertEquals(events, ["ping"]);
    clock.tick(200);
    heartbeat.alive();
    clock.tick(900);
    assertEquals(events, ["ping"]);
  });
});
Deno.test("Heartbeat does not judge a peer we do not listen to", () => {
  onFakeClock((clock, events, heartbeat) => {
    heartbeat.pause();
    clock.tick(60_000);
    assertEquals(events, []);
    heartbeat.resume();
    clock.tick(1300);
    assertEquals(events, ["ping", "fail 300"]);
  });
});
