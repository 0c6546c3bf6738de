// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { ConfigError, StreamError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import type { ByteStream, DatagramStream } from "../lib/stream/stream.ts";
import { localContext } from "../tests/support/local_context.ts";
import { bytesOf, readAll, textOf } from "../tests/support/streams.ts";
import { discard } from "./discard.ts";
import { random, zero } from "./endless.ts";
import { literal, reply } from "./literal.ts";
import { stall } from "./stall.ts";
import { text } from "./text.ts";

async function start<T>(protocol: Protocol<T>, document: Record<string, unknown> = {}) {
  return await protocol.connect!(protocol.spec.parse(document, ""), localContext());
}

Deno.test("DISCARD swallows everything and ends at once", async () => {
  const stream = await start(discard) as DatagramStream;
  assertEquals(await stream.receive(), null);
  await stream.send([{ data: bytesOf("gone") }]);
  await stream.closeWrite();
  assertEquals([await stream.receive(), stream.dropped], [null, 0]);
  const reason = new StreamError("on purpose");
  stream.abort(reason);
  assertStrictEquals(await stream.send([]).catch((error) => error), reason);
});

Deno.test("LITERAL gives its text once as one message, then the end", async () => {
  const stream = await start(literal, { text: "a\nb" }) as DatagramStream;
  assertEquals((await stream.receive())!.map(({ data }) => textOf(data)), ["a\nb"]);
  await stream.send([{ data: bytesOf("ignored") }]);
  assertEquals(await stream.receive(), null);
  stream.abort();
});

Deno.test("LITERAL gives an empty message for an empty text", async () => {
  const stream = await start(literal, { text: "" }) as DatagramStream;
  assertEquals((await stream.receive())!.map(({ data }) => data.length), [0]);
});

Deno.test("LITERAL option base64 decodes, and refuses what is not base64 before anything opens", async () => {
  const stream = await start(literal, { text: "AP8K", base64: true }) as DatagramStream;
  assertEquals(Array.from((await stream.receive())![0]!.data), [0, 255, 10]);
  const bad = literal.spec.parse({ text: "!", base64: true }, "");
  assertThrows(() => literal.check!(bad, { role: "local", direction: "both" }), ConfigError, '"!" is not base64');
});

Deno.test("REPLY answers every message with its own, in kind, and all of them before the end", async () => {
  const stream = await start(reply, { text: "AP8K", base64: true }) as DatagramStream;
  await stream.send([{ data: bytesOf("a"), meta: { type: "text" } }, { data: bytesOf("") }]);
  await stream.send([{ data: bytesOf("c") }]);
  await stream.closeWrite();
  const answer = { data: new Uint8Array([0, 255, 10]) };
  assertEquals(await stream.receive(), [{ ...answer, meta: { type: "text" } }, answer, answer]);
  assertEquals([await stream.receive(), stream.dropped], [null, 0]);
  const bad = reply.spec.parse({ text: "!", base64: true }, "");
  assertThrows(() => reply.check!(bad, { role: "local", direction: "both" }), ConfigError, '"!" is not base64');
});

Deno.test("REPLY holds a sender back that takes no answers", async () => {
  const stream = await start(reply, { text: "x".repeat(40_000) }) as DatagramStream;
  const question = [{ data: bytesOf("?") }];
  await stream.send(question);
  let taken = false;
  const second = stream.send(question).then(() => taken = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(taken, false);
  assertEquals((await stream.receive())!.length, 1);
  await second;
  assertEquals((await stream.receive())!.length, 1);
  stream.abort();
});

Deno.test("TEXT gives its text, then the end", async () => {
  const long = "hi there ".repeat(20_000);
  const stream = await start(text, { text: long }) as ByteStream;
  assertEquals(textOf(await readAll(stream)), long);
  stream.abort();
});

Deno.test("STALL stays pending until it is aborted", async () => {
  const stream = await start(stall) as ByteStream;
  const reason = new StreamError("on purpose");
  const pending = [stream.read(), stream.write(bytesOf("x"))].map((p) => p.catch((error) => error));
  const first = await Promise.race([...pending, new Promise((resolve) => setTimeout(resolve, 0, "pending"))]);
  assertEquals(first, "pending");
  await stream.closeWrite();
  stream.abort(reason);
  assertEquals(await Promise.all(pending), [reason, reason]);
});

Deno.test("ZERO gives zeros whatever becomes of them, RANDOM never the same; both swallow what is written", async () => {
  const zeros = await start(zero) as ByteStream;
  // Blocks grow, and then are lent again.
  for (let i = 0; i < 8; i++) {
    const lent = (await zeros.read())!;
    assert(lent.length > 0 && lent.every((byte) => byte === 0));
    lent.fill(1);
  }
  const noise = await start(random) as ByteStream;
  // The longest block too is random from one end to the other.
  const blocks = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const lent = (await noise.read())!;
    for (const part of [lent.subarray(0, 32), lent.subarray(-32)]) blocks.add(part.toHex());
  }
  assertEquals(blocks.size, 8);
  for (const stream of [zeros, noise]) {
    await stream.write(new Uint8Array(1 << 20));
    await stream.closeWrite();
    assert(await stream.read());
    const reason = new StreamError("on purpose");
    const pending = stream.read().catch((error) => error);
    stream.abort(reason);
    assertStrictEquals(await pending, reason);
  }
});

Deno.test("ZERO and RANDOM let timers fire while somebody reads as fast as they give", async () => {
  for (const protocol of [zero, random]) {
    const stream = await start(protocol) as ByteStream;
    let fired = false;
    setTimeout(() => fired = true, 1);
    for (let reads = 0; !fired && reads < 100_000; reads++) await stream.read();
    assert(fired, protocol.name);
    stream.abort();
  }
});
