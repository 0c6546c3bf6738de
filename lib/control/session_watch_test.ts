// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import type { SessionChange } from "./control.ts";
import { SessionWatch } from "./session_watch.ts";

function change(name: string): SessionChange {
  return { type: "ADDED", session: { name, toJSON: () => ({}) } };
}

async function read(changes: AsyncIterable<SessionChange>, count: number): Promise<string[]> {
  const names: string[] = [];
  for await (const { session } of changes) {
    names.push(session.name);
    if (names.length === count) break;
  }
  return names;
}

Deno.test("SessionWatch tells every reader of every change, in order", async () => {
  const watch = new SessionWatch();
  const { signal } = new AbortController();
  const readers = [read(watch.subscribe(signal), 3), read(watch.subscribe(signal), 2)];
  for (const name of ["a", "b", "c"]) watch.tell(change(name));
  assertEquals(await Promise.all(readers), [["a", "b", "c"], ["a", "b"]]);
});

Deno.test("SessionWatch keeps the newest 1024 changes for a reader that is slow", async () => {
  const watch = new SessionWatch();
  const changes = watch.subscribe(new AbortController().signal)[Symbol.asyncIterator]();
  const first = changes.next();
  watch.tell(change("0"));
  assertEquals((await first).value.session.name, "0");
  for (let i = 1; i <= 3000; i++) watch.tell(change(String(i)));
  assertEquals((await changes.next()).value.session.name, String(3000 - 1023));
  await changes.return!(undefined);
});

Deno.test("SessionWatch ends with the reader's signal, and all readers when it is closed", async () => {
  const watch = new SessionWatch();
  const gone = new AbortController();
  const one = read(watch.subscribe(gone.signal), Infinity);
  const two = read(watch.subscribe(new AbortController().signal), Infinity);
  watch.tell(change("a"));
  await Promise.resolve();
  gone.abort();
  await one;
  watch.tell(change("b"));
  await new Promise((resolve) => setTimeout(resolve));
  watch.close();
  assertEquals(await two, ["a", "b"]);
  assertEquals(await read(watch.subscribe(new AbortController().signal), Infinity), []);
});
