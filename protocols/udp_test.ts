// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Driver } from "../lib/driver.ts";
import { ConfigError, ConnectError } from "../lib/errors.ts";
import type { Incoming } from "../lib/protocol.ts";
import { parseNet } from "../lib/stream/net_range.ts";
import type { DatagramStream, IpAddress, SocketAddress } from "../lib/stream/stream.ts";
import { fakeDriver, ip, packet, peer, testContext, texts } from "../tests/support/fake_driver.ts";
import { udp, udpDatagram, udpRecv, udpRecvfrom, udpSendto } from "./udp.ts";

const [a, b] = [peer(2, 1000), peer(3, 2000)];
const toA = { address: "127.0.0.2", port: 1000 };

async function connected(protocol: typeof udpSendto | typeof udpRecv, spec: Record<string, unknown>) {
  let options: Parameters<Driver["openDatagram"]>[1] = {};
  const driver = fakeDriver({ openDatagram: (_target, given) => void (options = given) });
  const context = testContext(driver);
  const stream = await protocol.connect!(protocol.spec.parse(spec, "") as never, context) as DatagramStream;
  return { stream, socket: driver.datagramSockets[0]!, options, lines: context.lines };
}

Deno.test("UDP connects its socket, from sourceport, and says so", async () => {
  const { socket, stream, lines } = await connected(udp as typeof udpSendto, { ...toA, sourceport: 53, ttl: 3 });
  assertEquals(socket.target.remote, a.address);
  assertEquals(socket.target.local, { family: "inet", host: "0.0.0.0", port: 53 });
  assertEquals(lines, [
    "N opening connection to AF=2 127.0.0.2:1000",
    "N successfully connected from local address AF=2 0.0.0.0:53",
  ]);
  assertEquals(stream.maxDatagramBytes, 65507);
  stream.abort();
  assertEquals(socket.closed, true);
});

Deno.test("UDP tells of a datagram that does not fit, once a minute", async () => {
  const { socket, stream, lines } = await connected(udp as typeof udpSendto, toA);
  socket.target.onDrop!("Message too long", 70000);
  socket.target.onDrop!("Message too long", 70001);
  assertEquals(lines.slice(2), ["W datagram of 70000 bytes does not fit UDP (65507), dropped"]);
  stream.abort();
});

Deno.test("UDP-SENDTO hears only its peer and sends to it", async () => {
  const { socket, stream } = await connected(udpSendto, toA);
  assertEquals(socket.target.remote, undefined);
  await socket.deliver([packet(b, "stranger")]);
  await socket.deliver([packet(b, "stranger"), packet(a, "1"), packet(b, "stranger"), packet(a, "2")]);
  assertEquals(texts(await stream.receive()), ["1", "2"]);
  await stream.send([packet(a, "x")]);
  await stream.closeWrite();
  await stream.send([packet(a, "y")]);
  assertEquals(socket.sent, [{ text: "x", to: a.address }, { text: "y", to: a.address }]);
  stream.abort();
});

Deno.test("UDP-DATAGRAM hears anybody in range, and checks the port only with sourceport or lowport", async () => {
  const range = ["127.0.0.2/32", "127.0.0.3/32"];
  const open = await connected(udpDatagram, { ...toA, bind: ":7", range, broadcast: true });
  assertEquals(open.socket.target.local, { family: "inet", host: "0.0.0.0", port: 7 });
  assertEquals(open.options.broadcast, true);
  await open.socket.deliver([packet(a, "1"), packet(b, "2"), packet(peer(9, 1000), "out of range")]);
  assertEquals(texts(await open.stream.receive()), ["1", "2"]);
  open.stream.abort();
  const narrow = await connected(udpDatagram, { ...toA, sourceport: 2000 });
  assertEquals(narrow.socket.target.local, { family: "inet", host: "0.0.0.0", port: 0 });
  await narrow.socket.deliver([packet(a, "1"), packet(b, "2")]);
  assertEquals(texts(await narrow.stream.receive()), ["2"]);
  narrow.stream.abort();
  const low = await connected(udpDatagram, { ...toA, lowport: true });
  assertEquals(low.socket.target.local, { family: "inet", host: "0.0.0.0", port: 0 });
  await low.socket.deliver([packet(peer(3, 1024), "1"), packet(peer(3, 1023), "2")]);
  assertEquals(texts(await low.stream.receive()), ["2"]);
  low.stream.abort();
});

Deno.test("UDP and UDP-SENDTO take with lowport a port that only privileged programs can have", async () => {
  for (const protocol of [udp as typeof udpSendto, udpSendto]) {
    const { socket, stream } = await connected(protocol, { ...toA, lowport: true });
    const { port } = socket.target.local as IpAddress;
    assert(port >= 640 && port <= 1023, String(port));
    stream.abort();
  }
});

Deno.test("UDP-RECV hears anybody in range", async () => {
  const { socket, stream } = await connected(udpRecv, { port: 5, range: "127.0.0.3" });
  await socket.deliver([packet(a, "no"), packet(b, "yes")]);
  assertEquals(texts(await stream.receive()), ["yes"]);
  const pending = assertRejects(() => stream.receive(), Error, "enough");
  stream.abort(new Error("enough"));
  await pending;
});

Deno.test("UDP-RECVFROM makes a session of each datagram, whose answers go to its sender", async () => {
  const driver = fakeDriver();
  const spec = udpRecvfrom.spec.parse({ port: 5, range: ["127.0.0.0/30"] }, "");
  const listener = await udpRecvfrom.listen!(spec, testContext(driver));
  const socket = driver.datagramSockets[0]!;
  await socket.deliver([packet(a, "1"), packet(peer(9, 9), "out of range"), packet(b, "2"), packet(a, "3")]);
  const callers = listener[Symbol.asyncIterator]();
  const streams: DatagramStream[] = [];
  for (const expected of ["1", "2", "3"]) {
    const { value } = await callers.next();
    const stream = await (value as Incoming).accept(new AbortController().signal) as DatagramStream;
    assertEquals(texts(await stream.receive()), [expected]);
    assertEquals(await stream.receive(), null);
    streams.push(stream);
  }
  const pending = callers.next();
  await listener[Symbol.asyncDispose]();
  assertEquals((await pending).done, true);
  await streams[1]!.send([packet(a, "answer 1"), packet(a, "answer 2")]);
  assertEquals(socket.sent.map(({ text, to }) => [text, (to as typeof b).key]), [
    ["answer 1", b.key],
    ["answer 2", b.key],
  ]);
  for (const stream of streams) stream.abort();
  assertEquals(socket.closed, true);
});

Deno.test("UDP tries the next address when one cannot be reached", async () => {
  const v6: SocketAddress = { family: "inet6", host: "2001:db8::1", port: 0 };
  const driver = fakeDriver({
    names: { both: [v6, ip(2, 0)] },
    openDatagram({ remote }) {
      if (remote?.family === "inet6") throw new ConnectError("connect(AF=10 [2001:db8::1]:7): Network is unreachable");
    },
  });
  const context = testContext(driver, { ipVersion: 6 });
  const stream = await udp.connect!(udp.spec.parse({ address: "both", port: 7 }, ""), context);
  assertEquals(stream.info.remote, ip(2, 7));
  assertEquals(context.lines[1], "N connect(AF=10 [2001:db8::1]:7): Network is unreachable");
  stream.abort();
});

Deno.test("UDP reads multicast options and passes them to the driver", async () => {
  const { fields } = udpDatagram.spec;
  const text = (key: string, value: string) => fields[key]!.print(fields[key]!.fromText(value, key));
  const spec = {
    ...toA,
    ip_add_membership: text("ip_add_membership", "239.1.2.3:127.0.0.1"),
    ip_add_source_membership: text("ip_add_source_membership", "232.1.2.3:lo:192.0.2.1"),
    ip_multicast_if: "127.0.0.1",
    ip_multicast_loop: false,
    ip_multicast_ttl: 4,
  };
  const { options, stream } = await connected(udpDatagram, spec);
  assertEquals(options.memberships, [
    { group: "239.1.2.3", interface: "127.0.0.1" },
    { group: "232.1.2.3", interface: "lo", source: "192.0.2.1" },
  ]);
  assertEquals([options.multicastInterface, options.multicastLoop, options.multicastTtl], ["127.0.0.1", false, 4]);
  assertEquals(text("ip_add_membership", "[ff02::1]:eth0"), ["[ff02::1]:eth0"]);
  assertThrows(() => text("ip_add_source_membership", "232.1.2.3:lo"), ConfigError, "group:interface:source");
  stream.abort();
});

Deno.test("udp-server: implies fork, and UDP-RECV is for reading only", () => {
  const server = udp.types.find(({ names }) => names.includes("UDP-SERVER"))!;
  assertEquals(server.implies, { fork: true });
  assertEquals(udpRecv.types.map(({ direction }) => direction), ["read", "read", "read"]);
  assertEquals(udpRecv.spec.parse({ range: ["10.0.0.0/8"] }, "").range, [parseNet("10.0.0.0/8")]);
});
