// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { ConnectError } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";
import type { AnswerHead, ByteStream, StreamInfo } from "../lib/stream/stream.ts";
import { testContext } from "../tests/support/context.ts";
import { bytesOf, readAll, textOf } from "../tests/support/streams.ts";
import { prometheus } from "./prometheus.ts";

const metrics = () => Promise.resolve({ text: "a 1\n", contentType: "text/plain; version=0.0.4; charset=utf-8" });

async function open(changes: Partial<Context>): Promise<ByteStream> {
  return await prometheus.connect!({}, testContext(changes)) as ByteStream;
}

Deno.test("i-40: PROMETHEUS answers with the content type of the metrics", async () => {
  const heads: AnswerHead[] = [];
  const downstream: StreamInfo = { protocol: "HTTP", name: "http", respond: (head) => void heads.push(head) };
  const stream = await open({ metrics, downstream });
  await stream.write(bytesOf("a body nobody reads"));
  await stream.closeWrite();
  assertEquals(textOf(await readAll(stream)), "a 1\n");
  assertEquals(heads, [{
    status: 200,
    headers: [["cache-control", "no-cache"], ["content-type", "text/plain; version=0.0.4; charset=utf-8"]],
  }]);
  stream.abort();
});

Deno.test("PROMETHEUS answers callers without HTTP too, and says so where nothing is counted", async () => {
  const stream = await open({ metrics, downstream: { protocol: "TCP", name: "tcp" } });
  assertEquals(textOf(await readAll(stream)), "a 1\n");
  stream.abort();
  const error = await assertRejects(() => open({}), ConnectError, "this process counts nothing");
  assertEquals([error.status, error.retryable], [500, false]);
});
