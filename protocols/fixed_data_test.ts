// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { ConfigError, StreamError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import type { ByteStream, DatagramStream } from "../lib/stream/stream.ts";
import { localContext } from "../tests/support/local_context.ts";
import { bytesOf, readAll, textOf } from "../tests/support/streams.ts";
import { discard } from "./discard.ts";
import { literal } from "./literal.ts";
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
