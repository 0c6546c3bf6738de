// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { ConnectError, StreamError } from "../lib/errors.ts";
import type { Incoming, Listener } from "../lib/protocol.ts";
import type { DatagramStream } from "../lib/stream/stream.ts";
import { fakeDriver, packet, peer, settled, testContext, texts } from "../tests/support/fake_driver.ts";
import { udp } from "./udp.ts";

async function open(spec: Record<string, unknown>) {
  const driver = fakeDriver();
  const context = testContext(driver);
  const listener = await udp.listen!(udp.spec.parse({ port: 5, ...spec }, ""), context);
  const callers = listener[Symbol.asyncIterator]();
  const next = async () => (await callers.next()).value as Incoming;
  const session = async () => await (await next()).accept(new AbortController().signal) as DatagramStream;
  return { socket: driver.datagramSockets[0]!, lines: context.lines, listener, next, session, callers };
}

const [a, b] = [peer(2, 1000), peer(3, 1000)];

Deno.test("UDP listener sorts one batch of two senders into two sessions and keeps each one's order", async () => {
  const { socket, session, listener } = await open({ fork: true });
  await socket.deliver([packet(a, "1"), packet(b, "x"), packet(a, "2"), packet(b, "y"), packet(a, "")]);
  const [first, second] = [await session(), await session()];
  assertEquals(first.info.remote, a.address);
  assertEquals(texts(await first.receive()), ["1", "2", ""]);
  assertEquals(texts(await second.receive()), ["x", "y"]);
  const pending = first.receive();
  await socket.deliver([packet(b, "z"), packet(a, "3"), packet(a, "4")]);
  assertEquals(texts(await pending), ["3", "4"]);
  await first.send([packet(a, "answer")]);
  assertEquals(socket.sent.map(({ text, to }) => [text, (to as typeof a).key]), [["answer", a.key]]);
  first.abort();
  second.abort();
  await listener[Symbol.asyncDispose]();
});

Deno.test("UDP listener drops the newest datagrams of a peer whose session does not receive, counts and tells it", async () => {
  const { socket, session, lines, listener } = await open({ fork: true, queue: 2 });
  await socket.deliver([packet(a, "1"), packet(a, "2"), packet(a, "3"), packet(b, "x")]);
  const [stalled, other] = [await session(), await session()];
  await socket.deliver([packet(a, "4"), packet(b, "y")]);
  assertEquals(texts(await other.receive()), ["x", "y"]);
  assertEquals(other.dropped, 0);
  assertEquals(stalled.dropped, 2);
  assertEquals(texts(await stalled.receive()), ["1", "2"]);
  assertEquals(lines.filter((l) => l.startsWith("W")), [
    "W queue of AF=2 127.0.0.2:1000 is full (2 datagrams or 1048576 bytes, option queue), dropping datagrams",
  ]);
  stalled.abort();
  other.abort();
  await listener[Symbol.asyncDispose]();
});

Deno.test("UDP listener counts what is dropped of a peer that nobody has accepted", async () => {
  const { socket, next, listener } = await open({ fork: true, queue: 2 });
  await socket.deliver([packet(a, "1"), packet(a, "2"), packet(a, "3")]);
  const caller = await next();
  assertEquals(caller.dropped, 1);
  await caller.reject(new ConnectError("range"));
  await listener[Symbol.asyncDispose]();
});

Deno.test("UDP listener bounds a peer's queue in bytes too", async () => {
  const { socket, session, listener } = await open({ fork: true });
  const big = { from: a, data: new Uint8Array(60_000) };
  for (let i = 0; i < 20; i++) await socket.deliver([big]);
  const stream = await session();
  assertEquals((await stream.receive())!.length, 17);
  assertEquals(stream.dropped, 3);
  stream.abort();
  await listener[Symbol.asyncDispose]();
});

Deno.test("UDP listener forgets an ended session: the same sender gets a new one", async () => {
  const { socket, session, listener } = await open({ fork: true });
  await socket.deliver([packet(a, "1")]);
  const first = await session();
  const reason = new StreamError("over");
  const pending = (await first.receive(), first.receive());
  first.abort(reason);
  await assertRejects(() => pending, StreamError, "over");
  await assertRejects(() => first.send([packet(a, "late")]), StreamError, "over");
  await socket.deliver([packet(a, "2")]);
  const second = await session();
  assertEquals(texts(await second.receive()), ["2"]);
  second.abort();
  await listener[Symbol.asyncDispose]();
});

Deno.test("UDP listener keeps its socket for accepted sessions after disposal, and closes it with the last", async () => {
  const { socket, session, listener, callers } = await open({ fork: true });
  await socket.deliver([packet(a, "1"), packet(b, "not taken")]);
  const stream = await session();
  await listener[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assertEquals((await callers.next()).done, true);
  await socket.deliver([packet(a, "2"), packet(peer(9, 9), "too late")]);
  assertEquals(texts(await stream.receive()), ["1", "2"]);
  assertEquals(socket.closed, false);
  stream.abort();
  stream.abort();
  assertEquals(socket.closed, true);
});

Deno.test("UDP listener ends a pending next() when disposed", async () => {
  const { socket, listener, callers } = await open({ fork: true });
  const pending = callers.next();
  await listener[Symbol.asyncDispose]();
  assertEquals((await pending).done, true);
  assertEquals(socket.closed, true);
});

Deno.test("UDP listener without fork has one session, tells of another sender once, and takes the next after a refusal", async () => {
  const { socket, next, lines, listener } = await open({});
  await socket.deliver([packet(a, "refused")]);
  await (await next()).reject(new ConnectError("range"));
  await socket.deliver([packet(b, "taken")]);
  const caller = await next();
  await listener[Symbol.asyncDispose]();
  const stream = await caller.accept(new AbortController().signal) as DatagramStream;
  await socket.deliver([packet(a, "ignored")]);
  await socket.deliver([packet(a, "ignored")]);
  assertEquals(texts(await stream.receive()), ["taken"]);
  assertEquals(lines.filter((l) => l.includes("ignoring")), [
    'N ignoring AF=2 127.0.0.2:1000: session already open; add ",fork" to serve more than one',
  ]);
  stream.abort();
  assertEquals(socket.closed, true);
});

Deno.test("UDP listeners of one process share a port: the oldest has new senders, and sessions outlive their listener", async () => {
  const driver = fakeDriver();
  const known = new Map<object, unknown>();
  const shared = <T>(key: object, make: () => T): T => {
    if (!known.has(key)) known.set(key, make());
    return known.get(key) as T;
  };
  const context = { ...testContext(driver), shared };
  const listen = async () => await udp.listen!(udp.spec.parse({ port: 5, fork: true }, ""), context);
  const session = async (listener: Listener) => {
    const { value } = await listener[Symbol.asyncIterator]().next() as { value: Incoming };
    return await value.accept(new AbortController().signal) as DatagramStream;
  };
  const older = await listen();
  const [socket] = driver.datagramSockets;
  await socket!.deliver([packet(a, "1")]);
  const first = await session(older);
  const younger = await listen();
  assertEquals(driver.datagramSockets.length, 1);
  assertEquals(context.lines.filter((line) => line.startsWith("W")), [
    "W AF=2 0.0.0.0:5 is another listener's too, which has new senders until it is closed",
  ]);
  await socket!.deliver([packet(b, "x")]);
  const second = await session(older);
  await older[Symbol.asyncDispose]();
  await socket!.deliver([packet(peer(4, 1000), "new"), packet(a, "2"), packet(b, "y")]);
  const third = await session(younger);
  assertEquals(texts(await third.receive()), ["new"]);
  assertEquals(texts(await first.receive()), ["1", "2"]);
  assertEquals(texts(await second.receive()), ["x", "y"]);
  await younger[Symbol.asyncDispose]();
  for (const stream of [first, second]) stream.abort();
  assertEquals(socket!.closed, false);
  third.abort();
  assertEquals(socket!.closed, true);
  const next = await listen();
  assertEquals(driver.datagramSockets.length, 2);
  // A port that broke is not for those who come later.
  await driver.datagramSockets[1]!.deliver(new StreamError("recv: gone", { code: "ENETDOWN" }));
  const last = await listen();
  assertEquals(driver.datagramSockets.length, 3);
  await next[Symbol.asyncDispose]();
  await last[Symbol.asyncDispose]();
});

Deno.test("UDP listener lets at most 1024 peers wait", async () => {
  const { socket, next, lines, listener } = await open({ fork: true });
  await socket.deliver(Array.from({ length: 1030 }, (_, i) => packet(peer(2, i + 1), "x")));
  let count = 0;
  for (; count < 1024; count++) await (await next()).reject(new ConnectError("enough"));
  const pending = next();
  await settled();
  assertEquals(lines.filter((l) => l.includes("1024 peers are waiting already")).length, 1);
  await listener[Symbol.asyncDispose]();
  assertEquals(await pending, undefined);
});

Deno.test("UDP listener survives a refusal reported on its socket and hands a real failure to everybody", async () => {
  const { socket, session, callers, listener } = await open({ fork: true });
  await socket.deliver(new StreamError("recv: refused", { code: "ECONNREFUSED" }));
  await socket.deliver([packet(a, "1")]);
  const stream = await session();
  assertEquals(texts(await stream.receive()), ["1"]);
  const failed = assertRejects(() => callers.next(), StreamError, "recv: gone");
  await socket.deliver(new StreamError("recv: gone", { code: "ENETDOWN" }));
  await failed;
  await assertRejects(() => stream.receive(), StreamError, "recv: gone");
  stream.abort();
  await listener[Symbol.asyncDispose]();
  assertEquals(socket.closed, true);
});

Deno.test("UDP listener does not keep other peers' datagrams in memory for a session that is slow", async () => {
  const { socket, session, listener } = await open({ fork: true });
  const slab = new Uint8Array(100_000);
  await socket.deliver([{ from: a, data: slab.subarray(0, 10) }, { from: b, data: slab.subarray(10) }]);
  const slow = await session();
  assertEquals((await slow.receive())![0]!.data.buffer.byteLength, 10);
  slow.abort();
  await listener[Symbol.asyncDispose]();
});

Deno.test("UDP listener ends a session's pending send when the session is aborted, and not its socket", async () => {
  const { socket, session, listener } = await open({ fork: true });
  await socket.deliver([packet(a, "1")]);
  const stream = await session();
  socket.send = () => new Promise(() => {});
  const failed = assertRejects(() => stream.send([packet(a, "stuck")]), StreamError, "over");
  stream.abort(new StreamError("over"));
  await failed;
  assertEquals(socket.closed, false);
  await listener[Symbol.asyncDispose]();
});
