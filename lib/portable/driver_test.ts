// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import type { Driver, Packet } from "../driver.ts";
import { ConfigError, ConnectError, StreamError } from "../errors.ts";
import { formatAddress, type SocketAddress } from "../stream/stream.ts";
import { bytesOf, readAll, readBytes, textOf } from "../../tests/support/streams.ts";
import { closedPort, noIpv6 } from "../../tests/support/machine.ts";
import { openPortableDriver } from "./driver.ts";

const never = new AbortController().signal;
const anyPort: SocketAddress = { family: "inet", host: "127.0.0.1", port: 0 };

async function withDriver(run: (driver: Driver, folder: string) => Promise<void>): Promise<void> {
  const driver = openPortableDriver();
  const folder = await Deno.makeTempDir();
  try {
    await run(driver, folder);
  } finally {
    driver.close();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("openPortableDriver() refuses stream options the runtime lacks, naming option and driver", () =>
  withDriver(async (driver) => {
    const cases: [object, string][] = [
      [{ rcvbuf: 4096 }, "rcvbuf"],
      [{ ttl: 3 }, "ttl"],
      [{ keepIdleSeconds: 9 }, "keepidle"],
      [{ userTimeoutMs: 9 }, "user-timeout"],
      [{ maxSegmentBytes: 900 }, "mss"],
      [{ lingerSeconds: 0 }, "linger"],
    ];
    for (const [options, name] of cases) {
      for (
        const use of [
          () => driver.connectStream(anyPort, options, never),
          () => driver.listenStream(anyPort, { backlog: 1, ...options }),
        ]
      ) {
        const error = await assertRejects(use, ConfigError);
        assertEquals(
          error.message,
          `option "${name}" needs the system's own sockets; not available with --driver=portable`,
        );
      }
    }
    await assertRejects(() => driver.openDatagram({ local: anyPort }, { tos: 8 }), ConfigError, '"tos"');
    await assertRejects(
      () => driver.connectStream({ family: "unix", path: "@x" }, { local: { family: "unix", path: "@y" } }, never),
      ConfigError,
      '"bind"',
    );
  }));

Deno.test("openPortableDriver() calls a connection reset that was so before its addresses were asked for", () =>
  withDriver(async (driver) => {
    const { connect } = Deno;
    const reset = () => Promise.reject(new Deno.errors.NotConnected("Transport endpoint is not connected"));
    Deno.connect = reset as typeof connect;
    try {
      const remote: SocketAddress = { family: "inet", host: "127.0.0.1", port: 7 };
      const error = await assertRejects(() => driver.connectStream(remote, {}, never), ConnectError);
      assertEquals([error.message, error.code, error.retryable], [
        "connect(AF=2 127.0.0.1:7): Connection reset by peer",
        "ECONNRESET",
        true,
      ]);
    } finally {
      Deno.connect = connect;
    }
  }));

for (const [family, host, skip] of [["inet", "127.0.0.1", undefined], ["inet6", "::1", noIpv6]] as const) {
  Deno.test({
    name: `openPortableDriver() names a connection from ${host} as any other${skip ? ` (${skip})` : ""}`,
    ignore: skip !== undefined,
    fn: () =>
      withDriver(async (driver) => {
        const listener = await driver.listenStream({ family, host, port: 0 }, { backlog: 1 });
        const local: SocketAddress = { family, host, port: 0 };
        const stream = await driver.connectStream(listener.local, { local }, never);
        assertEquals(stream.info.name, formatAddress(listener.local));
        stream.abort();
        listener.close();
      }),
  });
}

Deno.test("openPortableDriver() resets a connection that was made from a local address", () =>
  withDriver(async (driver) => {
    const listener = await driver.listenStream(anyPort, { backlog: 1 });
    const local: SocketAddress = { family: "inet", host: "127.0.0.3", port: 0 };
    const [near, far] = await Promise.all([driver.connectStream(listener.local, { local }, never), listener.accept()]);
    assert(far && far.info.remote?.family === "inet");
    assertEquals(far.info.remote.host, "127.0.0.3");
    assertEquals(near.info.local, far.info.remote);
    await near.write(bytesOf("half a mess"));
    assertEquals(textOf(await readBytes(far, 11)), "half a mess");
    const reason = new StreamError("on purpose");
    const reading = near.read().catch((error) => error);
    near.abort(reason);
    assertStrictEquals(await reading, reason);
    assertEquals((await assertRejects(() => far.read(), StreamError)).code, "ECONNRESET");
  }));

Deno.test("openPortableDriver() half-closes a connection that was made from a local address", () =>
  withDriver(async (driver) => {
    const listener = await driver.listenStream(anyPort, { backlog: 1 });
    const [near, far] = await Promise.all([
      driver.connectStream(listener.local, { local: anyPort }, never),
      listener.accept(),
    ]);
    await near.write(bytesOf("question"));
    await near.closeWrite();
    assertEquals(textOf(await readAll(far!)), "question");
    await far!.write(bytesOf("answer"));
    await far!.closeWrite();
    assertEquals(textOf(await readAll(near)), "answer");
  }));

Deno.test("openPortableDriver() words a refusal alike with and without a local address", () =>
  withDriver(async (driver) => {
    const nobody: SocketAddress = { family: "inet", host: "127.0.0.1", port: closedPort };
    const expected = `connect(AF=2 127.0.0.1:${closedPort}): Connection refused`;
    for (const options of [{}, { local: anyPort }]) {
      const error = await assertRejects(() => driver.connectStream(nobody, options, never), ConnectError);
      assertEquals([error.message, error.code], [expected, "ECONNREFUSED"]);
    }
    const elsewhere: SocketAddress = { family: "inet", host: "192.0.2.1", port: 0 };
    const bound = driver.connectStream(nobody, { local: elsewhere }, never);
    const error = await assertRejects(() => bound, ConnectError);
    assertEquals(error.message, "bind(AF=2 192.0.2.1:0): Cannot assign requested address");
  }));

Deno.test("openPortableDriver() connectStream rejects with the signal's reason", () =>
  withDriver(async (driver) => {
    const reason = new StreamError("cancelled");
    for (const options of [{}, { local: anyPort }]) {
      const connecting = driver.connectStream(anyPort, options, AbortSignal.abort(reason));
      assertStrictEquals(await connecting.catch((error) => error), reason);
    }
  }));

Deno.test("openPortableDriver() sends datagrams with the options that only node:dgram has", () =>
  withDriver(async (driver) => {
    const far = await driver.openDatagram({ local: anyPort }, { rcvbuf: 100_000 });
    const near = await driver.openDatagram({ remote: far.local }, { ttl: 5, sndbuf: 100_000 });
    await near.send([{ data: bytesOf("a") }, { data: new Uint8Array(0) }, { data: new Uint8Array(65_508) }]);
    const packets: Packet[] = [];
    while (packets.length < 2) packets.push(...(await far.receive())!);
    assertEquals(packets.map(({ data }) => textOf(data)), ["a", ""]);
    assertEquals(near.dropped, 1);
    await far.send([{ data: bytesOf("back") }], packets[0]!.from);
    assertEquals(textOf((await near.receive())![0]!.data), "back");
    const receiving = near.receive();
    near.close();
    assertEquals(await receiving, null);
    await assertRejects(() => near.send([{ data: bytesOf("x") }]), StreamError, "closed");
  }));

Deno.test("openPortableDriver() a datagram socket with a target hears nobody else", () =>
  withDriver(async (driver) => {
    const [far, stranger] = [
      await driver.openDatagram({ local: anyPort }, {}),
      await driver.openDatagram({ local: anyPort }, {}),
    ];
    const near = await driver.openDatagram({ remote: far.local }, {});
    await stranger.send([{ data: bytesOf("not for you") }], near.local);
    await far.send([{ data: bytesOf("for you") }], near.local);
    assertEquals((await near.receive())!.map(({ data }) => textOf(data)), ["for you"]);
  }));

Deno.test("openPortableDriver() adoptDescriptor appends to a file, and refuses to write at a shared position", async () => {
  const file = await Deno.makeTempFile();
  const program = `
    import { openPortableDriver } from ${JSON.stringify(new URL("./driver.ts", import.meta.url).href)};
    const driver = openPortableDriver();
    const options = { name: "FD 3", direction: "write", keepOpen: false };
    try {
      const stream = driver.adoptDescriptor(3, options);
      await stream.write(new TextEncoder().encode("two"));
      stream.abort();
    } catch (error) {
      console.log(error.message);
    }`;
  const run = async (redirect: string) => {
    const args = ["-c", `echo -n one >${file}; exec "$0" eval "$1" 3${redirect}${file}`, Deno.execPath(), program];
    return textOf((await new Deno.Command("sh", { args }).output()).stdout).trim();
  };
  assertEquals(await run(">>"), "");
  assertEquals(await Deno.readTextFile(file), "onetwo");
  assertEquals(
    await run("<>"),
    "FD 3 is a file that is not open for appending; writing to it at its shared position needs the system's own " +
      "sockets; not available with --driver=portable",
  );
  assertEquals(await Deno.readTextFile(file), "one");
  await Deno.remove(file);
});

Deno.test("openPortableDriver() adoptDescriptor speaks both ways over an inherited socket", () =>
  withDriver(async (driver) => {
    const listener = await driver.listenStream(anyPort, { backlog: 1 });
    assert(listener.local.family === "inet");
    const program = `
      import { openPortableDriver } from ${JSON.stringify(new URL("./driver.ts", import.meta.url).href)};
      const driver = openPortableDriver();
      if (driver.descriptorKind(3) !== "stream-socket") throw new Error(driver.descriptorKind(3));
      const stream = driver.adoptDescriptor(3, { name: "FD 3", direction: "both", keepOpen: false });
      for (let view = await stream.read(); view; view = await stream.read()) await stream.write(view);
      await stream.closeWrite();
      stream.abort();`;
    const connect = `exec 3<>/dev/tcp/127.0.0.1/${listener.local.port}; exec "$0" eval "$1"`;
    const child = new Deno.Command("bash", { args: ["-c", connect, Deno.execPath(), program], stdin: "null" }).spawn();
    const stream = (await listener.accept())!;
    await stream.write(bytesOf("there and back"));
    await stream.closeWrite();
    assertEquals(textOf(await readAll(stream)), "there and back");
    assert((await child.status).success);
  }));

Deno.test("openPortableDriver() mkfifo honours the mode and the file mode creation mask", () =>
  withDriver(async (driver, folder) => {
    driver.mkfifo(`${folder}/p`, 0o666);
    assertEquals((await Deno.stat(`${folder}/p`)).mode! & 0o777, 0o666 & ~Deno.umask());
    assertThrows(() => driver.mkfifo(`${folder}/none/p`, 0o666), ConnectError, "No such file or directory");
  }));

Deno.test("openPortableDriver() blocks grow with the traffic", () =>
  withDriver(async (driver) => {
    const listener = await driver.listenStream(anyPort, { backlog: 1 });
    const [near, far] = await Promise.all([driver.connectStream(listener.local, {}, never), listener.accept()]);
    const sizes = new Set<number>();
    const sending = near.write(new Uint8Array(4 << 20)).then(() => near.write(new Uint8Array(10)));
    let read = 0;
    while (read < (4 << 20) + 10) {
      const view = (await far!.read())!;
      sizes.add(view.buffer.byteLength);
      read += view.length;
    }
    await sending;
    assert(Math.max(...sizes) > 65_536, "blocks never grew");
  }));

Deno.test("openPortableDriver() rejects a datagram to its own peer that is refused, and counts one to another", async () => {
  const driver = openPortableDriver();
  const local = { family: "inet", host: "127.0.0.1", port: 0 } as const;
  // Nobody can have port 0.
  const nobody = { ...local, port: 0 };
  const batch = [{ data: new Uint8Array(1) }];
  const alone = await driver.openDatagram({ local, remote: nobody }, {});
  const refused = await assertRejects(() => alone.send(batch), StreamError);
  assertEquals([refused.code, alone.dropped], ["EINVAL", 0]);
  const shared = await driver.openDatagram({ local }, {});
  await shared.send(batch, nobody);
  assertEquals(shared.dropped, 1);
  const closing = assertRejects(() => shared.send([...batch, ...batch], shared.local), StreamError);
  shared.close();
  assertEquals([(await closing).code, shared.dropped], ["CLOSED", 1]);
  await driver.close();
});
