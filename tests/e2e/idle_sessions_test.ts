// @ts-types="../deno_std.d.ts"
import { assertLess } from "@std/assert";
import { measureIdleSessions } from "./idle_sessions.ts";

Deno.test("1000 idle TCP sessions cost at most 40 KiB each", async () => {
  const { bytesPerSession } = await measureIdleSessions(1000);
  // The aim is less, measured with ten times as many: fewer sessions carry more of what grows in steps.
  assertLess(bytesPerSession, 40 * 1024);
});
