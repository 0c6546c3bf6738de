// What only the native driver promises: options as the kernel sees them, memory, descriptors, the reactor's sleep.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { ConfigError, ConnectError, StreamError } from "../errors.ts";
import { isNativeByteHandle, wouldBlock } from "../stream/native_handle.ts";
import type { Driver } from "../driver.ts";
import type { ByteStream, SocketAddress } from "../stream/stream.ts";
import { evaluated } from "../../tests/support/evaluated.ts";
import { bytesOf, readAll, textOf } from "../../tests/support/streams.ts";
import type { ByteSocket } from "./byte_socket.ts";
import * as c from "./constants.ts";
import { ECONNABORTED, EHOSTDOWN, EHOSTUNREACH, EINTR, ENETDOWN, ENETUNREACH, EPERM, EPROTO } from "./errno.ts";
import { cString, libc, libcFailure } from "./libc.ts";
import { openNativeDriver } from "./mod.ts";
import { getInteger } from "./socket_options.ts";

const never = new AbortController().signal;
const anyPort: SocketAddress = { family: "inet", host: "127.0.0.1", port: 0 };

function nativeTest(name: string, run: (driver: Driver) => Promise<void>): void {
  Deno.test({
    name: `native driver ${name}`,
    ignore: libcFailure !== undefined,
    async fn() {
      const driver = openNativeDriver();
      try {
        await run(driver);
      } finally {
        await driver.close();
      }
    },
  });
}

async function pair(driver: Driver, options: object = {}): Promise<[ByteStream, ByteStream]> {
  const listener = await driver.listenStream(anyPort, { backlog: 9, ...options });
  const pair = await Promise.all([driver.connectStream(listener.local, options, never), listener.accept()]);
  listener.close();
  return pair as [ByteStream, ByteStream];
}

function handleOf(stream: ByteStream) {
  assert(isNativeByteHandle(stream.native));
  return stream.native;
}

/** The descriptors that the driver opens from now on and has not closed; other tests of the process have their own. */
function watchDescriptors(): { readonly open: ReadonlySet<number> } & Disposable {
  const open = new Set<number>();
  const symbols = libc as Record<string, unknown>;
  const watched: [string, unknown][] = [];
  const watch = <Name extends "socket" | "accept4" | "eventfd" | "epoll_create1" | "close">(
    name: Name,
    note: (result: number, first: number) => void,
  ) => {
    const call = libc[name] as (...args: unknown[]) => number;
    watched.push([name, call]);
    symbols[name] = (...args: unknown[]) => {
      // The number is somebody else's as soon as it is closed.
      if (name === "close") note(0, args[0] as number);
      const result = call(...args);
      if (name !== "close" && result >= 0) note(result, 0);
      return result;
    };
  };
  for (const name of ["socket", "accept4", "eventfd", "epoll_create1"] as const) watch(name, (fd) => open.add(fd));
  watch("close", (_, fd) => open.delete(fd));
  return {
    open,
    [Symbol.dispose]() {
      for (const [name, call] of watched) symbols[name] = call;
    },
  };
}

/** Lets the next `accept4` fail with `number` before it does what it did. */
function failNextAccept(number: number): void {
  const symbols: { accept4: typeof libc.accept4 } = libc;
  const { accept4 } = symbols;
  symbols.accept4 = () => {
    symbols.accept4 = accept4;
    new Int32Array(Deno.UnsafePointerView.getArrayBuffer(libc.__errno_location()!, 4))[0] = number;
    return -1;
  };
}

nativeTest(
  "passes over a caller that left before it was accepted, and tells that descriptors have run out",
  async (driver) => {
    const listener = await driver.listenStream(anyPort, { backlog: 9 });
    const connect = () => driver.connectStream(listener.local, {}, never);
    for (const number of [EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH]) {
      failNextAccept(number);
      const [near, far] = await Promise.all([connect(), listener.accept()]);
      near.abort();
      far!.abort();
    }
    failNextAccept(24);
    const near = await connect();
    const error = await assertRejects(() => listener.accept(), StreamError);
    assertEquals([error.code, error.message.endsWith(": Too many open files")], ["EMFILE", true]);
    (await listener.accept())!.abort();
    near.abort();
    listener.close();
  },
);

nativeTest("still reads what arrived before it could send no more, and then says why", async (driver) => {
  const [near, far] = await pair(driver);
  const last = new Uint8Array(100_000).fill(7);
  await near.write(new Uint8Array(1));
  await far.write(last);
  // Bytes of ours are unread, so closing resets.
  far.abort();
  const error = await assertRejects(async () => {
    for (;;) {
      await near.write(new Uint8Array(1));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }, StreamError);
  let count = 0;
  const end = await (async () => {
    for (let bytes = await near.read(); bytes; bytes = await near.read()) count += bytes.length;
  })().catch((error) => error);
  assertEquals(count, last.length);
  assertEquals(end, error);
  assertEquals(await near.write(last).catch((error) => error), error);
  near.abort();
});

nativeTest("sets the options of stream sockets on both ends", async (driver) => {
  const options = {
    keepalive: true,
    keepIdleSeconds: 11,
    keepIntervalSeconds: 12,
    keepCount: 3,
    userTimeoutMs: 4567,
    sndbuf: 50_000,
    rcvbuf: 60_000,
    tos: 16,
    ttl: 33,
    reuseaddr: true,
  };
  const [near, far] = await pair(driver, options);
  for (const { fd } of [near, far].map(handleOf)) {
    const read = (level: number, option: number) => getInteger(fd, level, option);
    assertEquals(read(c.IPPROTO_TCP, c.TCP_NODELAY), 1);
    assertEquals(read(c.SOL_SOCKET, c.SO_KEEPALIVE), 1);
    assertEquals(read(c.IPPROTO_TCP, c.TCP_KEEPIDLE), 11);
    assertEquals(read(c.IPPROTO_TCP, c.TCP_KEEPINTVL), 12);
    assertEquals(read(c.IPPROTO_TCP, c.TCP_KEEPCNT), 3);
    assertEquals(read(c.IPPROTO_TCP, c.TCP_USER_TIMEOUT), 4567);
    assertEquals(read(c.SOL_SOCKET, c.SO_SNDBUF), 100_000);
    assertEquals(read(c.SOL_SOCKET, c.SO_RCVBUF), 120_000);
    assertEquals(read(c.IPPROTO_IP, c.IP_TOS), 16);
    assertEquals(read(c.IPPROTO_IP, c.IP_TTL), 33);
  }
});

nativeTest("leaves TCP_NODELAY off when told so", async (driver) => {
  const [near, far] = await pair(driver, { nodelay: false });
  for (const { fd } of [near, far].map(handleOf)) assertEquals(getInteger(fd, c.IPPROTO_TCP, c.TCP_NODELAY), 0);
});

nativeTest("refuses options a UNIX socket does not have", async (driver) => {
  const remote: SocketAddress = { family: "unix", path: "@l7mp-nobody" };
  for (const options of [{ ttl: 3 }, { keepIdleSeconds: 3 }]) {
    await assertRejects(() => driver.connectStream(remote, options, never), ConfigError);
  }
});

nativeTest("offers a handle that reads and sends without promises", async (driver) => {
  const [near, far] = await pair(driver);
  const [from, to] = [handleOf(near), handleOf(far)];
  const buffer = to.takeBuffer(100);
  assertEquals(to.tryRead(buffer, 100), wouldBlock);
  const bytes = new TextEncoder().encode("..hello");
  assertEquals(from.trySend(bytes, 2, 7), 5);
  let count = to.tryRead(buffer, 100);
  while (count === wouldBlock) {
    await to.waitReadable();
    count = to.tryRead(buffer, 100);
  }
  assertEquals(new TextDecoder().decode(buffer.subarray(0, count)), "hello");
  to.giveBuffer(buffer);
  // Filled to the brim, the sender has to wait for its reader.
  const block = new Uint8Array(1 << 20);
  let sent = 0;
  for (let taken = 0; taken !== wouldBlock; sent += Math.max(0, taken)) {
    taken = from.trySend(block, 0, block.length);
    if (taken === wouldBlock) await new Promise((resolve) => setTimeout(resolve));
  }
  const waiting = from.waitWritable();
  for (let read = 0; read < sent;) read += (await far.read())!.length;
  await waiting;
  assert(from.trySend(block, 0, 10) > 0);
  const end = to.waitReadable();
  far.abort(new Error("enough"));
  await end;
  assertThrows(() => to.tryRead(block, 10), Error, "enough");
});

nativeTest("does not miss what follows urgent data", async (driver) => {
  const [near, far] = await pair(driver);
  const { fd } = handleOf(near);
  const send = (text: string, flags: number) => libc.send(fd, new TextEncoder().encode(text), text.length, flags);
  const oob = 1;
  send("before", 0);
  send("!", oob);
  send("after", 0);
  await near.closeWrite();
  let text = "";
  for (let bytes = await far.read(); bytes; bytes = await far.read()) text += new TextDecoder().decode(bytes);
  assertEquals(text, "beforeafter");
});

nativeTest("closes every descriptor it opened", async (driver) => {
  using descriptors = watchDescriptors();
  for (let i = 0; i < 4; i++) {
    const [near, far] = await pair(driver);
    near.abort(i % 2 ? new Error("reset") : undefined);
    far.abort();
    const socket = await driver.openDatagram({ local: anyPort }, {});
    socket.close();
    await driver.connectStream({ family: "inet", host: "127.0.0.1", port: 1 }, {}, never).catch(() => {});
    await driver.openDatagram({ local: { family: "inet", host: "8.8.8.8", port: 1 } }, {}).catch(() => {});
  }
  assert(descriptors.open.size > 0);
  await driver.close();
  assertEquals([...descriptors.open], []);
});

nativeTest("sleeps without using the processor while sockets are idle", async (driver) => {
  const [near, far] = await pair(driver);
  const reading = far.read();
  await new Promise((resolve) => setTimeout(resolve, 50));
  // Who does not sleep is busy in every window; a collection of garbage falls into one.
  let leastMs = Infinity;
  for (let window = 0; window < 4 && leastMs >= 100; window++) {
    const before = processorMs();
    await new Promise((resolve) => setTimeout(resolve, 500));
    leastMs = Math.min(leastMs, processorMs() - before);
  }
  await near.write(new Uint8Array([1]));
  assertEquals((await reading)!.length, 1);
  assertLess(leastMs, 100);
});

/**
 * Processor time of this thread so far (other test files run in others): fields 14 and 15 of its stat, in hundredths of
 * a second.
 */
function processorMs(): number {
  const fields = Deno.readTextFileSync("/proc/thread-self/stat").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

nativeTest("gives the rest of the program a turn while one stream is always ready", async (driver) => {
  const [near, far] = await pair(driver);
  const handle = handleOf(far);
  await near.write(new Uint8Array(100_000));
  await handle.waitReadable();
  const [buffer, counts] = [new Uint8Array(10), [] as number[]];
  for (let i = 0; i < 100; i++) counts.push(handle.tryRead(buffer, 10));
  assert(counts.includes(wouldBlock), "a hundred reads in one turn");
  await handle.waitReadable();
  assertEquals(handle.tryRead(buffer, 10), 10);
});

nativeTest("learns each sender's name in full, however short the one before", async (driver) => {
  const name = (suffix: string): SocketAddress => ({ family: "unix", path: `@l7mp-${Deno.pid}-${suffix}` });
  const receiver = await driver.openDatagram({ local: name("r") }, {});
  for (const suffix of ["a", "somebody-with-a-long-name", "b"]) {
    const sender = await driver.openDatagram({ local: name(suffix) }, {});
    await sender.send([{ data: new Uint8Array(1) }], receiver.local);
    assertEquals((await receiver.receive())![0]!.from.address, name(suffix));
    sender.close();
  }
});

nativeTest("gives a path the permissions of the umask where none are asked for", async () => {
  const folder = await Deno.makeTempDir({ prefix: "l7mp-native-" });
  try {
    // The mask is that of the process, which other tests share.
    const seen = await evaluated(
      "openNativeDriver",
      new URL("./mod.ts", import.meta.url),
      `
      const driver = openNativeDriver();
      const path = ${JSON.stringify(`${folder}/socket`)};
      Deno.umask(0o027);
      const listener = await driver.listenStream({ family: "unix", path }, { backlog: 1 });
      console.log(((await Deno.lstat(path)).mode & 0o777).toString(8), Deno.umask().toString(8));
      listener.close();
      driver.close();`,
    );
    assertEquals(seen, "750 27\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("adopts both ends of a pipe: back-pressure, end, and a reader that has gone", async (driver) => {
  const folder = await Deno.makeTempDir({ prefix: "l7mp-native-" });
  try {
    const path = `${folder}/fifo`;
    driver.mkfifo(path, 0o600);
    const open = (): [ByteStream, ByteStream] => {
      const input = libc.open(cString(path), c.O_RDONLY | c.O_NONBLOCK, 0);
      const output = libc.open(cString(path), c.O_WRONLY, 0);
      assertEquals(driver.descriptorKind(input), "pipe");
      const adopt = (fd: number, direction: "read" | "write") =>
        driver.adoptDescriptor(fd, { name: `FD:${direction}`, direction, keepOpen: false }) as ByteStream;
      return [adopt(input, "read"), adopt(output, "write")];
    };
    const [reader, writer] = open();
    const sent = new Uint8Array(300_000).map((_, i) => i);
    let written = false;
    const writing = writer.write(sent).then(() => written = true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert(!written, "a pipe does not hold 300000 bytes");
    let at = 0;
    for (; at < sent.length;) {
      for (const byte of (await reader.read())!) assertEquals(byte, sent[at++]);
    }
    await writing;
    await writer.closeWrite();
    await writer.closeWrite();
    assertEquals(await reader.read(), null);
    await assertRejects(() => writer.write(sent), StreamError, "FD:write");
    writer.abort();
    reader.abort();

    const [gone, lonely] = open();
    gone.abort();
    await assertRejects(() => lonely.write(sent), StreamError, "write(FD:write): Broken pipe");
    lonely.abort();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("lends an inherited connection to several streams, and neither shuts nor resets it", async (driver) => {
  const listener = await driver.listenStream(anyPort, { backlog: 1 });
  const [near, far] = await Promise.all([
    driver.connectStream(listener.local, {}, never),
    listener.accept(),
  ]);
  listener.close();
  const { fd } = near as ByteSocket;
  const options = { name: `FD ${fd}`, direction: "both", keepOpen: true, shared: true } as const;
  assertThrows(() => driver.adoptDescriptor(fd, options), ConnectError, "Bad file descriptor");
  // As one that was open before the program began.
  libc.fcntl(fd, c.F_SETFD, 0);
  const [one, two, three] = [1, 2, 3].map(() => driver.adoptDescriptor(fd, options) as ByteStream);
  await one!.write(bytesOf("1"));
  await one!.closeWrite();
  one!.abort();
  await two!.write(bytesOf("2"));
  two!.abort(new Error("cut"));
  assertEquals(getInteger(fd, c.SOL_SOCKET, c.SO_LINGER), 0);
  await three!.write(bytesOf("3"));
  three!.abort();
  await near.write(bytesOf("4"));
  near.abort();
  assertEquals(textOf(await readAll(far!)), "1234");
  far!.abort();
});

Deno.test({
  name: "native driver lets the process end when no socket is left",
  ignore: libcFailure !== undefined,
  async fn() {
    const seen = await evaluated(
      "openNativeDriver",
      new URL("./mod.ts", import.meta.url),
      `
      const driver = openNativeDriver();
      for (let i = 0; i < 2; i++) {
        const socket = await driver.openDatagram({ local: { family: "inet", host: "127.0.0.1", port: 0 } }, {});
        const receiving = socket.receive();
        await new Promise((resolve) => setTimeout(resolve, 20)); // the wait is in its thread now
        socket.close();
        console.log(await receiving);
      }`,
    );
    assertEquals(seen, "null\nnull\n");
  },
});

nativeTest("lingers for a peer that does not read without holding up anybody else", async (driver) => {
  using descriptors = watchDescriptors();
  // A close that waits stops the program every time, a busy machine hardly.
  let longestMs = Infinity;
  for (let i = 0; i < 4 && longestMs >= 700; i++) {
    const [near, far] = await pair(driver, { lingerSeconds: 1, sndbuf: 20_000, rcvbuf: 20_000 });
    const { fd } = handleOf(near);
    let sent = false;
    near.write(new Uint8Array(1_000_000)).then(() => sent = true, () => {});
    const start = performance.now();
    near.abort();
    assertEquals(sent, false);
    longestMs = 0;
    for (let last = start; descriptors.open.has(fd);) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      longestMs = Math.max(longestMs, performance.now() - last);
      last = performance.now();
    }
    const totalMs = performance.now() - start;
    far.abort();
    assert(totalMs > 900, `closed after ${totalMs} ms`);
  }
  assertLess(longestMs, 700, "closing stopped the program");
});

nativeTest("lingers for longer than a timer of the runtime can wait", async (driver) => {
  const [near, far] = await pair(driver, { lingerSeconds: 3_000_000, sndbuf: 20_000, rcvbuf: 20_000 });
  near.write(new Uint8Array(1_000_000)).catch(() => {});
  near.abort();
  await new Promise((resolve) => setTimeout(resolve, 50));
  let received = 0;
  for (let bytes = await far.read(); bytes; bytes = await far.read()) received += bytes.length;
  far.abort();
  assertEquals(received, 1_000_000);
});
