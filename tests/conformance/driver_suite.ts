/** The contract of `Driver`, run by every driver. Traffic stays on the loopback interface. */
// @ts-types="../deno_std.d.ts"
import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { createHash } from "node:crypto";
import type { DatagramSocket, Driver, Packet, StreamListener } from "../../lib/driver.ts";
import { ConfigError, ConnectError, L7mpError, StreamError } from "../../lib/errors.ts";
import type { ByteStream, SocketAddress } from "../../lib/stream/stream.ts";
import { bytesOf, patternBytes, readAll, readBytes, settledAt, textOf } from "../support/streams.ts";

export interface DriverSuiteOptions {
  /** Tests a driver cannot pass, each with the reason; shown as ignored. */
  readonly skips?: readonly (readonly [test: string, reason: string])[];
  /** Module and export that open the driver in a process of its own. */
  readonly module: { readonly specifier: URL; readonly open: string };
  /** Largest memory of an idle session (two sockets with pending reads), in bytes. */
  readonly idleSessionBytes: number;
}

interface Scene {
  readonly driver: Driver;
  /** A folder of the test's own. */
  readonly folder: string;
  /** Sockets to close afterwards, whatever happens. */
  defer(release: () => void): void;
}

type Test = (scene: Scene, options: DriverSuiteOptions) => Promise<void>;

const never = new AbortController().signal;
const anyPort: SocketAddress = { family: "inet", host: "127.0.0.1", port: 0 };

/** Registers one test per promise of the contract. */
export function driverSuite(name: string, open: () => Promise<Driver>, options: DriverSuiteOptions): void {
  for (const [test, run] of Object.entries(tests)) {
    const reason = options.skips?.find(([skipped]) => skipped === test)?.[1];
    Deno.test({
      name: `driver ${name}: ${test}${reason ? ` (${reason})` : ""}`,
      ignore: reason !== undefined,
      async fn() {
        const driver = await open();
        const folder = await Deno.makeTempDir({ prefix: "l7mp-driver-" });
        const releases: (() => void)[] = [];
        try {
          await run({ driver, folder, defer: (release) => releases.push(release) }, options);
        } finally {
          for (const release of releases.reverse()) release();
          await driver.close();
          await Deno.remove(folder, { recursive: true });
        }
      },
    });
  }
  const unknown = options.skips?.filter(([test]) => !(test in tests)) ?? [];
  if (unknown.length > 0) throw new TypeError(`no such test to skip: ${unknown.map(([test]) => test).join(", ")}`);
}

async function listen(scene: Scene, local: SocketAddress = anyPort, more: object = {}): Promise<StreamListener> {
  const listener = await scene.driver.listenStream(local, { backlog: 511, ...more });
  scene.defer(() => listener.close());
  return listener;
}

/** A connected pair: who called, and who was called. */
async function pair(scene: Scene, local?: SocketAddress): Promise<{ near: ByteStream; far: ByteStream }> {
  const listener = await listen(scene, local);
  const [near, far] = await Promise.all([scene.driver.connectStream(listener.local, {}, never), listener.accept()]);
  assert(far);
  scene.defer(() => near.abort());
  scene.defer(() => far.abort());
  return { near, far };
}

async function datagrams(scene: Scene, target: Parameters<Driver["openDatagram"]>[0], more: object = {}) {
  const socket = await scene.driver.openDatagram(target, more);
  scene.defer(() => socket.close());
  return socket;
}

/** Receives until `count` packets are there. */
async function receive(socket: DatagramSocket, count: number): Promise<Packet[]> {
  const packets: Packet[] = [];
  while (packets.length < count) packets.push(...(await socket.receive())!);
  return packets;
}

const codeOf = (error: unknown) => (error as { code?: string }).code;

async function rejection(promise: Promise<unknown>): Promise<L7mpError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof L7mpError, `expected an error of ours, not ${error}`);
  return error;
}

async function runChild(file: string, options: DriverSuiteOptions, prefix = ""): Promise<string> {
  const child = new URL(`../support/${file}`, import.meta.url).pathname;
  const command = `${prefix} exec "$0" run -A --v8-flags=--expose-gc "$@"`;
  const { specifier, open } = options.module;
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command, Deno.execPath(), child, specifier.href, open],
  }).output();
  assert(success, textOf(stderr));
  return textOf(stdout).trim();
}

const unixPath = (scene: Scene, name: string): SocketAddress & { family: "unix" } => {
  return { family: "unix", path: `${scene.folder}/${name}` };
};
const abstractName = (): SocketAddress => ({ family: "unix", path: `@l7mp-test-${crypto.randomUUID()}` });

async function echoesHalves({ near, far }: { near: ByteStream; far: ByteStream }): Promise<void> {
  await near.write(bytesOf("question"));
  await near.closeWrite();
  assertEquals(textOf(await readAll(far)), "question");
  assertEquals(await far.read(), null);
  await far.write(bytesOf("answer after the end"));
  await far.closeWrite();
  await far.closeWrite();
  assertEquals(textOf(await readAll(near)), "answer after the end");
}

async function sameDigest({ near, far }: { near: ByteStream; far: ByteStream }, total: number): Promise<void> {
  const block = patternBytes(1_000_003);
  const sent = createHash("sha256");
  const received = createHash("sha256");
  const writing = (async () => {
    for (let left = total; left > 0;) {
      const part = block.subarray(0, Math.min(left, block.length));
      sent.update(part);
      await near.write(part);
      left -= part.length;
    }
    await near.closeWrite();
  })();
  let count = 0;
  for (let bytes = await far.read(); bytes; bytes = await far.read()) {
    received.update(bytes);
    count += bytes.length;
  }
  await writing;
  assertEquals(count, total);
  assertEquals(received.digest("hex"), sent.digest("hex"));
}

const tests: Readonly<Record<string, Test>> = {
  "TCP tells both ends' addresses": async (scene) => {
    const { near, far } = await pair(scene);
    assertEquals(near.info.local, far.info.remote);
    assertEquals(near.info.remote, far.info.local);
    assert(far.info.local?.family === "inet" && far.info.local.host === "127.0.0.1");
    assertEquals(near.info.name, `AF=2 127.0.0.1:${far.info.local.port}`);
    assert(near.info.halfCloses && far.info.halfCloses);
  },
  "TCP half-closes both ways": async (scene) => {
    const { near, far } = await pair(scene);
    await echoesHalves({ near, far });
  },
  "TCP half-closes from the called side": async (scene) => {
    const { near, far } = await pair(scene);
    await echoesHalves({ near: far, far: near });
  },
  "TCP works over IPv6": async (scene) => {
    const { near, far } = await pair(scene, { family: "inet6", host: "::1", port: 0 });
    assertMatch(near.info.name, /^AF=10 \[::1\]:\d+$/);
    await echoesHalves({ near, far });
  },
  "an IPv6 listener and receiver take IPv4 too when told so": async (scene) => {
    const everywhere: SocketAddress = { family: "inet6", host: "::", port: 0 };
    const listener = await listen(scene, everywhere, { v6only: false });
    assert(listener.local.family === "inet6");
    const here: SocketAddress = { family: "inet", host: "127.0.0.1", port: listener.local.port };
    const [near, far] = await Promise.all([scene.driver.connectStream(here, {}, never), listener.accept()]);
    scene.defer(() => near.abort());
    scene.defer(() => far!.abort());
    await echoesHalves({ near, far: far! });
    const receiver = await datagrams(scene, { local: everywhere }, { v6only: false });
    assert(receiver.local.family === "inet6");
    const sender = await datagrams(scene, { remote: { ...here, port: receiver.local.port } });
    await sender.send([{ data: bytesOf("four") }]);
    const [packet] = await receive(receiver, 1);
    assertEquals(textOf(packet!.data), "four");
    await receiver.send([{ data: bytesOf("back") }], packet!.from);
    assertEquals(textOf((await receive(sender, 1))[0]!.data), "back");
  },
  "an IPv6 receiver takes no IPv4 when told so": async (scene) => {
    const receiver = await datagrams(scene, { local: { family: "inet6", host: "::", port: 0 } }, { v6only: true });
    assert(receiver.local.family === "inet6");
    // The same port of the other version is free.
    await datagrams(scene, { local: { family: "inet", host: "0.0.0.0", port: receiver.local.port } });
  },
  "ipv6-v6only of an IPv4 socket is an error": async (scene) => {
    for (const v6only of [false, true]) {
      const options = { backlog: 1, v6only };
      const fault = "ipv6-v6only";
      await assertRejects(() => scene.driver.listenStream(anyPort, options), ConfigError, fault);
      await assertRejects(() => scene.driver.connectStream(anyPort, options, never), ConfigError, fault);
      await assertRejects(() => scene.driver.openDatagram({ local: anyPort }, options), ConfigError, fault);
    }
  },
  "UNIX stream half-closes both ways and removes its path": async (scene) => {
    const address = unixPath(scene, "socket");
    const { near, far } = await pair(scene, address);
    assertEquals(near.info.remote, address);
    assertEquals(far.info.local, address);
    await echoesHalves({ near, far });
    scene.driver.close();
    await assertRejects(() => Deno.lstat(address.path), Deno.errors.NotFound);
  },
  "abstract UNIX stream half-closes both ways": async (scene) => {
    const address = abstractName();
    const { near, far } = await pair(scene, address);
    assertEquals(near.info.remote, address);
    await echoesHalves({ near, far });
  },
  "an end that arrives with the last bytes is not missed": async (scene) => {
    for (let i = 0; i < 50; i++) {
      const { near, far } = await pair(scene);
      await near.write(patternBytes(10 + i));
      await near.closeWrite();
      if (i % 2) await new Promise((resolve) => setTimeout(resolve));
      assertEquals((await readAll(far)).length, 10 + i);
      await far.closeWrite();
      assertEquals(await near.read(), null);
    }
  },
  "an end that comes while a read waits ends it": async (scene) => {
    const { near, far } = await pair(scene);
    const reading = far.read();
    await new Promise((resolve) => setTimeout(resolve));
    await near.closeWrite();
    assertEquals(await reading, null);
    assertEquals(await far.read(), null);
  },
  "abort with a reason resets a TCP peer": async (scene) => {
    const { near, far } = await pair(scene);
    const reason = new StreamError("on purpose");
    await near.write(bytesOf("half a mess"));
    assertEquals(textOf(await readBytes(far, 11)), "half a mess");
    const pending = near.read();
    near.abort(reason);
    near.abort();
    assertStrictEquals(await pending.catch((error) => error), reason);
    assertStrictEquals(await near.write(bytesOf("x")).catch((error) => error), reason);
    const error = await rejection(far.read());
    assertEquals(error.code, "ECONNRESET");
    assertEquals(error.message, `read(${far.info.name}): Connection reset by peer`);
    assert(error instanceof StreamError);
  },
  "after a reset neither half looks like a clean end": async (scene) => {
    const { near, far } = await pair(scene);
    near.abort(new StreamError("on purpose"));
    // Whichever half meets the reset first, the other one must fail too.
    let writeError: unknown;
    while (!writeError) {
      writeError = await far.write(bytesOf("x")).then(() => undefined, (error) => error);
      await new Promise((resolve) => setTimeout(resolve));
    }
    await assertRejects(() => far.read(), StreamError);
  },
  "abort with a reason after both halves ended is a plain close": async (scene) => {
    const { near, far } = await pair(scene);
    await near.write(patternBytes(100_000));
    await near.closeWrite();
    await far.closeWrite();
    assertEquals(await near.read(), null);
    near.abort(new StreamError("late"));
    assertEquals((await readAll(far)).length, 100_000);
  },
  "abort without a reason loses nothing that was written": async (scene) => {
    const { near, far } = await pair(scene);
    const sent = patternBytes(3_000_000);
    const writing = near.write(sent);
    const first = (await far.read())!.slice();
    const rest = writing.then(() => near.abort());
    const received = [first, await readAll(far)];
    await rest;
    assertEquals(received[0]!.length + received[1]!.length, sent.length);
  },
  "abort without a reason loses nothing although the peer's bytes were not read": async (scene) => {
    const { near, far } = await pair(scene);
    const sent = patternBytes(200_000);
    await far.write(bytesOf("never read"));
    await near.write(sent);
    near.abort();
    assertEquals((await readAll(far)).length, sent.length);
  },
  "what arrived before sending failed is still read, and then the failure is told": async (scene) => {
    const { near, far } = await pair(scene);
    await near.write(new Uint8Array(1));
    await far.write(patternBytes(100_000));
    // A byte of the other side is unread, so closing resets.
    far.abort(new StreamError("on purpose"));
    await assertRejects(async () => {
      for (;;) {
        await near.write(new Uint8Array(1));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }, StreamError);
    let count = 0;
    const end = (async () => {
      for (let bytes = await near.read(); bytes; bytes = await near.read()) count += bytes.length;
    })();
    await assertRejects(() => end, StreamError);
    assertEquals(count, 100_000);
    await assertRejects(() => near.write(new Uint8Array(1)), StreamError);
  },
  "a write waits for a slow reader": async (scene) => {
    const { near, far } = await pair(scene);
    const block = patternBytes(65_536);
    const total = 40 << 20;
    let written = 0;
    const writing = (async () => {
      for (; written < total; written += block.length) await near.write(block);
      await near.closeWrite();
    })();
    assertLess(await settledAt(() => written), 24 << 20, "the writer was never held back");
    let count = 0;
    for (let bytes = await far.read(); bytes; bytes = await far.read()) count += bytes.length;
    await writing;
    assertEquals(count, total);
  },
  "64 MiB pass TCP unchanged": async (scene) => sameDigest(await pair(scene), 64 << 20),
  "64 MiB pass a UNIX stream unchanged": async (scene) => sameDigest(await pair(scene, unixPath(scene, "s")), 64 << 20),
  "both directions run at once": async (scene) => {
    const { near, far } = await pair(scene);
    await Promise.all([sameDigest({ near, far }, 16 << 20), sameDigest({ near: far, far: near }, 16 << 20)]);
  },
  "a lent view stays as it is while other sessions read": async (scene) => {
    const pairs = await Promise.all(Array.from({ length: 20 }, () => pair(scene)));
    const views = await Promise.all(pairs.map(async ({ near, far }, i) => {
      await near.write(new Uint8Array(5000).fill(i));
      return await far.read();
    }));
    views.forEach((view, i) => assert(view!.every((byte) => byte === i), `view ${i} was overwritten`));
  },
  "busy streams let timers run": async (scene) => {
    const { near, far } = await pair(scene);
    let stop = false;
    const writing = (async () => {
      while (!stop) await near.write(new Uint8Array(1000));
      await near.closeWrite();
    })();
    const reading = readAll(far);
    await new Promise((resolve) => setTimeout(resolve, 20));
    stop = true;
    await writing;
    await reading;
  },
  "500 connections at once are each answered": async (scene) => {
    const listener = await listen(scene);
    const serving = (async () => {
      const served: Promise<void>[] = [];
      for (let i = 0; i < 500; i++) {
        const stream = (await listener.accept())!;
        served.push((async () => {
          const question = textOf(await readAll(stream));
          await stream.write(bytesOf(`answer to ${question}`));
          await stream.closeWrite();
          stream.abort();
        })());
      }
      await Promise.all(served);
    })();
    const answers = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
      const stream = await scene.driver.connectStream(listener.local, {}, never);
      await stream.write(bytesOf(`question ${i}`));
      await stream.closeWrite();
      const answer = textOf(await readAll(stream));
      stream.abort();
      return answer;
    }));
    await serving;
    assertEquals(answers, Array.from({ length: 500 }, (_, i) => `answer to question ${i}`));
  },
  "a UNIX connection waits for room in the backlog, and can be cancelled": async (scene) => {
    const listener = await listen(scene, unixPath(scene, "socket"), { backlog: 1 });
    let connected = 0;
    const connect = async (signal: AbortSignal) => {
      const stream = await scene.driver.connectStream(listener.local, {}, signal);
      scene.defer(() => stream.abort());
      connected++;
    };
    const callers: Promise<void>[] = [];
    // A driver may have a backlog of its own.
    do {
      for (let i = 0; i < 50; i++) callers.push(connect(never));
      assertLess(callers.length, 10_000, "nobody waited");
    } while (await settledAt(() => connected, 20) === callers.length);
    const cancelled = new AbortController();
    const late = connect(cancelled.signal);
    const reason = new Error("enough");
    cancelled.abort(reason);
    assertStrictEquals(await late.catch((error) => error), reason);
    for (const _ of callers) (await listener.accept())!.abort();
    await Promise.all(callers);
  },
  "a refused connection names call, address and cause": async (scene) => {
    const listener = await listen(scene);
    listener.close();
    const error = await rejection(scene.driver.connectStream(listener.local, {}, never));
    assert(error instanceof ConnectError && listener.local.family === "inet");
    assertEquals(error.code, "ECONNREFUSED");
    assertEquals(error.message, `connect(AF=2 127.0.0.1:${listener.local.port}): Connection refused`);
  },
  "a missing and a dead UNIX path are told apart": async (scene) => {
    const missing = await rejection(scene.driver.connectStream(unixPath(scene, "missing"), {}, never));
    assertEquals(missing.code, "ENOENT");
    const listener = await listen(scene, unixPath(scene, "dead"), { unlinkClose: false });
    listener.close();
    assertEquals(
      (await rejection(scene.driver.connectStream(unixPath(scene, "dead"), {}, never))).code,
      "ECONNREFUSED",
    );
  },
  "connect binds the local address asked for": async (scene) => {
    const listener = await listen(scene);
    const local: SocketAddress = { family: "inet", host: "127.0.0.2", port: 0 };
    const [near, far] = await Promise.all([
      scene.driver.connectStream(listener.local, { local }, never),
      listener.accept(),
    ]);
    assert(far?.info.remote?.family === "inet");
    assertEquals(far.info.remote.host, "127.0.0.2");
    near.abort();
    far.abort();
  },
  "connect is cancelled by its signal": async (scene) => {
    const reason = new Error("enough");
    const listener = await listen(scene, anyPort, { backlog: 0 });
    const controller = new AbortController();
    // A full backlog leaves further callers without an answer.
    const streams: ByteStream[] = [];
    const outcomes = Array.from({ length: 8 }, () =>
      scene.driver.connectStream(listener.local, {}, controller.signal)
        .then((stream) => void streams.push(stream), (error) => error));
    await settledAt(() => streams.length);
    controller.abort(reason);
    const errors = (await Promise.all(outcomes)).filter((outcome) => outcome !== undefined);
    for (const stream of streams) stream.abort();
    assert(errors.length > 0, "every connection was accepted by the system");
    for (const error of errors) assertStrictEquals(error, reason);
    await assertRejects(() => scene.driver.connectStream(listener.local, {}, controller.signal), Error, "enough");
  },
  "an address in use is an error that names it": async (scene) => {
    const listener = await listen(scene);
    const error = await rejection(scene.driver.listenStream(listener.local, { backlog: 1 }));
    assert(error instanceof ConnectError && listener.local.family === "inet");
    assertEquals(error.code, "EADDRINUSE");
    assertMatch(error.message, /^bind\(AF=2 127\.0\.0\.1:\d+\): Address already in use/);
  },
  "a listener's close ends a pending accept": async (scene) => {
    const listener = await listen(scene);
    const accepting = listener.accept();
    listener.close();
    listener.close();
    assertEquals(await accepting, null);
    assertEquals(await listener.accept(), null);
  },
  "out of descriptors accept rejects with EMFILE and works again later": async (_, options) => {
    assertEquals(await runChild("driver_emfile_child.ts", options, "ulimit -n 80;"), "ok");
  },
  "an existing path is refused unless unlink-early": async (scene) => {
    const address = unixPath(scene, "file");
    await Deno.writeTextFile(address.path, "precious");
    const error = await rejection(scene.driver.listenStream(address, { backlog: 1 }));
    assertEquals(error.code, "EADDRINUSE");
    assertEquals(error.message, `bind(AF=1 ${JSON.stringify(address.path)}): Address already in use; use unlink-early`);
    await listen(scene, address, { unlinkEarly: true });
  },
  "unlink-stale removes a dead socket, and neither a live one nor a file": async (scene) => {
    const [dead, live, file] = ["dead", "live", "file"].map((name) => unixPath(scene, name));
    (await listen(scene, dead, { unlinkClose: false })).close();
    await listen(scene, dead, { unlinkStale: true });
    await listen(scene, live);
    assertEquals(
      (await rejection(scene.driver.listenStream(live!, { backlog: 1, unlinkStale: true }))).code,
      "EADDRINUSE",
    );
    await Deno.writeTextFile(file!.path, "precious");
    assertEquals(
      (await rejection(scene.driver.listenStream(file!, { backlog: 1, unlinkStale: true }))).code,
      "EADDRINUSE",
    );
  },
  "a path gets its permissions, and leaves a successor's socket alone": async (scene) => {
    const address = unixPath(scene, "socket");
    const listener = await listen(scene, address, { mode: 0o640 });
    assertEquals((await Deno.lstat(address.path)).mode! & 0o777, 0o640);
    await listen(scene, address, { unlinkEarly: true });
    listener.close();
    assert((await Deno.lstat(address.path)).isSocket);
  },
  "a path gets the owner and the group it is to have, each by itself too": async (scene) => {
    // Others may give away nothing.
    if (Deno.uid() !== 0) return;
    for (const { user, group } of [{ user: 1 }, { group: 2 }, { user: 3, group: 4 }, {}]) {
      const address = unixPath(scene, `socket${user}${group}`);
      await listen(scene, address, { user, group });
      const { uid, gid, mode } = await Deno.lstat(address.path);
      assertEquals([uid, gid, mode! & 0o777], [user ?? 0, group ?? Deno.gid(), 0o777 & ~Deno.umask()]);
    }
  },
  "users and groups have numbers, and unknown ones none": async (scene) => {
    assertEquals(scene.driver.accountNumber("user", "root"), 0);
    assertEquals(scene.driver.accountNumber("group", "daemon"), 1);
    assertEquals(scene.driver.accountNumber("user", "nosuchuser"), undefined);
    assertEquals(scene.driver.accountNumber("group", "nosuchgroup"), undefined);
  },
  "a path that is too long is a configuration error naming the limit": async (scene) => {
    const address: SocketAddress = { family: "unix", path: `/tmp/${"x".repeat(110)}` };
    const error = await rejection(scene.driver.listenStream(address, { backlog: 1 }));
    assert(error instanceof ConfigError);
    assertMatch(error.message, /\b107\b/);
  },
  "stream options are accepted": async (scene) => {
    const options = { nodelay: false, keepalive: true, reuseaddr: true };
    const listener = await listen(scene, anyPort, options);
    const [near, far] = await Promise.all([
      scene.driver.connectStream(listener.local, options, never),
      listener.accept(),
    ]);
    await echoesHalves({ near, far: far! });
    near.abort();
    far!.abort();
  },

  "UDP keeps datagrams and their order, empty ones too": async (scene) => {
    const far = await datagrams(scene, { local: anyPort });
    const near = await datagrams(scene, { remote: far.local });
    assertEquals(near.remote, far.local);
    const sent = Array.from({ length: 150 }, (_, i) => ({ data: patternBytes(i % 40, i) }));
    await near.send(sent);
    const received = await receive(far, 150);
    assertEquals(received.map(({ data }) => [...data]), sent.map(({ data }) => [...data]));
  },
  "UDP carries 60000 bytes both ways": async (scene) => {
    const far = await datagrams(scene, { local: anyPort });
    const near = await datagrams(scene, { remote: far.local });
    const data = patternBytes(60_000);
    await near.send([{ data }]);
    const [packet] = await receive(far, 1);
    assertEquals(packet!.data, data);
    await far.send([packet!], packet!.from);
    assertEquals((await receive(near, 1))[0]!.data, data);
  },
  "UDP peers have equal keys for equal senders": async (scene) => {
    const far = await datagrams(scene, { local: anyPort });
    const [one, two] = [await datagrams(scene, { remote: far.local }), await datagrams(scene, { remote: far.local })];
    await one.send([{ data: bytesOf("1") }]);
    await two.send([{ data: bytesOf("2") }]);
    await one.send([{ data: bytesOf("1") }]);
    const packets = await receive(far, 3);
    const keys = new Map<string, unknown>(packets.map(({ data, from }) => [textOf(data), from.key]));
    for (const { data, from } of packets) assertEquals(from.key, keys.get(textOf(data)));
    assert(keys.get("1") !== keys.get("2"));
    assertEquals(packets.find(({ data }) => textOf(data) === "1")!.from.address, one.local);
    await far.send([{ data: bytesOf("back") }], two.local);
    assertEquals(textOf((await receive(two, 1))[0]!.data), "back");
  },
  "UDP works over IPv6": async (scene) => {
    const far = await datagrams(scene, { local: { family: "inet6", host: "::1", port: 0 } });
    const near = await datagrams(scene, { remote: far.local });
    await near.send([{ data: bytesOf("six") }]);
    const [packet] = await receive(far, 1);
    assertEquals(packet!.from.address, near.local);
    await far.send([{ data: bytesOf("back") }], packet!.from);
    assertEquals(textOf((await receive(near, 1))[0]!.data), "back");
  },
  "received memory is the receiver's for good": async (scene) => {
    const far = await datagrams(scene, { local: anyPort });
    const near = await datagrams(scene, { remote: far.local });
    await near.send([{ data: bytesOf("first") }]);
    const [first] = await receive(far, 1);
    await near.send([{ data: bytesOf("other") }]);
    await receive(far, 1);
    assertEquals(textOf(first!.data), "first");
  },
  "UDP drops and counts what does not fit, and sends the rest": async (scene) => {
    const far = await datagrams(scene, { local: anyPort });
    const drops: [string, number][] = [];
    const near = await datagrams(scene, { remote: far.local, onDrop: (reason, bytes) => drops.push([reason, bytes]) });
    await near.send([{ data: bytesOf("a") }, { data: new Uint8Array(65_508) }, { data: bytesOf("b") }]);
    assertEquals((await receive(far, 2)).map(({ data }) => textOf(data)), ["a", "b"]);
    assertEquals(near.dropped, 1);
    assertEquals(drops[0]![1], 65_508);
    assertMatch(drops[0]![0], /65508 bytes does not fit UDP \(65507\)/);
  },
  "UDP tells a connected socket that nobody listens": async (scene) => {
    const far = await datagrams(scene, { local: anyPort });
    const near = await datagrams(scene, { remote: far.local });
    far.close();
    await near.send([{ data: bytesOf("anybody?") }]);
    const error = await rejection(near.receive());
    assertEquals(codeOf(error), "ECONNREFUSED");
    assertMatch(error.message, /^read\(AF=2 127\.0\.0\.1:\d+\): Connection refused/);
    const again = near.receive();
    near.close();
    assertEquals(await again, null);
  },
  "UDP tells the reader of a refusal that its sender came upon first": async (scene) => {
    const far = await datagrams(scene, { local: anyPort });
    const near = await datagrams(scene, { remote: far.local });
    far.close();
    const error = await rejection((async () => {
      for (;;) await near.send([{ data: bytesOf("anybody?") }]);
    })());
    assertEquals(error.code, "ECONNREFUSED");
    assertEquals((await rejection(near.receive())).code, "ECONNREFUSED");
  },
  "a datagram socket's close ends a pending receive": async (scene) => {
    const socket = await datagrams(scene, { local: anyPort });
    const receiving = socket.receive();
    socket.close();
    socket.close();
    assertEquals(await receiving, null);
    assertEquals(await socket.receive(), null);
    await assertRejects(() => socket.send([{ data: bytesOf("x") }], anyPort), StreamError);
  },
  "UDP reaches a broadcast address with the option": async (scene) => {
    const far = await datagrams(scene, { local: { family: "inet", host: "0.0.0.0", port: 0 } });
    assert(far.local.family === "inet");
    const to: SocketAddress = { family: "inet", host: "127.255.255.255", port: far.local.port };
    const near = await datagrams(scene, { local: anyPort }, { broadcast: true });
    await near.send([{ data: bytesOf("to all") }], to);
    assertEquals(textOf((await receive(far, 1))[0]!.data), "to all");
  },
  "UDP refuses a broadcast address without the option": async (scene) => {
    const to: SocketAddress = { family: "inet", host: "127.255.255.255", port: 9 };
    const near = await datagrams(scene, { local: anyPort });
    assertEquals((await rejection(near.send([{ data: bytesOf("not allowed") }], to))).code, "EACCES");
  },
  "UDP joins a multicast group on the loopback interface": async (scene) => {
    const memberships = [{ group: "239.255.77.1", interface: "127.0.0.1" }];
    const far = await datagrams(scene, { local: { family: "inet", host: "0.0.0.0", port: 0 } }, { memberships });
    assert(far.local.family === "inet");
    const near = await datagrams(scene, { local: anyPort }, {
      multicastInterface: "127.0.0.1",
      multicastTtl: 1,
      multicastLoop: true,
    });
    await near.send([{ data: bytesOf("group") }], { family: "inet", host: "239.255.77.1", port: far.local.port });
    assertEquals(textOf((await receive(far, 1))[0]!.data), "group");
  },
  "UDP joins a multicast group on an interface by its name": async (scene) => {
    const four: SocketAddress = { family: "inet", host: "0.0.0.0", port: 0 };
    const far = await datagrams(scene, { local: four }, { memberships: [{ group: "239.255.77.2", interface: "lo" }] });
    assert(far.local.family === "inet");
    const near = await datagrams(scene, { local: four }, { multicastInterface: "lo", multicastLoop: true });
    await near.send([{ data: bytesOf("group") }], { ...four, host: "239.255.77.2", port: far.local.port });
    assertEquals(textOf((await receive(far, 1))[0]!.data), "group");
    const six: SocketAddress = { family: "inet6", host: "::", port: 0 };
    await datagrams(scene, { local: six }, { memberships: [{ group: "ff15::7702", interface: "lo" }] });
    const joined = await Deno.readTextFile("/proc/net/igmp6");
    assertMatch(joined, /\blo +ff150000000000000000000000007702 /);
    for (const [local, group] of [[four, "239.255.77.3"], [six, "ff15::7703"]] as const) {
      const memberships = [{ group, interface: "nope0" }];
      await assertRejects(() => scene.driver.openDatagram({ local }, { memberships }), ConfigError, '"nope0"');
      const options = { multicastInterface: "nope0" };
      await assertRejects(() => scene.driver.openDatagram({ local }, options), ConfigError, '"nope0"');
    }
  },
  "UDP hears its peer however that is spelled": async (scene) => {
    const far = await datagrams(scene, { local: { family: "inet6", host: "::1", port: 0 } });
    assert(far.local.family === "inet6");
    for (const options of [{}, { ttl: 9 }]) {
      const near = await datagrams(scene, { remote: { ...far.local, host: "0:0:0::0:1" } }, options);
      await near.send([{ data: bytesOf("question") }]);
      await far.send([{ data: bytesOf("answer") }], (await receive(far, 1))[0]!.from);
      assertEquals(textOf((await receive(near, 1))[0]!.data), "answer");
    }
  },
  "UNIX datagrams get an answer through an automatic name": async (scene) => {
    const address = unixPath(scene, "datagrams");
    const far = await datagrams(scene, { local: address });
    const near = await datagrams(scene, { remote: address });
    assert(near.local.family === "unix" && near.local.path.startsWith("@"));
    await near.send([{ data: bytesOf("ping") }, { data: new Uint8Array(0) }]);
    const [packet, empty] = await receive(far, 2);
    assertEquals(packet!.from.address, near.local);
    assertEquals(empty!.data.length, 0);
    await far.send([{ data: bytesOf("pong") }], packet!.from);
    assertEquals(textOf((await receive(near, 1))[0]!.data), "pong");
    far.close();
    await assertRejects(() => Deno.lstat(address.path), Deno.errors.NotFound);
  },
  "UNIX datagrams of 200 KiB pass uncut": async (scene) => {
    const far = await datagrams(scene, { local: abstractName() });
    const near = await datagrams(scene, { remote: far.local });
    const data = patternBytes(200 * 1024);
    const sending = near.send([{ data }, { data: bytesOf("small") }]);
    const [packet, small] = await receive(far, 2);
    await sending;
    assertEquals(packet!.data, data);
    assertEquals(textOf(small!.data), "small");
  },
  "UNIX datagrams wait for a slow receiver, connected or not": async (scene) => {
    const far = await datagrams(scene, { local: abstractName() });
    const batch = Array.from({ length: 200 }, (_, i) => ({ data: patternBytes(10, i) }));
    const connected = await datagrams(scene, { remote: far.local });
    const unconnected = await datagrams(scene, { local: abstractName() });
    for (const send of [() => connected.send(batch), () => unconnected.send(batch, far.local)]) {
      let done = false;
      const sending = send().then(() => done = true);
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert(!done, "nobody waited");
      assertEquals((await receive(far, 200)).map(({ data }) => [...data]), batch.map(({ data }) => [...data]));
      await sending;
    }
    assertEquals(connected.dropped + unconnected.dropped, 0);
  },

  "resolve answers literals, localhost and unknown names": async ({ driver }) => {
    assertEquals(await driver.resolve("127.0.0.1", 0, never), [anyPort]);
    assertEquals(await driver.resolve("::1", 6, never), [{ family: "inet6", host: "::1", port: 0 }]);
    assertEquals((await driver.resolve("localhost", 4, never))[0], anyPort);
    const error = await rejection(driver.resolve("nonexist.invalid", 0, never));
    assert(error instanceof ConnectError);
    assertMatch(error.message, /^getaddrinfo\("nonexist\.invalid"\): /);
    await rejection(driver.resolve("127.0.0.1", 6, never));
  },
  "mkfifo makes a pipe once": async ({ driver, folder }) => {
    driver.mkfifo(`${folder}/fifo`, 0o600);
    assert((await Deno.lstat(`${folder}/fifo`)).isFifo);
    const error = assertThrows(() => driver.mkfifo(`${folder}/fifo`, 0o600), L7mpError);
    assertEquals(codeOf(error), "EEXIST");
  },
  "descriptorKind knows the standard descriptors and refuses a closed one": async ({ driver }) => {
    const kinds = ["file", "pipe", "terminal", "stream-socket", "datagram-socket", "directory", "other"];
    for (const fd of [0, 1, 2]) assert(kinds.includes(driver.descriptorKind(fd)));
    assertEquals(codeOf(assertThrows(() => driver.descriptorKind(19_999), L7mpError)), "EBADF");
  },
  "adopts inherited files, pipes and sockets": async (_, options) => {
    assertEquals(
      await runChild("driver_descriptor_child.ts", options, 'exec 3<"$0" 4</ 5</dev/null; printf abc |'),
      "ok",
    );
  },
  "an idle session holds little memory": async (_, options) => {
    const bytes = Number(await runChild("driver_idle_child.ts", options));
    assertLess(bytes, options.idleSessionBytes);
  },
  "close releases what is open, and the process can end": async ({ driver }) => {
    const listener = await driver.listenStream(anyPort, { backlog: 1 });
    const near = await driver.connectStream(listener.local, {}, never);
    const socket = await driver.openDatagram({ local: anyPort }, {});
    const pending = [rejection(near.read()), listener.accept().then((stream) => stream?.read()), socket.receive()];
    driver.close();
    const [read, , received] = await Promise.all(pending.map((promise) => Promise.resolve(promise).catch(() => null)));
    assert(read instanceof L7mpError);
    assertEquals(received, null);
  },
};
