// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { bytesOf, patternBytes, textOf } from "../../tests/support/streams.ts";
import { ByteBacklog, DatagramBacklog } from "./backlog.ts";

Deno.test("ByteBacklog gives back what it was given, in few blocks, and takes no more than its limit", () => {
  const sent = patternBytes(200_000);
  const backlog = new ByteBacklog(150_000);
  let at = 0;
  for (let size = 1; at < 150_000; size = size * 5 % 7919 + 1) {
    const part = sent.slice(at, at + size);
    at += backlog.append(part);
    part.fill(0);
  }
  assertEquals([backlog.size, backlog.append(sent)], [150_000, 0]);
  const blocks: Uint8Array[] = [];
  for (let block = backlog.take(); block; block = backlog.take()) blocks.push(block);
  assertEquals(blocks.map(({ length }) => length), [65_536, 65_536, 150_000 - 2 * 65_536]);
  assertEquals(new Uint8Array(blocks.flatMap((block) => [...block])), sent.subarray(0, 150_000));
  assertEquals([backlog.size, backlog.append(sent.subarray(0, 3))], [0, 3]);
});

Deno.test("DatagramBacklog keeps order and meta, and bounds empty messages too", () => {
  const backlog = new DatagramBacklog(128 * 100);
  let kept = 0;
  while (backlog.append({ data: new Uint8Array(0) })) kept++;
  assertEquals([kept, backlog.size], [100, 100]);
  assertEquals([backlog.take()!.length, backlog.size], [64, 36]);
  const data = bytesOf("a");
  assert(backlog.append({ data, meta: { type: "text" } }));
  data.fill(0);
  const last = backlog.take()!.at(-1)!;
  assertEquals([textOf(last.data), last.meta], ["a", { type: "text" }]);
  assertEquals(backlog.take(), undefined);
});
