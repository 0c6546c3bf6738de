// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConfigError, ConnectError, StreamError } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";
import { start } from "../lib/stream/_test_relay.ts";
import { delegateDatagrams } from "../lib/stream/delegate.ts";
import { bytePair, datagramPair } from "../lib/stream/memory.ts";
import type { ByteStream, DatagramStream, Stream } from "../lib/stream/stream.ts";
import { testContext } from "../tests/support/context.ts";
import { bytesOf, readBytes, receiveSome, settledAt, textOf } from "../tests/support/streams.ts";
import { broadcast } from "./broadcast.ts";

/** An address with `broadcast:` in front, and the far ends of the connections made to it. */
function address<S extends Stream>(pair: () => [S, S], settings: Record<string, unknown> = {}) {
  const kept = new Map<object, unknown>();
  const shared = <T>(key: object, make: () => T): T => (kept.get(key) ?? kept.set(key, make()).get(key)) as T;
  const spec = broadcast.spec.parse(settings, "");
  const peers: S[] = [];
  const contexts: Context[] = [];
  let opening: Promise<unknown> = Promise.resolve();
  let change = (stream: S) => stream;
  const open = async (context: Context) => {
    contexts.push(context);
    await opening;
    const [peer, stream] = pair();
    peers.push(peer);
    return change(stream);
  };
  return {
    peers,
    contexts,
    /** What the connections are from now on. */
    change: (to: (stream: S) => S) => void (change = to),
    openAfter: (promise: Promise<unknown>) => void (opening = promise),
    join: (changes: Partial<Context> = {}) =>
      broadcast.share!(open, spec, testContext({ shared, ...changes })) as Promise<S>,
  };
}

const read = async (stream: ByteStream, length: number) => textOf(await readBytes(stream, length));

Deno.test("broadcast: opens one connection, which hears all sessions and is heard by all", async () => {
  const { peers, join } = address<ByteStream>(bytePair);
  const [a, b, c] = await Promise.all([join(), join(), join()]);
  assertEquals(peers.length, 1);
  await Promise.all([a.write(bytesOf("aa")), b.write(bytesOf("bb")), c.write(bytesOf("cc"))]);
  assertEquals(await read(peers[0]!, 6), "aabbcc");
  await peers[0]!.write(bytesOf("to all"));
  assertEquals(await Promise.all([a, b, c].map((one) => read(one, 6))), ["to all", "to all", "to all"]);
  for (const one of [a, b, c]) one.abort();
});

Deno.test("broadcast: keeps messages and their types", async () => {
  const { peers, join } = address<DatagramStream>(datagramPair);
  const [a, b] = [await join(), await join()];
  await peers[0]!.send([{ data: bytesOf("x"), meta: { type: "text" } }, { data: bytesOf("") }]);
  for (const one of [a, b]) {
    const heard: unknown[] = [];
    while (heard.length < 2) {
      for (const { data, meta } of (await one.receive())!) heard.push([textOf(data), meta?.type]);
    }
    assertEquals(heard, [["x", "text"], ["", undefined]]);
    one.abort();
  }
});

Deno.test("broadcast: closes the connection after its last session, not at the end of one, and opens another", async () => {
  const { peers, join } = address<ByteStream>(bytePair);
  const [a, b] = [await join(), await join()];
  await a.closeWrite();
  await assertRejects(() => a.write(bytesOf("x")), StreamError, "Broken pipe");
  a.abort(new StreamError("a is broken"));
  await b.write(bytesOf("b"));
  assertEquals(await read(peers[0]!, 1), "b");
  const reading = peers[0]!.read();
  b.abort(new StreamError("b is broken"));
  assertEquals(await reading, null);
  const c = await join();
  assertEquals(peers.length, 2);
  c.abort();
});

Deno.test("broadcast: ends every session with the connection, after what was said, and the next opens another", async () => {
  const { peers, join } = address<ByteStream>(bytePair);
  const [a, b] = [await join(), await join()];
  await peers[0]!.write(bytesOf("bye"));
  await peers[0]!.closeWrite();
  await settledAt(() => 0);
  const c = await join();
  assertEquals(peers.length, 2);
  for (const one of [a, b]) {
    assertEquals(await read(one, 3), "bye");
    assertEquals(await one.read(), null);
    // The other half is still there.
    await one.write(bytesOf("x"));
  }
  await peers[1]!.write(bytesOf("say"));
  await settledAt(() => 0);
  peers[1]!.abort(new StreamError("lost"));
  assertEquals(await read(c, 3), "say");
  await assertRejects(() => c.read(), StreamError, "Connection reset by peer");
  for (const one of [a, b, c]) one.abort();
});

Deno.test("broadcast: drops what a slow session does not read, and slows nobody", async () => {
  const { peers, join } = address<DatagramStream>(datagramPair, { queue: 2 });
  const [slow, quick] = [await join(), await join()];
  for (let i = 0; i < 10; i++) {
    await peers[0]!.send([{ data: bytesOf(String(i)) }]);
    assertEquals((await receiveSome(quick, 1)).map(textOf), [String(i)]);
  }
  assertEquals([slow.dropped, quick.dropped], [8, 0]);
  assertEquals((await receiveSome(slow, 2)).map(textOf), ["0", "1"]);
  slow.abort();
  quick.abort();
});

Deno.test("broadcast: counts what a slow session loses of bytes, too, and its relay tells it", async () => {
  const { peers, join } = address<ByteStream>(bytePair, { queue: 2 });
  const [slow, quick] = [await join(), await join()];
  for (let i = 0; i < 10; i++) {
    await peers[0]!.write(bytesOf(String(i)));
    assertEquals(await read(quick, 1), String(i));
  }
  await peers[0]!.closeWrite();
  const [client, downstream] = bytePair();
  await client.closeWrite();
  const [{ dropped }, heard] = await Promise.all([
    start(downstream, slow).done,
    read(client, 2),
  ]);
  assertEquals([heard, dropped, quick.dropped], ["01", 8, 0]);
  quick.abort();
});

Deno.test("broadcast: what cannot be sent is its speaker's loss, what cannot be kept is everybody's who is there", async () => {
  let dropped = 0;
  const { peers, join, change } = address<DatagramStream>(datagramPair);
  const message = [{ data: bytesOf("x") }];
  const send = async (batch: readonly unknown[]) => void (dropped += batch.length);
  change((stream) => Object.defineProperty(delegateDatagrams(stream, { send }), "dropped", { get: () => dropped }));
  const a = await join();
  dropped += 10;
  const b = await join();
  await a.send(message);
  dropped += 100;
  await b.send([...message, ...message]);
  assertEquals([a.dropped, b.dropped], [111, 102]);
  b.abort();
  dropped += 1000;
  assertEquals([a.dropped, b.dropped], [1111, 102]);
  a.abort();
  peers[0]!.abort();
});

Deno.test("broadcast: tells how the connection ended, and waits for what lay behind it only then", async () => {
  const { peers, join, change } = address<DatagramStream>(datagramPair);
  const failed = new StreamError("child 1 exited with status 3", { code: "CHILD" });
  const ending = { code: 4000, reason: "mine" };
  change((stream) =>
    Object.defineProperties(delegateDatagrams(stream, { finished: () => Promise.reject(failed) }), {
      ending: { value: ending },
      staysOpen: { value: true },
    })
  );
  const [a, b] = [await join(), await join()];
  assertEquals(a.staysOpen, true);
  await a.finished!();
  await peers[0]!.closeWrite();
  for (const one of [a, b]) {
    assertEquals(await one.receive(), null);
    assertEquals(one.ending, ending);
    assertStrictEquals(await one.finished!().catch((error) => error), failed);
    one.abort();
  }
});

Deno.test("broadcast: with slow=block waits for a slow session, until it leaves", async () => {
  const { peers, join } = address<ByteStream>(bytePair, { queue: 1, slow: "block" });
  const [slow, quick] = [await join(), await join()];
  let all = "";
  const reading = (async () => {
    while (all.length < 3) all += textOf((await quick.read())!);
  })();
  for (const text of ["1", "2", "3"]) {
    await peers[0]!.write(bytesOf(text));
    await settledAt(() => all.length);
  }
  assert(all.length < 3, all);
  slow.abort();
  await reading;
  assertEquals(all, "123");
  quick.abort();
});

Deno.test("broadcast: tells a session that has closed its connection nothing more", async () => {
  const { peers, join } = address<DatagramStream>(datagramPair);
  const [a, b] = [await join(), await join()];
  await a.closeWrite({ code: 1000, reason: "" });
  await peers[0]!.send([{ data: bytesOf("x") }]);
  assertEquals(await a.receive(), null);
  assertEquals((await receiveSome(b, 1)).map(textOf), ["x"]);
  a.abort();
  b.abort();
});

Deno.test("broadcast: lets all wait for one opening, which none of them can cancel alone", async () => {
  const { peers, contexts, join, openAfter } = address<ByteStream>(bytePair);
  const opened = Promise.withResolvers<void>();
  openAfter(opened.promise);
  const gone = new AbortController();
  const first = join({ signal: gone.signal, downstream: { protocol: "TCP", name: "x" }, metadata: { a: 1 } });
  const second = join();
  const reason = new ConnectError("timeout");
  gone.abort(reason);
  assertStrictEquals(await first.catch((error) => error), reason);
  assertEquals(contexts.map(({ signal, downstream, metadata }) => [signal.aborted, downstream, metadata]), [
    [false, undefined, undefined],
  ]);
  opened.resolve();
  const b = await second;
  // What the connection says first is not lost on who waited for it.
  await peers[0]!.write(bytesOf("hello"));
  assertEquals(await read(b, 5), "hello");
  b.abort();
});

Deno.test("broadcast: cancels an opening nobody waits for, and closes what comes of it", async () => {
  const { peers, contexts, join, openAfter } = address<ByteStream>(bytePair);
  const opened = Promise.withResolvers<void>();
  openAfter(opened.promise);
  const gone = new AbortController();
  const only = join({ signal: gone.signal });
  await settledAt(() => contexts.length);
  gone.abort(new ConnectError("timeout"));
  await assertRejects(() => only, ConnectError);
  assertEquals(contexts[0]!.signal.aborted, true);
  opened.resolve();
  await settledAt(() => peers.length);
  assertEquals(await peers[0]!.read(), null);
});

Deno.test("broadcast: fails all who wait when the opening fails, and tries again for the next", async () => {
  const { peers, join, openAfter } = address<ByteStream>(bytePair);
  openAfter(Promise.reject(new ConnectError("refused")));
  const waiting = [join(), join()];
  for (const one of waiting) await assertRejects(() => one, ConnectError, "refused");
  openAfter(Promise.resolve());
  const a = await join();
  assertEquals(peers.length, 1);
  a.abort();
});

Deno.test("broadcast: is not for listeners", () => {
  const check = (role: "listen" | "connect") =>
    broadcast.check!(broadcast.spec.parse({}, ""), { role, direction: "both" });
  check("connect");
  const error = (() => {
    try {
      return check("listen");
    } catch (error) {
      return error;
    }
  })();
  assert(error instanceof ConfigError);
});
