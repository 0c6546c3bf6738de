// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { bytesOf, readAll, textOf } from "../../tests/support/streams.ts";
import { ConnectError, StreamError } from "../errors.ts";
import { byteEcho, datagramEcho } from "../stream/memory.ts";
import type { ByteStream, DatagramStream, Stream } from "../stream/stream.ts";
import { waitForData } from "./wait_for_data.ts";

const info = { protocol: "MEMORY", name: "late" };

function late(make: () => Stream | Promise<Stream> = byteEcho) {
  const seen = { opened: 0 };
  const open = async () => {
    seen.opened++;
    return await make();
  };
  return { stream: waitForData("byte", info, open) as ByteStream, seen };
}

Deno.test("waitForData() opens at the first write and passes everything on", async () => {
  const { stream, seen } = late();
  const reading = readAll(stream);
  assertEquals([seen.opened, stream.info.name], [0, "late"]);
  await stream.write(bytesOf("a"));
  await stream.write(bytesOf("b"));
  assertEquals([seen.opened, stream.info.name], [1, "memory"]);
  await stream.closeWrite();
  assertEquals(textOf(await reading), "ab");
  stream.abort();
});

Deno.test("waitForData() opens for an empty datagram too, and keeps meta", async () => {
  const stream = waitForData("datagram", info, async () => datagramEcho()) as DatagramStream;
  await stream.send([{ data: new Uint8Array(), meta: { type: "text" } }]);
  assertEquals(await stream.receive(), [{ data: new Uint8Array(), meta: { type: "text" } }]);
  stream.abort();
});

Deno.test("waitForData() is at its end when the writer ends without data", async () => {
  const { stream, seen } = late();
  const reading = stream.read();
  await stream.closeWrite();
  assertEquals(await reading, null);
  assertEquals(seen.opened, 0);
  await assertRejects(() => stream.write(bytesOf("x")), StreamError, "Broken pipe");
  stream.abort();
});

Deno.test("waitForData() fails both directions when it cannot be opened", async () => {
  const { stream } = late(() => {
    throw new ConnectError("connect(x): Connection refused");
  });
  const reading = stream.read();
  await assertRejects(() => stream.write(bytesOf("x")), ConnectError, "refused");
  await assertRejects(() => reading, ConnectError, "refused");
  stream.abort();
});

Deno.test("waitForData() cancels an opening when aborted", async () => {
  const reason = new StreamError("session over");
  const waiting = waitForData(
    "byte",
    info,
    (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  ) as ByteStream;
  const writing = waiting.write(bytesOf("x")).catch((error) => error);
  waiting.abort(reason);
  assertEquals(await writing, reason);

  const opened = Promise.withResolvers<Stream>();
  const { stream } = late(() => opened.promise);
  const write = stream.write(bytesOf("x")).catch((error) => error);
  stream.abort(reason);
  const tooLate = byteEcho();
  opened.resolve(tooLate);
  assertEquals(await write, reason);
  await assertRejects(() => tooLate.read(), StreamError, "session over");
});
