// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { Log, preciseNow, timestamp } from "./log.ts";

const second = new Date(2026, 10, 21, 23, 15, 7).getTime();

function written(settings: { format: "socat" | "json"; program?: string; microseconds?: boolean; ms?: number }) {
  const { format, program = "l7mp", microseconds = false, ms = second } = settings;
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { lines, log: new Log({ level: "debug", format, program, microseconds, pid: 7, write, now: () => ms }) };
}

Deno.test("timestamp() has six digits where asked for, and one rounding for all of it", () => {
  assertEquals(timestamp(second + 0.209, false), "2026/11/21 23:15:07");
  assertEquals(timestamp(second + 0.209, true), "2026/11/21 23:15:07.000209");
  assertEquals(timestamp(second + 999.9996, true), "2026/11/21 23:15:08.000000");
});

Deno.test("preciseNow() is the time of day with a fraction", () => {
  const before = Date.now();
  const times = Array.from({ length: 20 }, preciseNow);
  assert(times.every((ms) => ms > before - 3 && ms < Date.now() + 3), `${before}: ${times}`);
  assert(times.some((ms) => ms % 1 !== 0), `${times}`);
});

Deno.test("Log tells microseconds in JSON too", () => {
  const { lines, log } = written({ format: "json", microseconds: true, ms: Date.UTC(2026, 10, 21, 23, 15, 7) + 0.209 });
  log.warn("x", "y");
  assertEquals(JSON.parse(lines[0]!).time, "2026-11-21T23:15:07.000209Z");
});

Deno.test("Log keeps an event on its line, whatever the text and the program's name hold", () => {
  const odd = 'a\nb\r\t\x1b[31m\0\x7f"\\\u2028\ud800é';
  const { lines, log } = written({ format: "socat", program: "na\nme" });
  log.notice("x", odd);
  assertEquals(lines, [
    '2026/11/21 23:15:07 na\\nme[7] N a\\nb\\r\\t\\x1b[31m\\x00\\x7f"\\\u2028\ud800é',
  ]);
  const json = written({ format: "json", program: "na\nme" });
  json.log.notice("x", odd, { name: odd });
  assert(!Array.from(json.lines[0]!).some((one) => one < " "), json.lines[0]);
  const { message, name, program } = JSON.parse(json.lines[0]!);
  assertEquals([message, name, program], [odd, odd, "na\nme"]);
});
