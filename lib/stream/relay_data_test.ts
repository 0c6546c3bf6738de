// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import type { Step } from "../protocol.ts";
import { delegateDatagrams } from "./delegate.ts";
import { dual } from "./dual.ts";
import { bytePair, datagramPair } from "./memory.ts";
import { bytes, encode, joined, readAll, receiveAll, start } from "./_test_relay.ts";

Deno.test("relay() cuts bytes between characters for a target that takes only text", async () => {
  for (const blockBytes of [undefined, 5]) {
    const [client, downstream] = bytePair();
    const [server, upstream] = datagramPair();
    const { done } = start(downstream, delegateDatagrams(upstream, { takesText: true }), { blockBytes });
    const written = encode("a\u20ac\u20acb\u20ac");
    const parts = receiveAll(server);
    for (const part of [written.subarray(0, 3), written.subarray(3, 10), written.subarray(10)]) {
      await client.write(part);
    }
    await client.closeWrite();
    const received = await parts;
    assertEquals(received.join(""), "a\u20ac\u20acb\u20ac");
    assert(received.every((text) => !text.includes("\ufffd") && encode(text).length <= (blockBytes ?? Infinity)));
    await server.closeWrite();
    await done;
  }
});

Deno.test("relay() holds the writer back while the reader is slow", async () => {
  const { client, server, done } = joined();
  let accepted = 0;
  const writing = (async () => {
    for (let i = 0; i < 64; i++) {
      await client.write(new Uint8Array(65_536));
      accepted++;
    }
    await client.closeWrite();
  })();
  // Let everything settle that can move without a reader.
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  assert(accepted < 8, `${accepted} blocks were accepted although nobody reads`);
  let total = 0;
  for (let data = await server.read(); data; data = await server.read()) total += data.length;
  await writing;
  assertEquals(total, 64 * 65_536);
  await server.closeWrite();
  assertEquals((await done).end, "eof");
});

Deno.test("relay() turns blocks into datagrams of at most what the target takes", async () => {
  const [client, downstream] = bytePair({ capacityBytes: 1 << 20 });
  const [server, upstream] = datagramPair();
  const { done } = start(downstream, upstream, { ltr: bytes, lingerMs: 0 });
  await client.write(new Uint8Array(100_000));
  await client.closeWrite();
  const sizes: number[] = [];
  for (let batch = await server.receive(); batch; batch = await server.receive()) {
    sizes.push(...batch.map(({ data }) => data.length));
  }
  await done;
  assertEquals(sizes.reduce((a, b) => a + b), 100_000);
  assert(sizes.every((size) => size <= 65_536));
});

Deno.test("relay() concatenates datagrams for a byte stream", async () => {
  const [client, downstream] = datagramPair();
  const [server, upstream] = bytePair();
  const { done, flows } = start(downstream, upstream, { lingerMs: 0 });
  await client.send(["a", "", "bc", "d"].map((text) => ({ data: encode(text) })));
  await client.closeWrite();
  assertEquals(await readAll(server), "abcd");
  await done;
  assertEquals(flows.ltr.bytes, 4);
});

Deno.test("relay() keeps boundaries, empty datagrams and meta between datagram streams", async () => {
  const [client, downstream] = datagramPair();
  const [server, upstream] = datagramPair();
  const { done, flows } = start(downstream, upstream, { lingerMs: 0 });
  await client.send([{ data: encode("a"), meta: { type: "text" } }, { data: new Uint8Array() }]);
  const batch = await server.receive();
  assertEquals(batch?.[0]?.meta?.type, "text");
  await client.closeWrite();
  const rest = await receiveAll(server);
  await done;
  assertEquals([...batch!.map(({ data }) => data.length), ...rest.map((text) => text.length)], [1, 0]);
  assertEquals(flows.ltr.messages, 2);
});

Deno.test("relay() cuts datagrams only at an explicit blockBytes, and says so", async () => {
  const [client, downstream] = datagramPair();
  const [server, upstream] = datagramPair();
  const cut: number[] = [];
  const { done } = start(downstream, upstream, { blockBytes: 4, onCut: (n) => cut.push(n), lingerMs: 0 });
  await client.send([{ data: encode("123456") }, { data: encode("ab") }]);
  await client.closeWrite();
  assertEquals(await receiveAll(server), ["1234", "ab"]);
  await done;
  assertEquals(cut, [6]);
});

Deno.test("relay() runs steps in order, gives them their rest at the end, and closes them", async () => {
  const log: string[] = [];
  const tag = (name: string): Step => ({
    push: ({ data }, emit) => emit({ data: encode(`${name}(${new TextDecoder().decode(data)})`) }),
    end: (emit) => emit({ data: encode(`${name}.`) }),
    close: () => log.push(name),
  });
  const { client, server, done } = joined({ ltr: { steps: [tag("a"), tag("b")], payload: "byte" } });
  await client.write(encode("x"));
  await client.closeWrite();
  assertEquals(await readAll(server), "b(a(x))b(a.)b.");
  await server.closeWrite();
  await done;
  assertEquals(log, ["a", "b"]);
});

Deno.test("relay() shows the tap what it writes", async () => {
  const seen: string[] = [];
  const { client, server, done } = joined({
    ltr: { ...bytes, tap: (data) => seen.push(new TextDecoder().decode(data)) },
  });
  await client.write(encode("hello"));
  await client.closeWrite();
  await readAll(server);
  await server.closeWrite();
  await done;
  assertEquals(seen.join(""), "hello");
});

Deno.test("relay() keeps messages apart that go to a dual address which is read as bytes, and counts its drops", async () => {
  const [client, downstream] = datagramPair();
  const [source, reading] = bytePair();
  const [sink, writing] = datagramPair();
  const upstream = dual(reading, { ...writing, dropped: 3 });
  assertEquals(upstream.kind, "byte");
  const { done, flows } = start(downstream, upstream);
  await client.send([{ data: encode("one") }, { data: encode("") }, { data: encode("two") }]);
  await client.closeWrite();
  assertEquals(await receiveAll(sink), ["one", "", "two"]);
  await source.write(encode("bytes"));
  await source.closeWrite();
  assertEquals((await receiveAll(client)).join(""), "bytes");
  const { end, dropped } = await done;
  assertEquals([end, dropped], ["eof", 3]);
  assertEquals([flows.ltr, flows.rtl.bytes], [{ bytes: 6, messages: 3 }, 5]);
});

Deno.test("relay() gives bytes to a dual address which is read as messages, blocks no larger than it takes", async () => {
  const [client, downstream] = bytePair();
  const [source, reading] = datagramPair();
  const [sink, writing] = bytePair();
  const { done } = start(downstream, dual(reading, writing));
  await client.write(encode("bytes"));
  await client.closeWrite();
  assertEquals(await readAll(sink), "bytes");
  await source.send([{ data: encode("a") }, { data: encode("b") }]);
  await source.closeWrite();
  assertEquals(await readAll(client), "ab");
  assertEquals((await done).end, "eof");

  const [blocks, mixed] = bytePair({ capacityBytes: 100_000 });
  const [near, far] = datagramPair();
  const limited = start(mixed, dual(bytePair()[0], { ...far, maxDatagramBytes: 1000 }), { direction: "ltr" });
  await blocks.write(new Uint8Array(2500));
  await blocks.closeWrite();
  assertEquals((await receiveAll(near)).map(({ length }) => length), [1000, 1000, 500]);
  await limited.done;
});
