// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { collectingLog } from "../../tests/support/steps.ts";
import { bytesOf, patternBytes, readAll, readBytes, receiveSome, textOf } from "../../tests/support/streams.ts";
import { until } from "../../tests/support/until.ts";
import { ConfigError, ConnectError, EndedError, LimitError, StreamError } from "../errors.ts";
import type { Direction } from "../protocol.ts";
import { delegateBytes } from "../stream/delegate.ts";
import { bytePair, datagramPair } from "../stream/memory.ts";
import type { ByteStream, DatagramStream, Stream } from "../stream/stream.ts";
import { reconnecting, type ReconnectOptions } from "./reconnect.ts";

const policy: ReconnectOptions["policy"] = { count: Infinity, on: "any", bufferBytes: 1 << 20, intervalMs: 10 };

/** A stream whose connections a test plays: each one opened adds its far end to `peers`. */
function reconnectingPair<S extends Stream>(
  pair: () => [S, S],
  changes: Partial<ReconnectOptions["policy"]> = {},
  options: { direction?: Direction; refuse?: (attempt: number) => unknown } = {},
) {
  const peers: S[] = [];
  const { log, lines } = collectingLog();
  const opened = { attempts: 0 };
  const connect = () => {
    const [near, far] = pair();
    peers.push(far);
    return near;
  };
  const stream = reconnecting(connect(), {
    policy: { ...policy, ...changes },
    direction: options.direction ?? "both",
    log,
    open: async (signal) => {
      signal.throwIfAborted();
      const refusal = options.refuse?.(++opened.attempts);
      if (refusal) throw refusal;
      return connect();
    },
  }) as S;
  return { stream, peers, lines, opened };
}

const bytes = (changes?: Partial<ReconnectOptions["policy"]>, options?: Parameters<typeof reconnectingPair>[2]) =>
  reconnectingPair<ByteStream>(() => bytePair({ capacityBytes: 1000 }), changes, options);
const datagrams = (changes?: Partial<ReconnectOptions["policy"]>, options?: Parameters<typeof reconnectingPair>[2]) =>
  reconnectingPair<DatagramStream>(() => datagramPair({ capacityBytes: 1000 }), changes, options);
const refused = () => new ConnectError("connect(x): Connection refused", { code: "ECONNREFUSED" });
const broken = () => new StreamError("read(memory): Connection reset by peer", { code: "ECONNRESET" });
const turn = () => new Promise((resolve) => setTimeout(resolve));

/** Time that passes when told to, so that a busy machine cannot make a short connection look like a lasting one. */
function fakeTime(): Disposable & { pass(ms: number): Promise<void> } {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  return {
    async pass(ms) {
      await clock.tickAsync(ms);
    },
    [Symbol.dispose]: () => clock.uninstall(),
  };
}

Deno.test("reconnecting() goes on over new connections after an end and after a failure, and tells both", async () => {
  const { stream, peers, lines } = bytes();
  const reading = readBytes(stream, 3);
  for (const [i, leave] of [() => peers[0]!.abort(), () => peers[1]!.abort(broken())].entries()) {
    await peers[i]!.write(bytesOf(String(i)));
    await turn();
    leave();
    await until(() => peers.length === i + 2);
  }
  await peers[2]!.write(bytesOf("2"));
  assertEquals(textOf(await reading), "012");
  await stream.write(bytesOf("up"));
  assertEquals(textOf(await readBytes(peers[2]!, 2)), "up");
  assertEquals(lines.length, 4);
  assertMatch(lines[0]!, /^W connection to memory lost \(closed by peer\), reconnecting in 0\.01 s \(1\)$/);
  assertMatch(lines[1]!, /^N connection to memory restored after [\d.]+ s$/);
  assertMatch(lines[2]!, /^W connection to memory lost \(read\(memory\): Connection reset by peer\), reconnecting in/);
  stream.abort();
});

Deno.test("reconnecting() keeps bytes in order while the connection is away, then makes the writer wait", async () => {
  let there = false;
  const { stream, peers } = bytes({ bufferBytes: 5000 }, { refuse: () => there ? undefined : refused() });
  const reading = stream.read();
  peers[0]!.abort();
  await until(() => peers.length === 1);
  await turn();
  const data = patternBytes(20_000);
  let written = 0;
  const writing = (async () => {
    for (let at = 0; at < data.length; at += 700) {
      await stream.write(data.subarray(at, at + 700));
      written = Math.min(data.length, at + 700);
    }
    await stream.closeWrite();
  })();
  await until(() => written >= 4900);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assertEquals(written, 4900);
  there = true;
  await until(() => peers.length === 2);
  assertEquals(await readAll(peers[1]!), data);
  await writing;
  peers[1]!.abort();
  assertEquals(await reading, null);
  stream.abort();
});

Deno.test("reconnecting() keeps datagrams while the connection is away, then drops and counts", async () => {
  let there = false;
  const { stream, peers, lines } = datagrams({ bufferBytes: 10 * 228 }, {
    refuse: () => there ? undefined : refused(),
  });
  const reading = stream.receive();
  peers[0]!.abort();
  await turn();
  const message = (i: number) => ({ data: new Uint8Array(100).fill(i), meta: { type: "text" } as const });
  for (let i = 0; i < 25; i++) await stream.send([message(i)]);
  assertEquals(stream.dropped, 15);
  assertEquals(lines.filter((line) => line.startsWith("W memory is away: 2280 bytes are kept")).length, 1);
  there = true;
  await until(() => peers.length === 2);
  const got = await receiveSome(peers[1]!, 10);
  assertEquals(got.map((data) => data[0]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await stream.send([{ data: bytesOf("later") }]);
  assertEquals(textOf((await receiveSome(peers[1]!, 1))[0]!), "later");
  await peers[1]!.send([message(7)]);
  assertEquals((await reading)?.[0]?.meta, { type: "text" });
  assertEquals(stream.dropped, 15);
  stream.abort();
});

Deno.test("reconnecting() never repeats what was under way when the connection broke, and says how much", async () => {
  const { stream, peers, lines } = bytes();
  const reading = stream.read();
  // The pipe takes 1000 bytes, so the write is stuck in the middle.
  const writing = stream.write(new Uint8Array(1500).fill(1));
  await turn();
  peers[0]!.abort(broken());
  await writing;
  await stream.write(new Uint8Array(10).fill(2));
  await until(() => peers.length === 2);
  assertEquals(await readBytes(peers[1]!, 10), new Uint8Array(10).fill(2));
  assertMatch(lines[0]!, /; up to 1500 bytes under way are lost$/);
  stream.abort();
  await assertRejects(() => reading, StreamError, "closed");
});

Deno.test("reconnecting() counts messages under way as dropped", async () => {
  const { stream, peers } = datagrams();
  const receiving = stream.receive();
  const big = { data: new Uint8Array(900) };
  const sending = stream.send([big, big, big]);
  await turn();
  peers[0]!.abort(broken());
  await sending;
  assertEquals(stream.dropped, 3);
  await until(() => peers.length === 2);
  stream.abort();
  await assertRejects(() => receiving);
});

Deno.test("reconnecting() waits between connections that die at once, and grows the wait", async () => {
  using time = fakeTime();
  const { stream, peers, lines } = bytes({ intervalMs: 20, backoffMs: 1000 });
  const reading = stream.read();
  const start = performance.now();
  for (let i = 0; i < 6; i++) {
    while (peers.length <= i) await time.pass(1);
    if (i < 5) peers[i]!.abort();
  }
  // 20, 40, 80, 160, 320 ms, each shortened by a fifth at most.
  assert(performance.now() - start >= 0.8 * 620, `only ${performance.now() - start} ms`);
  const numbers = lines.filter((line) => line.startsWith("W")).map((line) => /\((\d+)\)$/.exec(line)![1]);
  assertEquals(numbers, ["1", "2", "3", "4", "5"]);
  stream.abort();
  await assertRejects(() => reading);
});

Deno.test("reconnecting() does not spin without an interval", async () => {
  const { stream, peers } = bytes({ intervalMs: 0 });
  const reading = stream.read();
  const end = performance.now() + 200;
  for (let i = 0; performance.now() < end; i++) {
    await until(() => peers.length > i);
    peers[i]!.abort();
  }
  assert(peers.length <= 21, `${peers.length} connections in 200 ms`);
  stream.abort();
  await assertRejects(() => reading);
});

Deno.test("reconnecting() gives up after its attempts with the last error", async () => {
  const { stream, peers, opened, lines } = bytes({ count: 3 }, { refuse: refused });
  const reading = stream.read();
  peers[0]!.abort();
  await assertRejects(() => reading, ConnectError, "Connection refused");
  await assertRejects(() => stream.write(bytesOf("x")), ConnectError, "Connection refused");
  assertEquals(opened.attempts, 3);
  assertMatch(lines[2]!, /^I .*Connection refused; trying again in 0\.01 s \(3 of 3\)$/);
  stream.abort();
});

Deno.test("reconnecting() counts anew after a connection that lasted", async () => {
  const { stream, peers } = bytes({ count: 1, intervalMs: 10 });
  const reading = stream.read();
  for (let i = 0; i < 3; i++) {
    await until(() => peers.length === i + 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    peers[i]!.abort();
  }
  await until(() => peers.length === 4);
  stream.abort();
  await assertRejects(() => reading);
});

Deno.test("reconnecting() waits as at first again after a connection that lasted", async () => {
  using time = fakeTime();
  const { stream, peers, lines } = bytes({ intervalMs: 10, backoffMs: 10_000 });
  const reading = stream.read();
  const lose = async (i: number, afterMs: number) => {
    for (let ms = 0; ms < 1000 && peers.length <= i; ms++) await time.pass(1);
    await time.pass(afterMs);
    peers[i]!.abort();
    await time.pass(0);
  };
  for (let i = 0; i < 4; i++) await lose(i, 0);
  await lose(4, 200);
  await time.pass(1000);
  assertEquals(peers.length, 6);
  const waits = lines.flatMap((line) => /reconnecting in ([\d.]+) s \((\d+)\)$/.exec(line)?.slice(1) ?? []).map(Number);
  assertEquals([waits[7], waits[8], waits[9]], [4, 0.01, 1]);
  stream.abort();
  await assertRejects(() => reading);
});

Deno.test("reconnecting() ends where trying again cannot help", async () => {
  const hopeless = [
    new ConnectError("certificate verify failed", { retryable: false }),
    new ConfigError("wrong"),
    new LimitError("too big"),
    new TypeError("a fault of our own"),
  ];
  for (const error of hopeless) {
    const { stream, peers, opened } = bytes({}, { refuse: () => error });
    const reading = stream.read();
    peers[0]!.abort();
    const seen = await reading.catch((error) => error);
    assertEquals(seen, error);
    assertEquals(opened.attempts, 1);
    stream.abort();
  }
});

Deno.test("reconnecting() with reconnect-on=error takes an orderly end for the end, and writing goes on", async () => {
  const { stream, peers } = bytes({ on: "error" });
  await peers[0]!.closeWrite();
  assertEquals(await stream.read(), null);
  await stream.write(bytesOf("more"));
  await stream.closeWrite();
  assertEquals(textOf(await readAll(peers[0]!)), "more");
  assertEquals(peers.length, 1);
  stream.abort();
});

Deno.test("reconnecting() stops at once when our side ends while the connection is away", async () => {
  const { stream, peers, opened } = bytes({ intervalMs: 60_000 });
  const reading = stream.read();
  peers[0]!.abort();
  await turn();
  await stream.closeWrite();
  assertEquals(await reading, null);
  assertEquals(opened.attempts, 0);
  stream.abort();

  const kept = bytes({ intervalMs: 60_000 });
  const other = kept.stream.read();
  kept.peers[0]!.abort();
  await turn();
  await kept.stream.write(bytesOf("12345"));
  await assertRejects(() => kept.stream.closeWrite(), StreamError, "5 bytes kept for it could not be delivered");
  assertEquals(await other, null);
  kept.stream.abort();
});

Deno.test("reconnecting() delivers what was kept before its own end", async () => {
  const { stream, peers } = bytes({ intervalMs: 10 });
  const reading = stream.read();
  peers[0]!.abort();
  await turn();
  const data = patternBytes(5000);
  await stream.write(data);
  await until(() => peers.length === 2);
  const ending = stream.closeWrite();
  assertEquals(await readAll(peers[1]!), data);
  await ending;
  peers[1]!.abort();
  assertEquals(await reading, null);
  stream.abort();
});

Deno.test("reconnecting() stops at once when aborted while waiting or connecting", async () => {
  const { stream, peers } = bytes({ intervalMs: 60_000 });
  const reason = new StreamError("session over");
  const reading = stream.read();
  peers[0]!.abort();
  await turn();
  stream.abort(reason);
  assertEquals(await reading.catch((error) => error), reason);
  assertEquals(await stream.write(bytesOf("x")).catch((error) => error), reason);
});

Deno.test("reconnecting() says what was kept for nobody when it is closed while the connection is away, and counts messages", async () => {
  const away = async ({ stream, peers }: { stream: Stream; peers: Stream[] }) => {
    const reading = stream.kind === "byte" ? stream.read() : stream.receive();
    peers[0]!.abort();
    await turn();
    return reading;
  };
  const told = "W connection to memory lost, and ";
  for (const reason of [undefined, broken()]) {
    const one = bytes({ intervalMs: 60_000 });
    const reading = away(one);
    await turn();
    await one.stream.write(bytesOf("12345"));
    one.stream.abort(reason);
    await assertRejects(() => reading, StreamError);
    const lines = one.lines.filter((line) => line.startsWith(told));
    assertEquals(lines, reason ? [] : [`${told}5 bytes kept for it could not be delivered`]);

    const other = datagrams({ intervalMs: 60_000 });
    const receiving = away(other);
    await turn();
    await other.stream.send([{ data: bytesOf("a") }, { data: bytesOf("b") }]);
    assertEquals(other.stream.dropped, 0);
    other.stream.abort(reason);
    await assertRejects(() => receiving, StreamError);
    assertEquals(other.stream.dropped, 2);
  }
});

Deno.test("reconnecting() only read from shuts each connection's other half and goes on", async () => {
  const { stream, peers } = bytes({}, { direction: "read" });
  await stream.closeWrite();
  assertEquals(await readAll(peers[0]!), new Uint8Array());
  const reading = readBytes(stream, 2);
  await peers[0]!.write(bytesOf("a"));
  await turn();
  peers[0]!.abort();
  await until(() => peers.length === 2);
  assertEquals(await readAll(peers[1]!), new Uint8Array());
  await peers[1]!.write(bytesOf("b"));
  assertEquals(textOf(await reading), "ab");
  stream.abort();
});

Deno.test("reconnecting() with reconnect-on=error does not take for a loss that the peer has ended and takes no more", async () => {
  for (const on of ["error", "any"] as const) {
    const [near, far] = bytePair();
    const ended = new EndedError("write(memory): the peer has ended");
    let opened = 0;
    const stream = reconnecting(delegateBytes(near, { write: () => Promise.reject(ended) }), {
      policy: { ...policy, on },
      direction: "both",
      log: collectingLog().log,
      open: () => {
        opened++;
        return Promise.resolve(bytePair()[0]);
      },
    }) as ByteStream;
    await far.write(bytesOf("last words"));
    await far.closeWrite();
    if (on === "error") {
      await assertRejects(() => stream.write(bytesOf("x")), EndedError);
      await assertRejects(() => stream.write(bytesOf("y")), EndedError);
      assertEquals(textOf(await readAll(stream)), "last words");
      assertEquals(opened, 0);
    } else {
      await stream.write(bytesOf("x"));
      while (opened === 0) await turn();
    }
    stream.abort();
  }
});

Deno.test("reconnecting() does not wait for what lay behind a connection that is lost", async () => {
  const failed = new StreamError("child 1 exited with status 3", { code: "CHILD" });
  const [near, far] = bytePair();
  const { log } = collectingLog();
  const stream = reconnecting(delegateBytes(near, { finished: () => Promise.reject(failed) }), {
    policy: { ...policy, intervalMs: 60_000 },
    direction: "both",
    log,
    open: () => Promise.reject(refused()),
  }) as ByteStream;
  await assertRejects(() => stream.finished!(), StreamError, "status 3");
  const read = stream.read().catch(() => {});
  far.abort();
  await turn();
  await stream.finished!();
  stream.abort();
  await read;
});

Deno.test("reconnecting() keeps the order when a write to a lost connection settles late", async () => {
  const late = Promise.withResolvers<void>();
  const pairs = [bytePair(), bytePair(), bytePair({ capacityBytes: 4 })] as const;
  const stuck = delegateBytes(pairs[1][0], { write: () => late.promise });
  const next = [stuck, pairs[2][0]];
  const { log } = collectingLog();
  const stream = reconnecting(pairs[0][0], {
    policy: { ...policy, bufferBytes: 100 },
    direction: "both",
    log,
    open: () => Promise.resolve(next.shift()!),
  }) as ByteStream;
  const read = stream.read().catch(() => {});
  pairs[0][1].abort();
  await turn();
  await stream.write(bytesOf("lost"));
  // Its flush has begun once it has taken what was kept; then it is lost too.
  while (next.length > 1) await turn();
  pairs[1][1].abort();
  await turn();
  await stream.write(bytesOf("abcdefgh"));
  while (next.length > 0) await turn();
  await turn();
  late.reject(broken());
  await turn();
  await stream.write(bytesOf("ij"));
  assertEquals(textOf(await readBytes(pairs[2][1], 10)), "abcdefghij");
  stream.abort();
  await read;
});
