// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { bytesOf, textOf } from "../tests/support/streams.ts";
import { type InputReader, StandardInput } from "./_standard_input.ts";

/** A source that a test feeds; `reads` counts how often it was asked. */
function scripted() {
  const seen = { reads: 0 };
  let asked = Promise.withResolvers<{ buffer: Uint8Array; done: PromiseWithResolvers<number | null> }>();
  const input = new StandardInput((buffer) => {
    seen.reads++;
    const done = Promise.withResolvers<number | null>();
    asked.resolve({ buffer, done });
    return done.promise;
  });
  const feed = async (text: string | null | Error) => {
    const { buffer, done } = await asked.promise;
    asked = Promise.withResolvers();
    if (text instanceof Error) return done.reject(text);
    if (text !== null) buffer.set(bytesOf(text));
    done.resolve(text === null ? null : text.length);
  };
  return { input, seen, feed };
}

async function readText(reader: InputReader, length = 100): Promise<string | null> {
  const buffer = new Uint8Array(length);
  const count = await reader.read(buffer);
  return count === null ? null : textOf(buffer.subarray(0, count));
}

Deno.test("StandardInput gives every session all of it, at the pace of the slowest", async () => {
  const { input, seen, feed } = scripted();
  const [a, b] = [input.reader(), input.reader()];
  const [first, second] = [readText(a), readText(b)];
  await feed("one");
  assertEquals([await first, await second], ["one", "one"]);
  const next = readText(a);
  assertEquals(seen.reads, 1);
  const other = readText(b);
  await feed("two");
  assertEquals([await next, await other], ["two", "two"]);
  const ends = [readText(a), readText(b)];
  await feed(null);
  assertEquals(await Promise.all(ends), [null, null]);
  assertEquals(input.busy, false);
});

Deno.test("StandardInput keeps what a small buffer has no room for", async () => {
  const { input, seen, feed } = scripted();
  const [a, b] = [input.reader(), input.reader()];
  const [first, second] = [readText(a), readText(b, 2)];
  await feed("abcde");
  assertEquals([await first, await second], ["abcde", "ab"]);
  assertEquals([await readText(b, 2), await readText(b, 2)], ["cd", "e"]);
  assertEquals(seen.reads, 1);
});

Deno.test("StandardInput waits no longer for a session that left, and keeps what came when none was there", async () => {
  const { input, feed } = scripted();
  const [a, b] = [input.reader(), input.reader()];
  const [first, second] = [readText(a), readText(b)];
  await feed("1");
  assertEquals([await first, await second], ["1", "1"]);
  const next = readText(a);
  b.leave();
  await feed("2");
  assertEquals(await next, "2");
  const pending = readText(a);
  a.leave();
  assertEquals(await pending, null);
  await feed("3");
  const c = input.reader();
  assertEquals(await readText(c), "3");
  const failing = readText(c);
  await feed(new Error("input/output error"));
  await assertRejects(() => failing, Error, "input/output error");
});
