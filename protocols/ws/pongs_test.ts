// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { Pongs } from "./pongs.ts";

Deno.test("Pongs answers all pings while answers are taken, and the last one when they are not", () => {
  const sent: number[] = [];
  const done: (() => void)[] = [];
  const pongs = new Pongs((data, taken) => {
    sent.push(data[0]!);
    done.push(taken);
  });
  for (let i = 0; i < 250; i++) pongs.answer(new Uint8Array([i]));
  assertEquals(sent, Array.from({ length: 100 }, (_, i) => i));
  done.shift()!();
  assertEquals(sent.slice(100), [249]);
  for (const taken of done) taken();
  pongs.answer(new Uint8Array([250]));
  assertEquals(sent.slice(100), [249, 250]);
});
