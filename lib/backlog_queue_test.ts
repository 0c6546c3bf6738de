// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertStrictEquals } from "@std/assert";
import { BacklogQueue } from "./backlog_queue.ts";

const never = new AbortController().signal;

/** Callers of one queue: what they were given room by, and whom has been let in. */
function scene() {
  const queue = new BacklogQueue();
  const entered: string[] = [];
  const asked: string[] = [];
  const room = new Set<string>();
  const enter = (name: string, path = "/a", signal = never) => {
    const attempt = () => {
      if (asked.at(-1) !== name) asked.push(name);
      if (room.has(`${name} fails`)) throw new Error("refused");
      return room.has(name) ? name : undefined;
    };
    return queue.enter(path, attempt, signal).then((name) => void entered.push(name));
  };
  return { enter, entered, asked, room };
}

Deno.test("of those who wait for a UNIX socket's backlog one asks at a time, in their order, and other paths do not wait", async () => {
  const { enter, entered, asked, room } = scene();
  room.add("second").add("third");
  const first = enter("first");
  const others = [enter("second"), enter("third")];
  room.add("elsewhere");
  await enter("elsewhere", "/b");
  assertEquals([asked, entered], [["first", "elsewhere"], ["elsewhere"]]);
  room.add("first");
  await Promise.all([first, ...others]);
  assertEquals(entered, ["elsewhere", "first", "second", "third"]);
});

Deno.test("who gives up waiting for a backlog, or fails, leaves the turn to the next and lets nobody pass", async () => {
  const { enter, entered, asked, room } = scene();
  room.add("third").add("fourth");
  const first = enter("first");
  const controller = new AbortController();
  const second = enter("second", "/a", controller.signal).catch((error) => error);
  const third = enter("third");
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await second, reason);
  // Whoever thinks it is its turn has asked by then.
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals([asked, entered], [["first"], []]);
  room.add("first fails");
  assertEquals((await first.catch((error) => error)).message, "refused");
  await third;
  const late = new AbortController();
  const fifth = enter("fifth", "/a", late.signal).catch((error) => error);
  const fourth = enter("fourth");
  late.abort(reason);
  assertStrictEquals(await fifth, reason);
  await fourth;
  assertEquals(entered, ["third", "fourth"]);
});
