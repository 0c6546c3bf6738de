// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { Kept } from "./kept.ts";

function table(options: { keepMs?: number; max?: number } = {}) {
  const clock = { now: 0 };
  const present = new Set<string>();
  const kept = new Kept<{ n: number }>({
    make: () => ({ n: 0 }),
    isPresent: ([name]) => present.has(name!),
    now: () => clock.now,
    ...options,
  });
  const all = () => [...kept.all()].map(([[name], { n }]) => `${name}=${n}`);
  return { clock, present, kept, all };
}

Deno.test("Kept keeps what is there for ever, and what has gone for its time", () => {
  const { clock, present, kept, all } = table({ keepMs: 100 });
  present.add("a").add("b");
  kept.of("a").n += 1;
  kept.of("b").n += 2;
  clock.now = 1000;
  assertEquals(all(), ["a=1", "b=2"]);
  present.delete("b");
  clock.now = 1100;
  assertEquals(all(), ["a=1", "b=2"]);
  clock.now = 1101;
  assertEquals(all(), ["a=1"]);
  kept.of("b").n += 1;
  assertEquals(all(), ["a=1", "b=1"]);
});

Deno.test("Kept with its limit reached forgets those longest gone, and none that is there", () => {
  const { clock, present, kept, all } = table({ max: 10 });
  present.add("0");
  for (let i = 0; i < 10; i++) {
    clock.now = i;
    kept.of(String(i)).n = i;
  }
  clock.now = 10;
  kept.of("1").n = 11;
  kept.of("new").n = 1;
  assertEquals(all(), ["0=0", "1=11", "3=3", "4=4", "5=5", "6=6", "7=7", "8=8", "9=9", "new=1"]);
  for (let i = 100; i < 10_000; i++) kept.of(String(i)).n = i;
  assertEquals([all().length <= 10, all()[0]], [true, "0=0"]);
});

Deno.test("Kept tells names of several parts apart", () => {
  const { kept } = table();
  kept.of("a", "b").n = 1;
  kept.of("a").n = 2;
  assertEquals([...kept.all()].map(([names, { n }]) => [names, n]), [[["a", "b"], 1], [["a"], 2]]);
});
