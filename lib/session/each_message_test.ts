// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { collectingLog } from "../../tests/support/steps.ts";
import { bytesOf, readAll, receiveSome, textOf } from "../../tests/support/streams.ts";
import { ConnectError, StreamError } from "../errors.ts";
import { byteEcho, bytePair, datagramEcho } from "../stream/memory.ts";
import type { ByteStream, Stream } from "../stream/stream.ts";
import { forEachMessage } from "./each_message.ts";

function eachOf(open: (run: number, signal: AbortSignal) => Stream | Promise<Stream>) {
  const { log, lines } = collectingLog();
  let runs = 0;
  const stream = forEachMessage({
    name: "EXEC:x",
    maxMessageBytes: 1000,
    log,
    open: async (signal) => await open(++runs, signal),
  });
  return { stream, lines, runs: () => runs };
}

const message = (text: string) => ({ data: bytesOf(text) });

Deno.test("forEachMessage() runs the endpoint once for each message, in order, and gives its answers", async () => {
  const { stream, runs } = eachOf((run) => run === 2 ? datagramEcho() : byteEcho());
  const sending = stream.send([message("one"), message("two"), message("three")]);
  assertEquals((await receiveSome(stream, 3)).map(textOf), ["one", "two", "three"]);
  await sending;
  await stream.closeWrite();
  assertEquals(await stream.receive(), null);
  assertEquals(runs(), 3);
  stream.abort();
});

Deno.test("forEachMessage() waits for the end of one before the next", async () => {
  const far: ByteStream[] = [];
  const { stream, runs } = eachOf(() => {
    const [near, peer] = bytePair();
    far.push(peer);
    return near;
  });
  const sending = stream.send([message("a"), message("b")]);
  const receiving = receiveSome(stream, 2);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals([runs(), textOf(await readAll(far[0]!))], [1, "a"]);
  await far[0]!.write(bytesOf("A1"));
  await far[0]!.write(bytesOf("A2"));
  await far[0]!.closeWrite();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals([runs(), textOf(await readAll(far[1]!))], [2, "b"]);
  await far[1]!.write(bytesOf("B"));
  await far[1]!.closeWrite();
  await sending;
  assertEquals((await receiving).map(textOf), ["A1A2", "B"]);
  stream.abort();
});

Deno.test("forEachMessage() counts and names a message whose endpoint fails, and goes on", async () => {
  const { stream, lines } = eachOf((run) => {
    if (run === 1) throw new ConnectError("connect(x): Connection refused");
    return { ...byteEcho(), finished: run === 2 ? () => Promise.reject(new StreamError("child failed")) : undefined };
  });
  const sending = stream.send([message("1"), message("22"), message("333")]);
  assertEquals((await receiveSome(stream, 2)).map(textOf), ["22", "333"]);
  await sending;
  assertEquals(stream.dropped, 2);
  assertMatch(lines[0]!, /^W EXEC:x: connect\(x\): Connection refused \(message of 1 bytes\)$/);
  assertMatch(lines[1]!, /^W EXEC:x: child failed \(message of 2 bytes\)$/);
  stream.abort();
});

Deno.test("forEachMessage() bounds an answer", async () => {
  const { stream, lines } = eachOf(() => byteEcho());
  await stream.send([{ data: new Uint8Array(1001) }]);
  assertMatch(lines[0]!, /^W EXEC:x: answer exceeds max-message=1000 \(message of 1001 bytes\)$/);
  stream.abort();
});

Deno.test("forEachMessage() ends at once when aborted, and counts what gets no answer", async () => {
  const [near, far] = bytePair();
  const { stream, lines } = eachOf((run) => run === 1 ? byteEcho() : near);
  const reason = new StreamError("session over");
  const sending = stream.send(["a", "b", "c"].map(message)).catch((error) => error);
  assertEquals((await receiveSome(stream, 1)).map(textOf), ["a"]);
  const receiving = stream.receive().catch((error) => error);
  await new Promise((resolve) => setTimeout(resolve, 5));
  stream.abort(reason);
  assertEquals([await sending, await receiving], [reason, reason]);
  assertEquals([stream.dropped, lines], [2, []]);
  await assertRejects(async () => {
    while (await far.read() !== null);
  }, StreamError);
});
