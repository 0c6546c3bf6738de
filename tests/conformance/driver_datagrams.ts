/** Of `Driver`: datagram sockets. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ConfigError, StreamError } from "../../lib/errors.ts";
import type { SocketAddress } from "../../lib/stream/stream.ts";
import { bytesOf, patternBytes, textOf } from "../support/streams.ts";
import {
  abstractName,
  anyPort,
  codeOf,
  datagrams,
  nobody,
  receive,
  rejection,
  type Test,
  unixPath,
} from "./driver_scene.ts";

export const datagramTests: Readonly<Record<string, Test>> = {
  "an IPv6 receiver takes no IPv4 when told so": async (scene) => {
    const receiver = await datagrams(scene, { local: { family: "inet6", host: "::", port: 0 } }, { v6only: true });
    assert(receiver.local.family === "inet6");
    // The same port of the other version is free.
    await datagrams(scene, { local: { family: "inet", host: "0.0.0.0", port: receiver.local.port } });
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
    const near = await datagrams(scene, { remote: nobody });
    await near.send([{ data: bytesOf("anybody?") }]);
    const error = await rejection(near.receive());
    assertEquals(codeOf(error), "ECONNREFUSED");
    assertMatch(error.message, /^read\(AF=2 127\.0\.0\.1:\d+\): Connection refused/);
    const again = near.receive();
    near.close();
    assertEquals(await again, null);
  },
  "UDP tells the reader of a refusal that its sender came upon first": async (scene) => {
    const near = await datagrams(scene, { remote: nobody });
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
};
