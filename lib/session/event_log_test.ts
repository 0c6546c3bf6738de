// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { EventLog } from "./event_log.ts";

Deno.test("EventLog shows what happened, oldest first, with time, message and content", () => {
  const log = new EventLog("session s created");
  log.add("ERROR", "refused", 502);
  const [first, second] = log.toJSON();
  assertEquals(Object.keys(first!), ["event", "timestamp", "message", "content"]);
  assertEquals([first!.event, first!.message, first!.content], ["INIT", "session s created", ""]);
  assertMatch(String(first!.timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assertEquals([second!.event, second!.message, second!.content], ["ERROR", "refused", 502]);
});

Deno.test("EventLog is bounded: it keeps the first events and the newest", () => {
  const log = new EventLog("0");
  for (let i = 1; i < 1000; i++) log.add("CONNECT", String(i));
  const numbers = log.toJSON().map(({ message }) => Number(message));
  assertEquals(numbers.length, 64);
  assertEquals(numbers.slice(0, 3), [0, 1, 2]);
  assertEquals(numbers.slice(-3), [997, 998, 999]);
  assert(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!));
});
