// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { bytePair } from "../../lib/stream/memory.ts";
import { bytesOf } from "../../tests/support/streams.ts";
import { bodyEncoder } from "./body.ts";
import { MessageWriter } from "./message_writer.ts";

Deno.test("MessageWriter tells the length of a body that ended while the process stood still", async () => {
  const [lower, peer] = bytePair();
  const lengths: (number | undefined)[] = [];
  const writer = new MessageWriter(lower, {
    start(length) {
      lengths.push(length);
      return { head: bytesOf("head"), encoder: bodyEncoder({ kind: "chunked" }) };
    },
    holdMs: 50,
    name: "test",
  });
  await writer.write(bytesOf("body"));
  for (const end = performance.now() + 150; performance.now() < end;);
  // The limit is over when this comes, which the process could not see before.
  await new Promise((resolve) => setTimeout(resolve, 0));
  await writer.end();
  assertEquals(lengths, [4]);
  lower.abort();
  peer.abort();
});
