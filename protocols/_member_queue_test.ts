// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { StreamError } from "../lib/errors.ts";
import { MemberQueue, type MemberQueueOptions } from "./_member_queue.ts";

const queueOf = (options: Partial<MemberQueueOptions> = {}) =>
  new MemberQueue<string>({ queue: 2, slow: "drop", name: "SYNC:x", ...options }, (item) => item.length);

Deno.test("MemberQueue gives all that waits at once, and the end after it", async () => {
  const queue = queueOf();
  const first = queue.take();
  queue.put("a");
  queue.put("b");
  queue.end();
  queue.put("late");
  assertEquals(await first, ["a"]);
  assertEquals(await queue.take(), ["b"]);
  assertEquals([await queue.take(), await queue.take()], [null, null]);
  assertEquals(queue.dropped, 0);
});

Deno.test("MemberQueue drops what comes when it is full, counts it, and tells of the first", async () => {
  let told = 0;
  const queue = queueOf({ onDrop: () => told++ });
  for (const item of ["a", "b", "c", "d"]) assertEquals(queue.put(item), undefined);
  assertEquals([queue.dropped, told], [2, 1]);
  assertEquals(await queue.take(), ["a", "b"]);
  queue.put("e");
  assertEquals(await queue.take(), ["e"]);
});

Deno.test("MemberQueue holds no more than 16 MiB, but one item of any size", async () => {
  const queue = queueOf({ queue: 100 });
  const large = "x".repeat(10 << 20);
  queue.put(large + large);
  queue.put("y");
  assertEquals(queue.dropped, 1);
  assertEquals((await queue.take())!.length, 1);
  queue.put(large);
  queue.put("y");
  queue.put(large);
  assertEquals(queue.dropped, 2);
  assertEquals((await queue.take())!.length, 2);
});

Deno.test("MemberQueue with slow=block makes the writer wait until there is room, an end, or a failure", async () => {
  for (const free of [(q: MemberQueue<string>) => q.take(), (q: MemberQueue<string>) => q.end()]) {
    const queue = queueOf({ slow: "block" });
    queue.put("a");
    queue.put("b");
    const wait = queue.put("c");
    assertEquals(wait instanceof Promise, true);
    free(queue);
    await wait;
    assertEquals([queue.put("c"), queue.dropped], [undefined, 0]);
  }
});

Deno.test("MemberQueue with slow=close fails its reader and loses what waits", async () => {
  const queue = queueOf({ slow: "close" });
  for (const item of ["a", "b", "c"]) queue.put(item);
  const error = await assertRejects(() => queue.take(), StreamError);
  assertEquals(
    error.message,
    "SYNC:x: too slow, more than 2 messages or 16777216 bytes would wait (queue, slow=close)",
  );
});

Deno.test("MemberQueue gives what waits before the error it ends with", async () => {
  const queue = queueOf();
  queue.put("a");
  const reason = new StreamError("lost");
  queue.end(reason);
  assertEquals(await queue.take(), ["a"]);
  assertStrictEquals(await queue.take().catch((error) => error), reason);
  const waiting = queueOf();
  const reading = waiting.take();
  waiting.end(reason);
  assertStrictEquals(await reading.catch((error) => error), reason);
});

Deno.test("MemberQueue rejects what is pending and all that follows with the first failure", async () => {
  const queue = queueOf();
  const reading = queue.take();
  const reason = new StreamError("on purpose");
  queue.fail(reason);
  queue.fail(new StreamError("late"));
  assertStrictEquals(await reading.catch((error) => error), reason);
  assertStrictEquals(await queue.take().catch((error) => error), reason);
});
