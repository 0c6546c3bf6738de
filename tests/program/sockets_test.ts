// The socket plug-ins over both drivers: what the conformance suite, which knows streams only, does not ask.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { ConfigError, ConnectError, StreamError } from "../../lib/errors.ts";
import type { Context, Incoming, Listener, Protocol } from "../../lib/protocol.ts";
import type { ByteStream, Datagram, DatagramStream, SocketAddress, Stream } from "../../lib/stream/stream.ts";
import { tcp } from "../../protocols/tcp.ts";
import { udp, udpDatagram, udpRecv, udpRecvfrom, udpSendto } from "../../protocols/udp.ts";
import { unix, unixClient } from "../../protocols/unix.ts";
import { unixRecv, unixRecvfrom, unixSendto } from "../../protocols/unix_datagram.ts";
import { closedPort, noIpv6 } from "../support/machine.ts";
import { driverTest, openDriver } from "../support/drivers.ts";
import { testContext } from "../support/fake_driver.ts";

const never = new AbortController().signal;
const loopback = { bind: "127.0.0.1", port: 0 };

// The plug-ins of these tests have different specs.
// deno-lint-ignore no-explicit-any
type AnyProtocol = Protocol<any>;

const listen = (protocol: AnyProtocol, spec: Record<string, unknown>, context: Context) =>
  protocol.listen!(protocol.spec.parse(spec, ""), context);

const connect = <S extends Stream>(protocol: AnyProtocol, spec: Record<string, unknown>, context: Context) =>
  protocol.connect!(protocol.spec.parse(spec, ""), context) as Promise<S>;

async function accept<S extends Stream>(listener: Listener): Promise<S> {
  const { value } = await listener[Symbol.asyncIterator]().next();
  return await (value as Incoming).accept(never) as S;
}

function portOf(address: SocketAddress): number {
  assert(address.family !== "unix");
  return address.port;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const datagrams = (...payloads: string[]): Datagram[] => payloads.map((text) => ({ data: bytes(text) }));

async function readAll(stream: ByteStream): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for (let block; (block = await stream.read()) !== null;) text += decoder.decode(block, { stream: true });
  return text;
}

/** Receives until `count` datagrams have come. */
async function receive(stream: DatagramStream, count: number): Promise<string[]> {
  const got: string[] = [];
  while (got.length < count) {
    const batch = await stream.receive();
    if (batch === null) break;
    got.push(...batch.map(({ data }) => new TextDecoder().decode(data)));
  }
  return got;
}

async function halfClosesBothWays(client: ByteStream, server: ByteStream): Promise<void> {
  await client.write(bytes("question"));
  await client.closeWrite();
  assertEquals(await readAll(server), "question");
  await server.write(bytes("answer"));
  await server.closeWrite();
  assertEquals(await readAll(client), "answer");
  client.abort();
  server.abort();
}

driverTest("TCP answers after a half-close, and tells who connects to whom", async ({ context }) => {
  await using listener = await listen(tcp, loopback, context);
  const port = portOf(listener.address);
  const client = await connect<ByteStream>(tcp, { address: "127.0.0.1", port }, context);
  const server = await accept<ByteStream>(listener);
  const from = portOf(server.info.remote!);
  assertEquals(server.info.protocol, "TCP");
  assertEquals(portOf(client.info.local!), from);
  await halfClosesBothWays(client, server);
  assertEquals(context.lines.slice(0, 4), [
    `N listening on AF=2 127.0.0.1:${port}`,
    `N opening connection to AF=2 127.0.0.1:${port}`,
    `N successfully connected from local address AF=2 127.0.0.1:${from}`,
    `N accepting connection from AF=2 127.0.0.1:${from} on AF=2 127.0.0.1:${port}`,
  ]);
});

driverTest("TCP names the address that refused", async ({ context }) => {
  const spec = { address: "127.0.0.1", port: closedPort };
  const error = await assertRejects(() => connect(tcp, spec, context), ConnectError);
  assertEquals(error.message, `connect(AF=2 127.0.0.1:${closedPort}): Connection refused`);
  assertEquals([error.code, error.retryable], ["ECONNREFUSED", true]);
});

driverTest("TCP names a host that does not exist", async ({ context }) => {
  const error = await assertRejects(
    () => connect(tcp, { address: "nonexist.invalid", port: 1 }, context),
    ConnectError,
  );
  assertMatch(error.message, /^getaddrinfo\("nonexist\.invalid"\): /);
});

/** How the owner of an address is told where it is this process. */
const ownName = Deno.build.os === "linux" ? `; pid ${Deno.pid} (deno)` : "";

driverTest("TCP-LISTEN refuses a port in use and leaves its owner alone", async ({ context }) => {
  await using listener = await listen(tcp, loopback, context);
  const port = portOf(listener.address);
  const error = await assertRejects(() => listen(tcp, { ...loopback, port }, context), ConnectError);
  assertEquals(error.message, `bind(AF=2 127.0.0.1:${port}): Address already in use${ownName}`);
  const client = await connect<ByteStream>(tcp, { address: "127.0.0.1", port }, context);
  await halfClosesBothWays(client, await accept(listener));
});

driverTest("TCP-LISTEN can take its port again at once after connections", async ({ context }) => {
  const listener = await listen(tcp, loopback, context);
  const port = portOf(listener.address);
  const client = await connect<ByteStream>(tcp, { address: "127.0.0.1", port }, context);
  const server = await accept<ByteStream>(listener);
  // The side that closes first keeps the port in TIME_WAIT.
  await server.closeWrite();
  await readAll(client);
  await client.closeWrite();
  await readAll(server);
  server.abort();
  client.abort();
  await listener[Symbol.asyncDispose]();
  await (await listen(tcp, { ...loopback, port }, context))[Symbol.asyncDispose]();
});

driverTest("TCP connects from the address and port asked for", async ({ context }) => {
  await using listener = await listen(tcp, loopback, context);
  const probe = await listen(tcp, { bind: "127.0.0.3", port: 0 }, context);
  const sourceport = portOf(probe.address);
  await probe[Symbol.asyncDispose]();
  const spec = { address: "127.0.0.1", port: portOf(listener.address), bind: "127.0.0.3", sourceport };
  const client = await connect<ByteStream>(tcp, spec, context);
  const server = await accept<ByteStream>(listener);
  assertEquals(server.info.remote, { family: "inet", host: "127.0.0.3", port: sourceport });
  await halfClosesBothWays(client, server);
});

driverTest("TCP takes every socket option of its own", async ({ context }) => {
  const options = {
    keepalive: true,
    keepidle: 5,
    keepintvl: 2,
    keepcnt: 3,
    rcvbuf: 65536,
    sndbuf: 65536,
    tos: 16,
    ttl: 9,
  };
  const more = { user_timeout: 5000, linger: 2, mss: 1000, nodelay: false };
  await using listener = await listen(tcp, { ...loopback, ...options, ...more, backlog: 5 }, context);
  const spec = { address: "127.0.0.1", port: portOf(listener.address), ...options, ...more };
  const client = await connect<ByteStream>(tcp, spec, context);
  await halfClosesBothWays(client, await accept(listener));
}, { skip: { portable: "the runtime has none of them" } });

driverTest("TCP6 serves IPv6 only", async ({ context }) => {
  await using listener = await listen(tcp, { pf: "ip6", address: "::1", port: 0 }, context);
  const port = portOf(listener.address);
  const client = await connect<ByteStream>(tcp, { address: "::1", port, pf: "ip6" }, context);
  const server = await accept<ByteStream>(listener);
  assertEquals(server.info.local, { family: "inet6", host: "::1", port });
  await halfClosesBothWays(client, server);
}, { skip: { native: noIpv6, portable: noIpv6 } });

driverTest("a listener ends its callers when it is closed, accepted streams live on", async ({ context }) => {
  const listener = await listen(tcp, loopback, context);
  const client = await connect<ByteStream>(tcp, { address: "127.0.0.1", port: portOf(listener.address) }, context);
  const server = await accept<ByteStream>(listener);
  const waiting = listener[Symbol.asyncIterator]().next();
  await listener[Symbol.asyncDispose]();
  assertEquals((await waiting).done, true);
  await halfClosesBothWays(client, server);
});

driverTest("a refused caller sees a plain close without data", async ({ context }) => {
  await using listener = await listen(tcp, loopback, context);
  const client = await connect<ByteStream>(tcp, { address: "127.0.0.1", port: portOf(listener.address) }, context);
  const { value } = await listener[Symbol.asyncIterator]().next();
  await value.reject(new ConnectError("no"));
  assertEquals(await client.read(), null);
  client.abort();
});

driverTest("a caller whose upstream cannot be had sees a reset, not the end of an answer", async ({ context }) => {
  await using listener = await listen(tcp, loopback, context);
  const client = await connect<ByteStream>(tcp, { address: "127.0.0.1", port: portOf(listener.address) }, context);
  await client.write(bytes("question"));
  await client.closeWrite();
  const { value } = await listener[Symbol.asyncIterator]().next();
  await value.reject(new ConnectError("Connection refused", { side: "upstream" }));
  const error = await assertRejects(() => client.read(), StreamError);
  assertEquals(error.code, "ECONNRESET");
  client.abort();
}, { skip: { portable: "the runtime has no reset" } });

driverTest("UNIX-LISTEN owns its path: mode, stale sockets, removal", async ({ context, driver, folder }) => {
  const filename = `${folder}/s`;
  const listener = await listen(unix, { filename, mode: "600" }, context);
  assertEquals(Deno.statSync(filename).mode! & 0o777, 0o600);
  const client = await connect<ByteStream>(unix, { address: filename }, context);
  const server = await accept<ByteStream>(listener);
  assertEquals([client.info.protocol, server.info.protocol], ["UnixDomainSocket", "UnixDomainSocket"]);
  await halfClosesBothWays(client, server);
  const inUse = await assertRejects(() => listen(unix, { filename, fork: true }, context), ConnectError);
  const advice = "a process listens there: end that, or choose another path";
  // The runtime has bound it under another name, by which the system knows it.
  const owner = driver.name === "native" ? ownName : "";
  assertEquals(inUse.message, `bind(AF=1 "${filename}"): Address already in use; ${advice}${owner}`);
  await listener[Symbol.asyncDispose]();
  await assertRejects(() => Deno.stat(filename), Deno.errors.NotFound);
});

driverTest("whoever has a UNIX socket's name is told by it, and a dead one's path has nobody", async (bench) => {
  const { context, folder } = bench;
  const saysOf = async (protocol: AnyProtocol, filename: string) => {
    const opening = protocol.listen
      ? listen(protocol, { filename }, context)
      : connect(protocol, { filename }, context);
    return (await assertRejects(() => opening as Promise<unknown>, ConnectError)).message.replace(/^.* in use/, "");
  };
  const name = `@l7mp-test-${crypto.randomUUID()}`;
  await using _abstract = await listen(unix, { filename: name }, context);
  assertEquals(await saysOf(unix, name), ownName);
  const path = `${folder}/r`;
  const receiver = await connect<DatagramStream>(unixRecv, { filename: path, unlink_close: false }, context);
  assertEquals(
    await saysOf(unixRecv, path),
    `; a process listens there: end that, or choose another path${ownName}`,
  );
  receiver.abort();
  assertEquals(await saysOf(unixRecv, path), "; use unlink-early");
  // Who listened at the path before it was another's has it no more.
  const former = await listen(unix, { filename: `${folder}/s`, unlink_late: true }, context);
  await Deno.writeTextFile(`${folder}/s`, "precious");
  const advice = "; what stands there is no socket: choose another path, or remove it with unlink-early";
  assertEquals(await saysOf(unix, `${folder}/s`), advice);
  await former[Symbol.asyncDispose]();
});

driverTest("unlink-early removes no folder", async ({ context, folder }) => {
  const filename = `${folder}/empty`;
  await Deno.mkdir(filename);
  const opening = () => listen(unix, { filename, unlink_early: true }, context);
  await assertRejects(opening, ConnectError, `unlink(AF=1 "${filename}"): Is a directory`);
  assert((await Deno.stat(filename)).isDirectory);
});

driverTest("who listens on a UNIX socket learns nothing of another who wants its path", async ({ context, folder }) => {
  const filename = `${folder}/s`;
  await using listener = await listen(unix, { filename }, context);
  await assertRejects(() => listen(unix, { filename }, context), ConnectError, "listens there");
  await assertRejects(() => listen(unix, { filename, unlink_stale: true }, context), ConnectError, "listens there");
  const client = await connect<ByteStream>(unix, { address: filename }, context);
  await halfClosesBothWays(client, await accept(listener));
}, { skip: { portable: "the runtime can only find out by calling" } });

driverTest("UNIX-LISTEN with fork replaces a socket file that nobody answers on, and nothing else", async (bench) => {
  const { context, folder } = bench;
  const filename = `${folder}/s`;
  const dead = await listen(unix, { filename, unlink_close: false }, context);
  await dead[Symbol.asyncDispose]();
  assert(Deno.statSync(filename).isSocket);
  const error = await assertRejects(() => connect(unix, { address: filename }, context), ConnectError);
  assertEquals(error.message, `connect(AF=1 "${filename}"): Connection refused (nobody listens; stale socket file?)`);
  await assertRejects(() => listen(unix, { filename }, context), ConnectError, "Address already in use");
  await (await listen(unix, { filename, fork: true }, context))[Symbol.asyncDispose]();
  await Deno.writeTextFile(filename, "precious");
  await assertRejects(() => listen(unix, { filename, fork: true }, context), ConnectError, "Address already in use");
  assertEquals(await Deno.readTextFile(filename), "precious");
  await (await listen(unix, { filename, unlink_early: true }, context))[Symbol.asyncDispose]();
});

driverTest("UNIX-CONNECT says when what it was to reach is no socket", async ({ context, folder }) => {
  const error = await assertRejects(() => connect(unix, { address: folder }, context), ConnectError);
  const advice = "; what stands there is no socket: GOPEN takes whatever it is";
  assertEquals(error.message, `connect(AF=1 "${folder}"): Connection refused${advice}`);
});

driverTest("UNIX-LISTEN with unlink-late leaves no path", async ({ context, folder }) => {
  const filename = `${folder}/s`;
  await using _listener = await listen(unix, { filename, unlink_late: true }, context);
  await assertRejects(() => Deno.stat(filename), Deno.errors.NotFound);
});

driverTest("abstract names need no file and are reached as @name", async ({ context }) => {
  const name = `l7mp-test-${crypto.randomUUID()}`;
  await using listener = await listen(unix, { filename: name, abstract: true }, context);
  assertEquals(listener.address, { family: "unix", path: `@${name}` });
  const client = await connect<ByteStream>(unix, { address: `@${name}` }, context);
  await halfClosesBothWays(client, await accept(listener));
});

driverTest(
  "UNIX sockets say what to do about a missing folder and a socket of another type",
  async ({ context, folder }) => {
    const filename = `${folder}/none/socket`;
    const unmade = await assertRejects(() => listen(unix, { filename }, context), ConnectError);
    assertEquals(unmade.message, `bind(AF=1 "${filename}"): No such file or directory; its folder must be there first`);
    const path = `${folder}/d`;
    const receiver = await connect<DatagramStream>(unixRecv, { filename: path }, context);
    const wrong = await assertRejects(() => connect(unix, { address: path }, context), ConnectError);
    const advice = "the socket there is of another type: UNIX-CLIENT takes streams and datagrams";
    assertEquals(wrong.message, `connect(AF=1 "${path}"): Protocol wrong type for socket; ${advice}`);
    receiver.abort();
  },
);

driverTest("UNIX-CLIENT finds out whether the socket is a stream or datagrams", async ({ context, driver, folder }) => {
  const [streamPath, datagramPath] = [`${folder}/s`, `${folder}/d`];
  await using listener = await listen(unix, { filename: streamPath }, context);
  const stream = await connect<ByteStream>(unixClient, { address: streamPath }, context);
  assertEquals(stream.kind, "byte");
  await halfClosesBothWays(stream, await accept(listener));
  const receiver = await connect<DatagramStream>(unixRecv, { filename: datagramPath }, context);
  const toWrite = { ...context, direction: driver.name === "portable" ? "write" : "both" } as const;
  const sender = await connect<DatagramStream>(unixClient, { address: datagramPath }, toWrite);
  assertEquals(sender.kind, "datagram");
  await sender.send(datagrams("x", "", "y"));
  assertEquals(await receive(receiver, 3), ["x", "", "y"]);
  sender.abort();
  receiver.abort();
  const error = await assertRejects(() => connect(unixClient, { address: `${folder}/none` }, context), ConnectError);
  const advice = "; whoever listens makes the path: start that first";
  assertEquals(error.message, `connect(AF=1 "${folder}/none"): No such file or directory${advice}`);
});

driverTest("UNIX-RECVFROM answers a sender that bound nothing", async ({ context, folder }) => {
  const filename = `${folder}/r`;
  await using listener = await listen(unixRecvfrom, { filename, fork: true }, context);
  const sender = await connect<DatagramStream>(unixSendto, { address: filename }, context);
  await sender.send(datagrams("q"));
  const session = await accept<DatagramStream>(listener);
  assertEquals(await receive(session, 2), ["q"]);
  await session.send(datagrams("a", "b"));
  assertEquals(await receive(sender, 2), ["a", "b"]);
  session.abort();
  sender.abort();
}, { skip: { portable: "the runtime sends nothing while a receive waits" } });

Deno.test("with the portable driver UNIX datagrams go one way only, and asking for both is an error", async () => {
  const driver = await openDriver("portable");
  const folder = await Deno.makeTempDir({ prefix: "l7mp-" });
  const [filename, words] = [`${folder}/r`, "cannot send and receive on one UNIX datagram socket; use --driver=native"];
  const both = testContext(driver);
  for (const protocol of [unixRecvfrom, unixSendto] as AnyProtocol[]) {
    const use = { role: "local", direction: "both", driver } as const;
    assertThrows(() => protocol.checkDriver!(protocol.spec.parse({}, ""), use), ConfigError, words);
  }
  const receiver = await connect<DatagramStream>(unixRecv, { filename }, { ...both, direction: "read" });
  await assertRejects(() => connect(unixClient, { address: filename }, both), ConfigError, words);
  const sender = await connect<DatagramStream>(unixSendto, { address: filename }, { ...both, direction: "write" });
  assertEquals(await sender.receive(), null);
  await sender.send(datagrams("x"));
  assertEquals(await receive(receiver, 1), ["x"]);
  sender.abort();
  receiver.abort();
  await driver.close();
  await Deno.remove(folder, { recursive: true });
});

driverTest("clients that read no answers cost UNIX-RECVFROM their own answers only", async ({ context, folder }) => {
  const filename = `${folder}/r`;
  await using listener = await listen(unixRecvfrom, { filename, fork: true }, context);
  const ask = async () => {
    const client = await connect<DatagramStream>(unixSendto, { address: filename }, context);
    await client.send(datagrams("q"));
    return { client, session: await accept<DatagramStream>(listener) };
  };
  const answers = Array.from({ length: 3000 }, (_, n) => String(n));
  const [left, stalled] = [await ask(), await ask()];
  // Together they fill what the system keeps for one sender, so both wait.
  const leftEnd = left.session.send(datagrams(...answers)).then(() => "sent", (error) => error.message);
  const stalledEnd = stalled.session.send(datagrams(...answers)).then(() => "sent", (error) => error.message);
  left.session.abort(new StreamError("this one is over"));
  assertEquals(await leftEnd, "this one is over");
  left.client.abort();
  assertEquals(await stalledEnd, "sent");
  stalled.client.abort();
  const other = await ask();
  await other.session.send(datagrams("a"));
  assertEquals(await receive(other.client, 1), ["a"]);
  assert(context.lines.some((line) => /^W datagram to its sender dropped: /.test(line)));
  for (const stream of [stalled.session, other.client, other.session]) stream.abort();
}, { skip: { portable: "the runtime waits for a full receiver without limit" } });

driverTest("UNIX-SENDTO removes the path it bound", async ({ context, folder }) => {
  const receiver = await connect<DatagramStream>(unixRecv, { filename: `${folder}/r`, mode: "600" }, context);
  assertEquals(Deno.statSync(`${folder}/r`).mode! & 0o777, 0o600);
  const spec = { address: `${folder}/r`, bind: `${folder}/c` };
  const sender = await connect<DatagramStream>(unixSendto, spec, { ...context, direction: "write" });
  assert(Deno.statSync(`${folder}/c`).isSocket);
  sender.abort();
  receiver.abort();
  assertEquals([...Deno.readDirSync(folder)], []);
});

driverTest("UDP-LISTEN gives each sender a session and answers from its own port", async ({ context }) => {
  await using listener = await listen(udp, { ...loopback, fork: true }, context);
  const spec = { address: "127.0.0.1", port: portOf(listener.address) };
  const clients = [
    await connect<DatagramStream>(udp, spec, context),
    await connect<DatagramStream>(udp, spec, context),
  ];
  for (const [i, client] of clients.entries()) {
    const mine = Array.from({ length: 100 }, (_, n) => `${i}:${n}`);
    await client.send(datagrams(...mine));
    const session = await accept<DatagramStream>(listener);
    assertEquals(session.info.remote, client.info.local);
    const got = await receive(session, 100);
    assertEquals(got, mine);
    await session.send(datagrams(...got));
    assertEquals(await receive(client, 100), mine);
    session.abort();
    client.abort();
  }
});

driverTest("UDP carries empty and largest datagrams, and drops what does not fit with a word", async ({ context }) => {
  await using listener = await listen(udp, { ...loopback, fork: true }, context);
  const client = await connect<DatagramStream>(udp, { address: "127.0.0.1", port: portOf(listener.address) }, context);
  const sizes = [0, 65507, 65508, 1];
  await client.send(sizes.map((size) => ({ data: new Uint8Array(size) })));
  const session = await accept<DatagramStream>(listener);
  const got: number[] = [];
  while (got.length < 3) got.push(...(await session.receive())!.map(({ data }) => data.length));
  assertEquals(got, [0, 65507, 1]);
  assertEquals(client.dropped, 1);
  const warnings = context.lines.filter((line) => line.startsWith("W"));
  assertEquals(warnings, ["W datagram of 65508 bytes does not fit UDP (65507), dropped"]);
  session.abort();
  client.abort();
});

driverTest("UDP-SENDTO, UDP-DATAGRAM, UDP-RECV and UDP-RECVFROM work together", async ({ context }) => {
  const receiver = await connect<DatagramStream>(udpRecv, loopback, context);
  await using answering = await listen(udpRecvfrom, { ...loopback, fork: true }, context);
  const sender = await connect<DatagramStream>(
    udpSendto,
    { address: "127.0.0.1", port: portOf(receiver.info.local!) },
    context,
  );
  await sender.send(datagrams("a", "b"));
  assertEquals(await receive(receiver, 2), ["a", "b"]);
  const target = { address: "127.0.0.1", port: portOf(answering.address) };
  const anybody = await connect<DatagramStream>(udpDatagram, { ...target, bind: "127.0.0.1" }, context);
  await anybody.send(datagrams("q"));
  const session = await accept<DatagramStream>(answering);
  assertEquals(await receive(session, 2), ["q"]);
  await session.send(datagrams("r"));
  assertEquals(await receive(anybody, 1), ["r"]);
  for (const stream of [receiver, sender, anybody, session]) stream.abort();
});

driverTest("UDP tells of a refusal by ICMP as an error of the stream", async ({ context }) => {
  const port = closedPort;
  const client = await connect<DatagramStream>(udp, { address: "127.0.0.1", port }, context);
  const failed = assertRejects(() => client.receive(), StreamError, "Connection refused");
  await client.send(datagrams("x"));
  const error = await failed;
  assertEquals(error.code, "ECONNREFUSED");
  assertMatch(error.message, new RegExp(`AF=2 127\\.0\\.0\\.1:${port}`));
  client.abort();
}, { skip: { portable: "the runtime does not report it" } });

driverTest("UDP says what a broadcast address needs, connected or not", async ({ context }) => {
  const spec = { address: "127.255.255.255", port: 9 };
  const advice = "Permission denied; sending to a broadcast address needs option broadcast";
  await assertRejects(() => connect(udp, spec, context), ConnectError, advice);
  const unconnected = await connect<DatagramStream>(udpDatagram, spec, context);
  await assertRejects(() => unconnected.send(datagrams("x")), StreamError, advice);
  unconnected.abort();
  const allowed = await connect<DatagramStream>(udp, { ...spec, broadcast: true }, context);
  await allowed.send(datagrams("x"));
  allowed.abort();
}, { skip: { portable: "the runtime permits it on every socket" } });

driverTest("UDP multicast reaches members that share a port", async ({ context }) => {
  const membership = { ip_add_membership: ["239.1.2.3:127.0.0.1"], reuseaddr: true };
  const first = await connect<DatagramStream>(udpRecv, { port: 0, ...membership }, context);
  const port = portOf(first.info.local!);
  const second = await connect<DatagramStream>(udpRecv, { port, ...membership }, context);
  const spec = { address: "239.1.2.3", port, ip_multicast_if: "127.0.0.1" };
  const sender = await connect<DatagramStream>(udpDatagram, spec, context);
  await sender.send(datagrams("all"));
  assertEquals([await receive(first, 1), await receive(second, 1)], [["all"], ["all"]]);
  for (const stream of [first, second, sender]) stream.abort();
});

driverTest("a datagram stream that is aborted ends its calls with the reason", async ({ context }) => {
  const stream = await connect<DatagramStream>(udpRecv, loopback, context);
  const pending = assertRejects(() => stream.receive(), StreamError, "enough");
  stream.abort(new StreamError("enough"));
  await pending;
  await assertRejects(() => stream.receive(), StreamError, "enough");
  await assertRejects(() => stream.send(datagrams("x")), StreamError, "enough");
  stream.abort();
});
