// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import { caller, memoryEndpoint, MemoryListener } from "../../tests/support/memory_plan.ts";
import { silentLog } from "../log.ts";
import { Callers } from "./callers.ts";

/** A signal that counts who listens to it. */
function countedSignal() {
  const control = new AbortController();
  const seen = { listening: 0 };
  const { signal } = control;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => (seen.listening++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (seen.listening--, remove(...args));
  return { control, signal, seen };
}

Deno.test("Callers leaves nothing with its signal for callers that have come", async () => {
  const { signal, seen } = countedSignal();
  const listener = new MemoryListener();
  const callers = new Callers(listener, memoryEndpoint({ listener }), {
    log: silentLog(),
    signal,
    sessionEnded: () => new Promise(() => {}),
  });
  for (let i = 0; i < 3; i++) {
    listener.push(caller());
    assert(await callers.next());
  }
  assertEquals(seen.listening, 0);
  await assertRejects(() => callers.next(5), Error, "accept: Connection timed out (accept-timeout)");
  assertEquals(seen.listening, 0);
});
