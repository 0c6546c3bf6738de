// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertNotStrictEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectError, StreamError } from "../lib/errors.ts";
import type { DatagramStream } from "../lib/stream/stream.ts";
import { testContext } from "../tests/support/context.ts";
import { bytesOf, receiveSome, textOf } from "../tests/support/streams.ts";
import { Rooms } from "./_rooms.ts";
import { sync } from "./sync.ts";

/** What the sessions of one process share. */
function sharing() {
  const kept = new Map<object, unknown>();
  const shared = <T>(key: object, make: () => T): T => {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key) as T;
  };
  const spec = (settings: Record<string, unknown>) => sync.spec.parse(settings, "");
  const enter = async (settings: ReturnType<typeof spec>, metadata = {}) =>
    await sync.connect!(settings, testContext({ shared, metadata })) as DatagramStream;
  return { kept, spec, enter, join: (settings: Record<string, unknown> = {}) => enter(spec(settings)) };
}

const message = (text: string) => ({ data: bytesOf(text) });
const leave = (...members: DatagramStream[]) => members.forEach((member) => member.abort());

async function heard(member: DatagramStream, count: number): Promise<string[]> {
  return (await receiveSome(member, count)).map(textOf);
}

Deno.test("SYNC gives what one says to all others of its room, in one order, and not to itself", async () => {
  const { join } = sharing();
  const [a, b, c] = await Promise.all([join({ label: "x" }), join({ label: "x" }), join({ label: "x" })]);
  const other = await join({ label: "y" });
  await Promise.all([a.send([message("1"), message("2")]), b.send([message("3")])]);
  await b.send([message("4")]);
  assertEquals(await heard(c, 4), ["1", "2", "3", "4"]);
  assertEquals(await heard(b, 2), ["1", "2"]);
  assertEquals(await heard(a, 2), ["3", "4"]);
  await other.closeWrite();
  assertEquals(await other.receive(), null);
  leave(a, b, c, other);
});

Deno.test("SYNC keeps the type of a message and a copy of its bytes", async () => {
  const { join } = sharing();
  const [a, b] = [await join(), await join()];
  const data = bytesOf("before");
  await a.send([{ data, meta: { type: "text" } }, { data, meta: { type: "binary" } }]);
  data.fill(0);
  const batch = (await b.receive())!;
  assertEquals(batch.map(({ data, meta }) => [textOf(data), meta?.type]), [["before", "text"], ["before", "binary"]]);
  leave(a, b);
});

Deno.test("SYNC lets a member hear itself with self", async () => {
  const { join } = sharing();
  const [a, b] = [await join({ self: true }), await join()];
  await a.send([message("x")]);
  assertEquals([await heard(a, 1), await heard(b, 1)], [["x"], ["x"]]);
  leave(a, b);
});

Deno.test("SYNC drops what a slow member does not read, counts it, and slows nobody", async () => {
  const { join } = sharing();
  const [a, slow, quick] = [
    await join({ label: "x" }),
    await join({ label: "x", queue: 3 }),
    await join({ label: "x" }),
  ];
  for (let i = 0; i < 10; i++) {
    await a.send([message(String(i))]);
    assertEquals(await heard(quick, 1), [String(i)]);
  }
  assertEquals([slow.dropped, quick.dropped, a.dropped], [7, 0, 0]);
  assertEquals(await heard(slow, 3), ["0", "1", "2"]);
  leave(a, slow, quick);
});

Deno.test("SYNC with slow=block makes all wait for the slowest, and the order stays the same for all", async () => {
  const { join } = sharing();
  const [a, b] = [await join(), await join()];
  const slow = await join({ queue: 1, slow: "block" });
  let done = 0;
  const saying = [a.send([message("1"), message("2")]), b.send([message("3")])].map((said) => said.then(() => done++));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(done, 0);
  assertEquals(await heard(slow, 3), ["1", "2", "3"]);
  await Promise.all(saying);
  assertEquals([await heard(b, 2), await heard(a, 1)], [["1", "2"], ["3"]]);
  leave(a, b, slow);
});

Deno.test("SYNC with slow=block waits neither for a member that leaves, nor on behalf of one", async () => {
  const { join } = sharing();
  const [a, b] = [await join(), await join()];
  const slow = await join({ queue: 1, slow: "block" });
  await a.send([message("1")]);
  const waiting = a.send([message("2")]);
  const behind = b.send([message("3")]);
  const reason = new StreamError("gone");
  a.abort(reason);
  assertStrictEquals(await waiting.catch((error) => error), reason);
  slow.abort();
  await behind;
  leave(b);
});

Deno.test("SYNC with slow=close ends a member that is too slow, and only that one", async () => {
  const { join } = sharing();
  const [a, b] = [await join(), await join()];
  const slow = await join({ queue: 1, slow: "close" });
  await a.send([message("1"), message("2")]);
  await assertRejects(() => slow.receive(), StreamError, "SYNC: too slow");
  assertEquals(await heard(b, 2), ["1", "2"]);
  leave(a, b, slow);
});

Deno.test("SYNC delivers what waits to a member whose input ends, and then its end", async () => {
  const { join } = sharing();
  const [a, b] = [await join(), await join()];
  await a.send([message("1")]);
  await b.closeWrite();
  await a.send([message("2")]);
  assertEquals(await heard(b, 1), ["1"]);
  assertEquals(await b.receive(), null);
  await assertRejects(() => b.send([message("3")]), StreamError, "send(SYNC): Broken pipe");
  leave(a, b);
});

Deno.test("SYNC takes the label from the metadata, where equal values meet", async () => {
  const { spec, enter } = sharing();
  const byRoom = spec({ query: "/room" });
  const of = (room: unknown) => enter(byRoom, { room });
  const [a, b, number, text] = [await of({ x: [1] }), await of({ x: [1] }), await of(1), await of("1")];
  const elsewhere = await enter(spec({ query: "/room" }), { room: { x: [1] } });
  await a.send([message("x")]);
  await number.send([message("1")]);
  assertEquals(await heard(b, 1), ["x"]);
  for (const none of [text, elsewhere]) {
    await none.closeWrite();
    assertEquals(await none.receive(), null);
  }
  const error = await assertRejects(() => enter(byRoom, { other: 1 }), ConnectError);
  assertEquals(error.message, "SYNC: nothing at /room in the session's metadata, which is to be its label (query)");
  assertEquals(error.retryable, false);
  leave(a, b, number, text, elsewhere);
});

Deno.test("SYNC with a label of its own uses it where the metadata has none", async () => {
  const { spec, enter } = sharing();
  const settings = spec({ query: "/room", label: "lobby" });
  const [a, b] = [await enter(settings), await enter(settings, { room: "lobby" })];
  await a.send([message("x")]);
  assertEquals(await heard(b, 1), ["x"]);
  leave(a, b);
});

Deno.test("i-39: a room of SYNC is freed when its last member has left, however it left", async () => {
  const { kept, join } = sharing();
  const [a, b] = [await join({ label: "x" }), await join({ label: "x" })];
  const rooms = [...kept.values()][0] as Rooms;
  assertEquals(rooms.size, 1);
  const room = rooms.room("x");
  a.abort(new StreamError("on purpose"));
  assertStrictEquals(rooms.room("x"), room);
  await b.closeWrite();
  assertEquals(rooms.size, 0);
  const again = await join({ label: "x" });
  assertNotStrictEquals(rooms.room("x"), room);
  assert(rooms.size === 1);
  leave(again, b);
});
