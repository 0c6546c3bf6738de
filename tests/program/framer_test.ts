// @ts-types="../deno_std.d.ts"
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { L7mpError, LimitError, StreamError } from "../../lib/errors.ts";
import { silentLog } from "../../lib/log.ts";
import { lengthPrefixCodec } from "../../protocols/length_prefix.ts";
import { collectingLog } from "../support/steps.ts";
import { bytesOf, readAll, textOf } from "../support/streams.ts";
import { framed } from "../../lib/stream/framer.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";

const codec = lengthPrefixCodec({ prefixBytes: 1, littleEndian: false, maxBytes: 100, maxOption: "max" });
const message = (text: string) => ({ data: bytesOf(text) });

Deno.test("framed() gives all messages of a block together", async () => {
  const [near, far] = bytePair();
  const stream = framed(far, codec, silentLog());
  await near.write(new Uint8Array([1, 65, 0, 2, 66]));
  assertEquals((await stream.receive())!.map(({ data }) => textOf(data)), ["A", ""]);
  await near.write(new Uint8Array([67]));
  assertEquals((await stream.receive())!.map(({ data }) => textOf(data)), ["BC"]);
});

Deno.test("framed() writes a batch at once", async () => {
  const [near, far] = bytePair();
  let writes = 0;
  const counted: ByteStream = { ...near, write: (bytes) => (writes++, near.write(bytes)) };
  const stream = framed(counted, codec, silentLog());
  await stream.send([message("a"), message(""), message("bc")]);
  await stream.closeWrite();
  assertEquals(writes, 1);
  assertEquals([...await readAll(far)], [1, 97, 0, 2, 98, 99]);
});

Deno.test("framed() drops, counts and tells what its format cannot carry, and sends the rest", async () => {
  const [near, far] = bytePair();
  const { log, lines } = collectingLog();
  const stream = framed(near, codec, log);
  await stream.send([message("a"), message("x".repeat(256)), message("b")]);
  await stream.closeWrite();
  assertEquals([...await readAll(far)], [1, 97, 1, 98]);
  assertEquals(stream.dropped, 1);
  assertEquals(lines, ["W datagram of 256 bytes does not fit LENGTHPREFIX,bytes=1, dropped"]);
});

Deno.test("framed() resets the connection when a message is broken or cut", async () => {
  for (const [bytes, kind] of [[[101], LimitError], [[3, 1], StreamError]] as const) {
    const [near, far] = bytePair();
    const stream = framed(far, codec, silentLog());
    await near.write(new Uint8Array(bytes));
    if (bytes.length > 1) await near.closeWrite();
    const error: L7mpError = await assertRejects(() => stream.receive(), kind as typeof StreamError);
    assertStrictEquals(await stream.receive().catch((e) => e), error);
    await assertRejects(() => near.read(), StreamError, "reset");
  }
});
