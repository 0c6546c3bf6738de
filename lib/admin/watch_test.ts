// GET /sessions?watch=true.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { silentLog } from "../log.ts";
import { callerAt, FakeControl } from "./_fake_control.ts";
import { adminRegistry } from "./_test_registry.ts";
import { createAdmin } from "./app.ts";

function watching(control: FakeControl, method = "GET"): Promise<Response> {
  const admin = createAdmin(control, { registry: adminRegistry, log: silentLog() });
  return admin(new Request("http://localhost/api/v1/sessions?watch=true", { method }), callerAt());
}

Deno.test("API: a watch tells the sessions there are, then every change, a line each, until its reader goes", async () => {
  const control = new FakeControl();
  control.addSession("s-1");
  const answer = await watching(control);
  assertEquals([answer.status, answer.headers.get("content-type")], [200, "application/x-ndjson"]);
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  const next = async () => {
    const text = (await reader.read()).value!;
    assertEquals(text.indexOf("\n"), text.length - 1);
    const { type, session } = JSON.parse(text);
    return session === undefined ? type : `${type} ${session.name}`;
  };
  assertEquals([await next(), await next()], ["ADDED s-1", "BOOKMARK"]);
  control.addSession("s-2");
  control.endSession("s-1");
  assertEquals([await next(), await next()], ["ADDED s-2", "DELETED s-1"]);
  assertEquals(control.watchers, 1);
  const late = next();
  control.endSession("s-2");
  assertEquals(await late, "DELETED s-2");
  await reader.cancel();
  assertEquals(control.watchers, 0);
});

Deno.test("API: a watch nobody reads from any more lets go while it waits", async () => {
  const control = new FakeControl();
  const answer = await watching(control);
  const reader = answer.body!.getReader();
  await reader.read();
  const waiting = reader.read();
  await reader.cancel();
  assertEquals((await waiting).done, true);
  assertEquals(control.watchers, 0);
});

Deno.test("API: a watch that has nothing to tell says so every 20 seconds", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const control = new FakeControl();
    const reader = (await watching(control)).body!.pipeThrough(new TextDecoderStream()).getReader();
    assertEquals((await reader.read()).value, '{"type":"BOOKMARK"}\n');
    for (let i = 0; i < 2; i++) {
      const waiting = reader.read();
      await untilWaiting(clock);
      await clock.tickAsync(20_000);
      assertEquals((await waiting).value, '{"type":"BOOKMARK"}\n');
    }
    const waiting = reader.read();
    await untilWaiting(clock);
    control.addSession("s-1");
    assertEquals(JSON.parse((await waiting).value!).type, "ADDED");
    await reader.cancel();
    assertEquals([clock.countTimers(), control.watchers], [0, 0]);
  } finally {
    clock.uninstall();
  }
});

/** A read of a stream takes some turns to reach its source. */
async function untilWaiting(clock: { countTimers(): number }): Promise<void> {
  while (clock.countTimers() === 0) await Promise.resolve();
}

Deno.test("API: a HEAD request watches nothing", async () => {
  const control = new FakeControl();
  const answer = await watching(control, "HEAD");
  assertEquals([answer.status, answer.body, control.watchers], [200, null, 0]);
});
