// Moments in the life of a stream socket that its users cannot bring about on purpose.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { noTerminals } from "../../tests/support/machine.ts";
import { StreamError } from "../errors.ts";
import type { SocketAddress } from "../stream/stream.ts";
import { BacklogQueue } from "../backlog_queue.ts";
import { BufferPool } from "./buffer_pool.ts";
import type { ByteSocket } from "./byte_socket.ts";
import * as c from "./constants.ts";
import { cString, libc, libcFailure } from "./libc.ts";
import { openNativeDriver } from "./driver.ts";
import { listenStream } from "./listener.ts";
import { Reactor, type Watch } from "./reactor.ts";
import { getInteger } from "./socket_options.ts";
import { connectStream } from "./stream_connect.ts";

const never = new AbortController().signal;
const anyPort: SocketAddress = { family: "inet", host: "127.0.0.1", port: 0 };

/** Tells before every operation of a descriptor. */
class WatchedReactor extends Reactor {
  onSpend: ((watch: Watch) => void) | undefined;

  override spend(watch: Watch): boolean {
    this.onSpend?.(watch);
    return super.spend(watch);
  }
}

interface Scene {
  readonly near: ByteSocket;
  readonly far: ByteSocket;
  readonly pool: BufferPool;
  readonly reactor: WatchedReactor;
}

function socketTest(name: string, run: (scene: Scene) => Promise<void>): void {
  Deno.test({
    name: `native socket ${name}`,
    ignore: libcFailure !== undefined,
    async fn() {
      const reactor = new WatchedReactor();
      const arena = () => {
        throw new Error("these tests send no datagrams");
      };
      const shared = {
        reactor,
        pool: new BufferPool(),
        arena,
        backlogs: new BacklogQueue(),
        keptListeners: new Set<number>(),
        unwatched: new Set<never>(),
      };
      try {
        const listener = listenStream(anyPort, { backlog: 1 }, shared);
        const [near, far] = await Promise.all([connectStream(listener.local, {}, never, shared), listener.accept()]);
        listener.close();
        await run({ near, far, reactor, pool: shared.pool } as Scene);
      } finally {
        await reactor.close();
      }
    },
  });
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

/** Writes until the system takes no more: how much that was, and the write that waits. */
async function fill(socket: ByteSocket): Promise<{ bytes: number; waiting: Promise<void> }> {
  const block = new Uint8Array(1 << 20);
  for (let bytes = block.length;; bytes += block.length) {
    let over = false;
    const waiting = socket.write(block).finally(() => over = true);
    waiting.catch(() => {});
    for (let i = 0; i < 20 && !over; i++) await turn();
    if (!over) return { bytes, waiting };
  }
}

socketTest(
  "that is aborted while its last bytes go is not shut any more: its number may be another's",
  async (scene) => {
    const { near, far, reactor } = scene;
    const { waiting } = await fill(near);
    const closing = near.closeWrite().catch((error) => error);
    const reason = new StreamError("on purpose");
    // The write that takes the last bytes has begun: the abort comes before anybody hears that it is through.
    reactor.onSpend = ({ owner }) => owner === near && queueMicrotask(() => near.abort(reason));
    const reading = (async () => {
      while (await far.read());
    })().catch(() => {});
    assertStrictEquals(await closing, reason);
    await waiting.catch(() => {});
    await reading;
  },
);

socketTest(
  "is read on after its share of a turn was used up, without anything new from the peer",
  async ({ near, far }) => {
    await far.write(new Uint8Array(100).fill(7));
    await near.waitReadable();
    const buffer = new Uint8Array(1);
    let count = 0;
    while (near.tryRead(buffer, 1) === 1) count++;
    assert(count < 100, "there is no share");
    assertEquals((await near.read())!.length, 100 - count);
  },
);

socketTest("is written on after its share of a turn was used up", async ({ near, far }) => {
  const one = new Uint8Array(1);
  let count = 0;
  while (near.trySend(one, 0, 1) === 1) count++;
  await near.write(new Uint8Array(5));
  await near.closeWrite();
  let got = 0;
  for (let bytes = await far.read(); bytes; bytes = await far.read()) got += bytes.length;
  assertEquals(got, count + 5);
});

socketTest("reads in larger steps while reads come back full, in small ones again when they do not", async (scene) => {
  const { near, far } = scene;
  const first = far.readBytes;
  await near.write(new Uint8Array(400_000));
  for (let got = 0; got < 400_000;) got += (await far.read())!.length;
  const grown = far.readBytes;
  assert(grown > first, "did not grow");
  for (let i = 0; i < 8; i++) {
    await near.write(new Uint8Array(1));
    await far.read();
  }
  assertEquals(far.readBytes, first);
});

socketTest(
  "that is closed plainly sends all it took, though the peer goes on talking to nobody",
  async ({ near, far }) => {
    const { bytes, waiting } = await fill(near);
    near.abort();
    await assertRejects(() => waiting, StreamError);
    let got = 0;
    // The peer hears at last that nobody listens; what was sent has come by then.
    const outcome = await (async () => {
      for (let view = await far.read(); view; view = await far.read()) {
        got += view.length;
        // Whoever closes a socket in which something lies unread takes back what has not arrived.
        await far.write(new Uint8Array(10)).catch(() => {});
        await turn();
      }
    })().catch((error) => error);
    assert(outcome === undefined || outcome.code === "EPIPE" || outcome.code === "ECONNRESET", String(outcome));
    assertEquals(got, bytes);
  },
);

socketTest("that is closed plainly keeps the memory it still sends from to itself", async ({ near, far, pool }) => {
  // What does not fit is copied to a buffer of the pool, from which the closed socket goes on sending.
  const block = new Uint8Array(100_000).fill(7);
  let bytes = 0;
  for (let waiting = false; !waiting; bytes += block.length) {
    waiting = true;
    near.write(block).then(() => waiting = false, () => {});
    for (let i = 0; i < 20 && waiting; i++) await turn();
  }
  near.abort();
  await turn();
  for (let size = 4096; size <= BufferPool.largest; size *= 2) {
    for (let i = 0; i < 4; i++) pool.take(size).fill(0xee);
  }
  let got = 0;
  for (let view = await far.read(); view; view = await far.read()) {
    assert(view.every((byte) => byte === 7), `others wrote into what was being sent, near ${got}`);
    got += view.length;
  }
  assertEquals(got, bytes);
});

socketTest("that is closed touches its number no more, which may be another's", async ({ near, far }) => {
  near.abort();
  const handle = near.native;
  for (const call of [near.write(new Uint8Array(1)), near.closeWrite(), near.read()]) {
    await assertRejects(() => call, StreamError, "has been closed");
  }
  assertThrows(() => handle.tryRead(new Uint8Array(1), 1), StreamError);
  assertThrows(() => handle.trySend(new Uint8Array(1), 0, 1), StreamError);
  assertEquals(await far.read(), null);
});

socketTest("that is aborted after both ends still delivers what is on its way", async ({ near, far }) => {
  const { bytes, waiting } = await fill(near);
  let got = 0;
  let sent = false;
  void waiting.then(() => sent = true);
  for (; !sent; await turn()) got += (await far.read())!.length;
  assert(got < bytes, "nothing is on its way");
  await near.closeWrite();
  await far.closeWrite();
  assertEquals(await near.read(), null);
  near.abort(new StreamError("late"));
  for (let view = await far.read(); view; view = await far.read()) got += view.length;
  assertEquals(got, bytes);
});

socketTest("that is aborted with a reason leaves nobody waiting", async ({ near, far }) => {
  const { waiting } = await fill(near);
  const reading = near.read();
  const closing = near.closeWrite();
  const reason = new StreamError("on purpose");
  near.abort(reason);
  for (const call of [waiting, reading, closing, near.read(), near.write(new Uint8Array(1)), near.closeWrite()]) {
    assertStrictEquals(await call.then(() => "no error", (error) => error), reason);
  }
  await assertRejects(async () => {
    while (await far.read());
  }, StreamError);
});

Deno.test("BufferPool lends what was given back, of the size that fits, and keeps 8 MiB at the most", () => {
  const pool = new BufferPool();
  const small = pool.take(5000);
  assertEquals(small.length, 8192);
  assert(pool.take(8192) !== small);
  pool.give(small);
  assert(pool.take(9000) !== small);
  assertStrictEquals(pool.take(4097), small);
  assert(pool.take(8192) !== small, "lent twice");
  assertEquals(pool.take(600_000).length, 600_000);
  const large = Array.from({ length: 20 }, () => pool.take(BufferPool.largest));
  for (const buffer of large) pool.give(buffer);
  const again = large.map(() => pool.take(BufferPool.largest));
  assertEquals(again.filter((buffer) => large.includes(buffer)).length, 16);
});

interface Adoption {
  readonly fd: number;
  readonly direction: "read" | "write" | "both";
}

function adoptTest(
  name: string,
  run: (adopt: (how: Adoption) => ByteSocket, folder: string) => Promise<void>,
  skip?: string,
): void {
  Deno.test({
    name: `native driver ${name}${skip ? ` (${skip})` : ""}`,
    ignore: (libcFailure ?? skip) !== undefined,
    async fn() {
      const driver = openNativeDriver();
      const folder = await Deno.makeTempDir({ prefix: "l7mp-native-" });
      try {
        await run(
          ({ fd, direction }) =>
            driver.adoptDescriptor(fd, { name: `FD:${fd}`, direction, keepOpen: false }) as ByteSocket,
          folder,
        );
      } finally {
        await driver.close();
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

adoptTest("writes all of a large block to an adopted file, and reads it back to its end", async (adopt, folder) => {
  const path = `${folder}/file`;
  await Deno.writeTextFile(path, "");
  const sent = new Uint8Array(1_000_003).map((_, i) => i % 251);
  const output = adopt({ fd: libc.open(cString(path), c.O_WRONLY, 0), direction: "write" });
  await output.write(sent);
  assertEquals(await output.read(), null);
  await output.closeWrite();
  await assertRejects(() => output.write(sent), StreamError);
  output.abort();
  assertEquals(await Deno.readFile(path), sent);
  const input = adopt({ fd: libc.open(cString(path), c.O_RDONLY, 0), direction: "read" });
  let at = 0;
  for (let view = await input.read(); view; view = await input.read()) {
    for (const byte of view) assert(byte === sent[at++], `differs at ${at}`);
  }
  assertEquals(at, sent.length);
  assertEquals(await input.read(), null);
  await assertRejects(() => input.write(sent), StreamError);
  input.abort();
});

/** The two sides of a new terminal. */
function openTerminal(): { master: number; slave: number } {
  const TIOCSPTLCK = 0x40045431;
  const TIOCGPTN = 0x80045430;
  const flags = c.O_RDWR | c.O_NOCTTY;
  const master = libc.open(cString("/dev/ptmx"), flags, 0);
  const number = new Uint32Array(1);
  assertEquals(libc.ioctl(master, TIOCSPTLCK, new Uint8Array(4)), 0);
  assertEquals(libc.ioctl(master, TIOCGPTN, new Uint8Array(number.buffer)), 0);
  const slave = libc.open(cString(`/dev/pts/${number[0]}`), flags, 0);
  assert(slave >= 0);
  return { master, slave };
}

for (const side of ["master", "slave"] as const) {
  adoptTest(`takes a terminal whose other side has gone for one that has ended (${side})`, async (adopt) => {
    const both = openTerminal();
    const terminal = adopt({ fd: both[side], direction: "both" });
    const other = both[side === "master" ? "slave" : "master"];
    libc.write(other, new TextEncoder().encode("typed\n"), 6);
    assertEquals(new TextDecoder().decode((await terminal.read())!).trimEnd(), "typed");
    const reading = terminal.read();
    libc.close(other);
    assertEquals(await reading, null);
    terminal.abort();
  }, noTerminals);
}

Deno.test({
  name: "native driver reads nothing from a socket that it was given to write to",
  ignore: libcFailure !== undefined,
  async fn() {
    const driver = openNativeDriver();
    try {
      const listener = await driver.listenStream(anyPort, { backlog: 1 });
      const [near, far] = await Promise.all([driver.connectStream(listener.local, {}, never), listener.accept()]);
      const { fd } = near as ByteSocket;
      assertEquals(getInteger(fd, c.SOL_SOCKET, c.SO_TYPE), c.SOCK_STREAM);
      await far!.write(new Uint8Array(3));
      // A duplicate: each of the two streams closes its own.
      const copy = libc.fcntl(fd, 0, 0);
      const writer = driver.adoptDescriptor(copy, { name: "FD", direction: "write", keepOpen: false }) as ByteSocket;
      assertEquals(await writer.read(), null);
      await writer.write(new Uint8Array([9]));
      assertEquals((await far!.read())![0], 9);
      for (const stream of [writer, near, far!]) stream.abort();
      listener.close();
    } finally {
      await driver.close();
    }
  },
});
