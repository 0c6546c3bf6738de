// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Driver } from "../lib/driver.ts";
import { ConfigError, ConnectError } from "../lib/errors.ts";
import { bytePair } from "../lib/stream/memory.ts";
import type { SocketAddress } from "../lib/stream/stream.ts";
import { FakeDatagramSocket, fakeDriver, packet, testContext } from "../tests/support/fake_driver.ts";
import { unix, unixClient } from "./unix.ts";
import { unixRecv, unixRecvfrom, unixSendto } from "./unix_datagram.ts";

async function listenOptions(spec: Record<string, unknown>) {
  const seen: { local: SocketAddress; options: Parameters<Driver["listenStream"]>[1] }[] = [];
  const driver = fakeDriver({
    async listenStream(local, options) {
      seen.push({ local, options });
      return { local, accept: async () => null, close: () => {} };
    },
  });
  await unix.listen!(unix.spec.parse(spec, ""), testContext(driver));
  return seen[0]!;
}

function failing(error: ConnectError) {
  return fakeDriver({
    async listenStream() {
      throw error;
    },
    async connectStream() {
      throw error;
    },
  });
}

Deno.test("UNIX-LISTEN removes a stale socket by default only with fork", async () => {
  const stale = async (spec: object) => (await listenOptions({ filename: "/s", ...spec })).options.unlinkStale;
  assertEquals(await stale({}), false);
  assertEquals(await stale({ fork: true }), true);
  assertEquals(await stale({ fork: true, unlink_stale: false }), false);
  assertEquals(await stale({ unlink_stale: true }), true);
});

Deno.test("UNIX-LISTEN passes the ownership of its path; umask is the mode's complement", async () => {
  const { options } = await listenOptions({
    filename: "/s",
    mode: "600",
    user: "root",
    group: "77",
    unlink_close: false,
  });
  assertEquals([options.mode, options.user, options.group, options.unlinkClose], [0o600, 0, 77, false]);
  assertEquals((await listenOptions({ filename: "/s", umask: "77" })).options.mode, 0o700);
  assertEquals((await listenOptions({ filename: "/s" })).options.mode, undefined);
  assertEquals((await listenOptions({ filename: "/s" })).options.backlog, 511);
});

Deno.test("UNIX names: @ and ABSTRACT types are abstract, chdir is for relative paths", async () => {
  const local = async (spec: object) => (await listenOptions({ ...spec })).local;
  assertEquals(await local({ filename: "@x" }), { family: "unix", path: "@x" });
  assertEquals(await local({ filename: "x", abstract: true }), { family: "unix", path: "@x" });
  assertEquals(await local({ filename: "x", chdir: "/d" }), { family: "unix", path: "/d/x" });
  assertEquals(await local({ filename: "/x", chdir: "/d" }), { family: "unix", path: "/x" });
  const presets = unix.types.filter(({ names }) => names[0]!.startsWith("ABSTRACT")).map(({ preset }) => preset);
  assertEquals(presets, [{ abstract: true }, { abstract: true }]);
});

Deno.test("UNIX sockets refuse a name of more than 107 bytes before anything opens", () => {
  const check = (filename: string) =>
    unix.check!(unix.spec.parse({ filename }, ""), { role: "listen", direction: "both" });
  check("x".repeat(107));
  check("@" + "x".repeat(107));
  const message = "has 108 bytes; the name of a UNIX socket has at most 107";
  assertThrows(() => check("é".repeat(54)), ConfigError, message);
  assertThrows(() => check("@" + "x".repeat(108)), ConfigError, message);
  assertThrows(() => check(""), ConfigError, "filename is missing");
});

Deno.test("UNIX sockets refuse options about a file for an abstract name", () => {
  const check = (spec: Record<string, unknown>, role: "listen" | "connect") => () =>
    unix.check!(unix.spec.parse(spec, ""), { role, direction: "both" });
  const message = 'option "mode" is about a file, and an abstract name has none';
  assertThrows(check({ filename: "@x", mode: "600" }, "listen"), ConfigError, message);
  assertThrows(check({ filename: "x", abstract: true, mode: "600" }, "listen"), ConfigError, message);
  assertThrows(check({ address: "/s", bind: "@x", unlink_early: true }, "connect"), ConfigError, '"unlink-early"');
  check({ filename: "@x", fork: true, unlink_close: true }, "listen")();
  check({ address: "@s", bind: "/c", mode: "600" }, "connect")();
});

Deno.test("UNIX sockets take reuseaddr, which means nothing to them and stands in no help", () => {
  for (const { name, spec } of [unix, unixClient, unixSendto, unixRecv, unixRecvfrom]) {
    assertEquals([name, spec.fields.reuseaddr!.fromText(undefined, "reuseaddr")], [name, true]);
    assert(spec.fields.reuseaddr!.notes.hidden);
  }
});

Deno.test("UNIX-CONNECT refuses the listener's options and takes its own end from bind", async () => {
  const spec = unix.spec.parse({ address: "/s", backlog: 5 }, "");
  assertThrows(
    () => unix.check!(spec, { role: "connect", direction: "both" }),
    ConfigError,
    'option "backlog" does not apply',
  );
  const asked: Parameters<Driver["connectStream"]>[1][] = [];
  const driver = fakeDriver({
    async connectStream(_remote, options) {
      asked.push(options);
      return bytePair()[0];
    },
  });
  const bound = unix.spec.parse({ address: "/s", bind: "@me" }, "");
  await unix.connect!(bound, testContext(driver));
  assertEquals(asked[0]?.local, { family: "unix", path: "@me" });
});

Deno.test("UNIX sockets say what to do about a socket nobody listens on", async () => {
  const spec = unix.spec.parse({ address: "/s" }, "");
  const dead = new ConnectError('connect(AF=1 "/s"): Connection refused', { code: "ECONNREFUSED" });
  await assertRejects(
    () => unix.connect!(spec, testContext(failing(dead))) as Promise<unknown>,
    ConnectError,
    "Connection refused (nobody listens; stale socket file?)",
  );
});

Deno.test("UNIX-CLIENT takes a datagram socket when the path is one, and no other error for one", async () => {
  const spec = unixClient.spec.parse({ address: "/s" }, "");
  const wrongType = failing(new ConnectError("connect: Protocol wrong type for socket", { code: "EPROTOTYPE" }));
  const stream = await unixClient.connect!(spec, testContext(wrongType));
  assertEquals(stream.kind, "datagram");
  assertEquals(wrongType.datagramSockets[0]!.target.remote, { family: "unix", path: "/s" });
  stream.abort();
  const missing = failing(new ConnectError("connect: No such file or directory", { code: "ENOENT" }));
  await assertRejects(() => unixClient.connect!(spec, testContext(missing)), ConnectError, "No such file");
  assertEquals(missing.datagramSockets.length, 0);
});

Deno.test("UNIX-RECVFROM says why a sender without a name gets no answer", async () => {
  const driver = fakeDriver();
  const listener = await unixRecvfrom.listen!(unixRecvfrom.spec.parse({ filename: "/r" }, ""), testContext(driver));
  const socket: FakeDatagramSocket = driver.datagramSockets[0]!;
  const nameless = { key: "", address: { family: "unix", path: "" } } as const;
  await socket.deliver([packet(nameless, "q")]);
  const { value } = await listener[Symbol.asyncIterator]().next();
  const stream = await value.accept(new AbortController().signal);
  await assertRejects(() => stream.send([packet(nameless, "a")]), Error, "the sender has no name to answer to");
  stream.abort();
  await listener[Symbol.asyncDispose]();
  assertEquals(socket.closed, true);
});
