// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { endAtByte, endAtEmpty, ignoreEnd, limitBytes, limitMessages, shutBy } from "./ends.ts";
import { delegateBytes } from "./delegate.ts";
import { bytePair, datagramPair } from "./memory.ts";
import type { ByteStream, DatagramStream } from "./stream.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);

/** A byte stream that gives these blocks, `null` meaning an end, and after them ends. */
function scripted(blocks: (string | null)[]): ByteStream {
  const [stream] = bytePair();
  return delegateBytes(stream, {
    read: () => {
      const next = blocks.shift() ?? null;
      return Promise.resolve(next === null ? null : encode(next));
    },
  });
}

Deno.test("ignoreEnd() reads on after an end", async () => {
  const stream = ignoreEnd(scripted(["one", null, null, "two"]), 1) as ByteStream;
  assertEquals(decode(await stream.read()), "one");
  assertEquals(decode(await stream.read()), "two");
  stream.abort();
});

Deno.test("ignoreEnd() stops looking when the stream is aborted", async () => {
  const stream = ignoreEnd(scripted([]), 60_000) as ByteStream;
  const reading = stream.read();
  stream.abort();
  assertEquals(await reading, null);
});

Deno.test("endAtEmpty() takes an empty datagram as the end and delivers what came before", async () => {
  const [peer, end] = datagramPair();
  const stream = endAtEmpty(end);
  await peer.send(["a", "", "b"].map((text) => ({ data: encode(text) })));
  assertEquals((await stream.receive())?.map(({ data }) => decode(data)), ["a"]);
  assertEquals(await stream.receive(), null);
});

Deno.test("endAtByte() ends a byte stream where the byte stands", async () => {
  const stream = endAtByte(scripted(["ab", "c!d", "e"]), 0x21) as ByteStream;
  assertEquals([decode(await stream.read()), decode(await stream.read()), await stream.read()], ["ab", "c", null]);
  assertEquals(await (endAtByte(scripted(["!a"]), 0x21) as ByteStream).read(), null);
});

Deno.test("endAtByte() ends a datagram stream where the byte stands", async () => {
  const [peer, end] = datagramPair();
  await peer.send(["a", "b!c", "d"].map((text) => ({ data: encode(text) })));
  const stream = endAtByte(end, 0x21) as DatagramStream;
  assertEquals((await stream.receive())?.map(({ data }) => decode(data)), ["a", "b"]);
  assertEquals(await stream.receive(), null);
});

Deno.test("limitBytes() ends a byte stream after the limit", async () => {
  const stream = limitBytes(scripted(["abc", "def"]), 4) as ByteStream;
  assertEquals([decode(await stream.read()), decode(await stream.read()), await stream.read()], ["abc", "d", null]);
});

Deno.test("limitBytes() ends a datagram stream after the limit", async () => {
  const [peer, end] = datagramPair();
  await peer.send([{ data: encode("abc") }, { data: encode("def") }, { data: encode("g") }]);
  const stream = limitBytes(end, 4) as DatagramStream;
  assertEquals((await stream.receive())?.map(({ data }) => decode(data)), ["abc", "d"]);
  assertEquals(await stream.receive(), null);
});

Deno.test("limitMessages() ends after one message", async () => {
  const [peer, end] = datagramPair();
  await peer.send([{ data: encode("a") }, { data: encode("b") }]);
  const stream = limitMessages(end) as DatagramStream;
  assertEquals((await stream.receive())?.map(({ data }) => decode(data)), ["a"]);
  assertEquals(await stream.receive(), null);
});

Deno.test("limitMessages() of bytes ends after one block, which is no larger than asked for", async () => {
  const [peer, end] = bytePair();
  await peer.write(encode("abc"));
  const stream = limitMessages(end, 2) as ByteStream;
  assertEquals(decode(await stream.read()), "ab");
  assertEquals(await stream.read(), null);
});

Deno.test("shutBy() none leaves the writing half open", async () => {
  const [peer, end] = bytePair();
  const stream = shutBy(end, "none") as ByteStream;
  await stream.closeWrite();
  await stream.write(encode("still open"));
  assertEquals(decode(await peer.read()), "still open");
});

Deno.test("shutBy() close ends the reading half too, as an end and not an error", async () => {
  const [peer, end] = bytePair();
  const stream = shutBy(end, "close") as ByteStream;
  const reading = stream.read();
  await stream.closeWrite();
  assertEquals(await reading, null);
  await assertRejects(() => peer.write(encode("x")));
});

Deno.test("shutBy() null sends one empty datagram", async () => {
  const [peer, end] = datagramPair();
  const stream = shutBy(end, "null");
  await stream.closeWrite();
  await stream.closeWrite();
  assertEquals((await peer.receive())?.map(({ data }) => data.length), [0]);
  assertEquals(await peer.receive(), null);
});

Deno.test("ignoreEnd() lets go of the pause between two reads when it is aborted", async () => {
  const [near, far] = bytePair();
  await far.closeWrite();
  const stream = ignoreEnd(near, 3_600_000) as ByteStream;
  const reading = stream.read();
  await new Promise((resolve) => setTimeout(resolve));
  stream.abort();
  assertEquals(await reading.catch(() => null), null);
  far.abort();
});

Deno.test("shutBy() sends an empty datagram only for shut-null", async () => {
  for (const [how, messages] of [["close", 0], ["null", 1], ["none", 0]] as const) {
    const [near, far] = datagramPair();
    await shutBy(near, how).closeWrite();
    near.abort();
    const batch = await far.receive();
    assertEquals([how, batch?.length ?? 0], [how, messages]);
  }
});
