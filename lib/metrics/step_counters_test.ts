// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { StepCounters } from "./step_counters.ts";

/** `name{session,cluster} value` of each series. */
function series(counters: StepCounters): string[] {
  return [...counters.families()].flatMap(({ name, samples }) =>
    samples.map(({ labels, value }) => `${name}{${labels.sessionName},${labels.clusterName}} ${value}`)
  );
}

Deno.test("StepCounters: the steps of a session and cluster count together", () => {
  const counters = new StepCounters();
  counters.counter("s", "c", {}).bytes += 3;
  const back = counters.counter("s", "c", {});
  back.bytes += 4;
  back.messages += 1;
  assertEquals(series(counters), ["session_byte_counter_total{s,c} 7", "session_packet_counter_total{s,c} 1"]);
});

Deno.test("i-41: counters have the names that the Metric cluster gives them", () => {
  const counters = new StepCounters();
  const counter = counters.counter("s", "c", { bytes: "my_bytes_total", messages: "my_messages_total" });
  counter.bytes = 5;
  counter.messages = 2;
  counters.counter("s", "d", { bytes: "my_bytes_total" }).bytes = 1;
  assertEquals(series(counters), [
    "my_bytes_total{s,c} 5",
    "my_bytes_total{s,d} 1",
    "my_messages_total{s,c} 2",
    "session_packet_counter_total{s,d} 0",
  ]);
});

Deno.test("StepCounters: the series of a session leave some time after its end", () => {
  let now = 0;
  const counters = new StepCounters({ now: () => now, keepMs: 100 });
  counters.counter("a", "c", {}).bytes = 1;
  counters.counter("b", "c", {}).bytes = 2;
  counters.ended("a");
  now = 100;
  assertEquals(series(counters).length, 4);
  now = 101;
  assertEquals(series(counters), ["session_byte_counter_total{b,c} 2", "session_packet_counter_total{b,c} 0"]);
});

Deno.test("StepCounters: 10,000 sessions make no more series than the limit", () => {
  const counters = new StepCounters({ max: 100 });
  for (let i = 0; i < 10_000; i++) {
    counters.counter(`s${i}`, "c", {}).bytes = 1;
    counters.ended(`s${i}`);
  }
  assertEquals(series(counters).length <= 200, true);
  assertEquals(series(counters).some((line) => line.includes("{s9999,c}")), true);
});

Deno.test("StepCounters: what sessions beyond the limit move is counted under one name", () => {
  const counters = new StepCounters({ max: 2 });
  for (let i = 0; i < 5; i++) counters.counter(`s${i}`, "c", {}).bytes += 1;
  assertEquals(series(counters).filter((line) => line.startsWith("session_byte")), [
    "session_byte_counter_total{s0,c} 1",
    "session_byte_counter_total{s1,c} 1",
    "session_byte_counter_total{other,c} 3",
  ]);
});
