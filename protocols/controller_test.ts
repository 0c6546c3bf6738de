// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectError, StreamError } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";
import type { AnswerHead, ByteStream, StreamInfo } from "../lib/stream/stream.ts";
import { testContext } from "../tests/support/context.ts";
import { bytesOf, readAll, settledAt, textOf } from "../tests/support/streams.ts";
import { controller } from "./controller.ts";

interface Caller extends StreamInfo {
  readonly heads: AnswerHead[];
}

/** A caller of an HTTP listener. */
function caller(method: string, path: string, headers: Record<string, unknown> = { host: "h:1234" }): Caller {
  const heads: AnswerHead[] = [];
  const facts = { method, path, version: "1.1", headers };
  return { protocol: "HTTP", name: "http from x", facts, heads, respond: (head) => void heads.push(head) };
}

async function open(downstream: StreamInfo, control: Context["control"]): Promise<ByteStream> {
  return await controller.connect!({}, testContext({ downstream, control })) as ByteStream;
}

const json = (value: unknown, init?: ResponseInit) => Promise.resolve(Response.json(value, init));

Deno.test("CONTROLLER hands the caller's request to the API, and head and body of the answer back", async () => {
  const from = caller("GET", "/api/v1/listeners?recursive=true", { host: "h:1234", accept: "*/*", "x-y": ["1", "2"] });
  let seen: unknown;
  const stream = await open(from, (request, downstream) => {
    const { method, url, headers } = request;
    seen = { method, url, headers: [...headers], downstream };
    return json([1], { status: 207, statusText: "Some", headers: { etag: '"e"', connection: "close" } });
  });
  await stream.closeWrite();
  // Nothing is answered before somebody reads.
  assertEquals([seen, from.heads], [undefined, []]);
  assertEquals(textOf(await readAll(stream)), "[1]");
  assertEquals(await stream.read(), null);
  assertEquals(seen, {
    method: "GET",
    url: "http://h:1234/api/v1/listeners?recursive=true",
    headers: [["accept", "*/*"], ["host", "h:1234"], ["x-y", "1, 2"]],
    downstream: from,
  });
  assertEquals(from.heads, [{
    status: 207,
    reason: "Some",
    headers: [["content-type", "application/json"], ["etag", '"e"']],
  }]);
  stream.abort();
});

Deno.test("CONTROLLER streams the request's body, and holds its caller back while nobody reads it", async () => {
  const chunks: string[] = [];
  const read = Promise.withResolvers<void>();
  const stream = await open(caller("POST", "/x"), async (request) => {
    await read.promise;
    for await (const chunk of request.body!) chunks.push(textOf(chunk));
    return new Response(null, { status: 204 });
  });
  const answer = readAll(stream);
  let written = 0;
  const data = new Uint8Array(100_000).fill(0x61);
  const writing = (async () => {
    await stream.write(data);
    data.fill(0);
    written++;
    await stream.write(bytesOf("b"));
    written++;
    await stream.closeWrite();
  })();
  assertEquals(await settledAt(() => written), 0);
  read.resolve();
  await writing;
  assertEquals([(await answer).length, chunks.join("")], [0, `${"a".repeat(100_000)}b`]);
  stream.abort();
});

Deno.test("CONTROLLER throws away what nobody reads once the answer is complete", async () => {
  for (const method of ["POST", "GET"]) {
    const stream = await open(caller(method, "/x"), () => json("early"));
    const writing = stream.write(new Uint8Array(100_000));
    assertEquals(textOf(await readAll(stream)), '"early"');
    await writing;
    await stream.write(new Uint8Array(100_000));
    await stream.closeWrite();
    await assertRejects(() => stream.write(new Uint8Array(1)), StreamError, "Broken pipe");
    stream.abort();
  }
});

Deno.test("CONTROLLER goes on with an answer that has no end, and cancels it when the session ends", async () => {
  let cancelled: unknown;
  let given = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (sink) => given++ < 3 ? sink.enqueue(bytesOf(`${given}\n`)) : new Promise(() => {}),
    cancel: (reason) => void (cancelled = reason),
  }, { highWaterMark: 0 });
  let signal: AbortSignal | undefined;
  const stream = await open(caller("GET", "/api/v1/sessions?watch=true"), (request) => {
    signal = request.signal;
    return Promise.resolve(new Response(endless));
  });
  await stream.closeWrite();
  assertEquals([textOf((await stream.read())!), textOf((await stream.read())!)], ["1\n", "2\n"]);
  assertEquals(textOf((await stream.read())!), "3\n");
  const pending = stream.read().catch((error) => error);
  const reason = new StreamError("session over");
  stream.abort(reason);
  assertEquals(await pending, reason);
  await Promise.resolve();
  assertEquals([cancelled, signal?.aborted], [reason, true]);
});

Deno.test("CONTROLLER cancels an answer that comes after the session's end", async () => {
  const late = Promise.withResolvers<Response>();
  const cancelled = Promise.withResolvers<void>();
  const from = caller("GET", "/");
  const stream = await open(from, () => late.promise);
  const pending = stream.read().catch((error) => error);
  stream.abort();
  assert(await pending instanceof StreamError);
  late.resolve(new Response(new ReadableStream({ cancel: () => cancelled.resolve() })));
  await cancelled.promise;
  assertEquals(from.heads, []);
});

Deno.test("CONTROLLER makes a URL of any target a listener lets pass", async () => {
  const targets: [string, string | undefined, string][] = [
    ["/a?b=%20", "h", "http://h/a?b=%20"],
    ["//evil/x", "h", "http://h//evil/x"],
    ["http://other/x", "h", "http://other/x"],
    ["*", "h", "http://h/*"],
    ["/x", undefined, "http://localhost/x"],
    ["/x", "a b", "http://localhost/x"],
  ];
  for (const [path, host, url] of targets) {
    let seen = "";
    const stream = await open(caller("GET", path, { ...(host && { host }) }), (request) => {
      seen = request.url;
      return json(1);
    });
    await readAll(stream);
    assertEquals(seen, url);
    stream.abort();
  }
});

Deno.test("CONTROLLER says what it needs: an HTTP caller, an API, and a request that can be one", async () => {
  const tcp: StreamInfo = { protocol: "TCP", name: "AF=2 127.0.0.1:5" };
  const cases: [StreamInfo, Context["control"], string, number][] = [
    [tcp, () => json(1), "an HTTP listener before it, and AF=2 127.0.0.1:5 is none", 500],
    [caller("GET", "/"), undefined, "--admin or a configuration (-c) gives it one", 500],
    [caller("TRACE", "/"), () => json(1), "CONTROLLER: no request for the API: ", 400],
  ];
  for (const [downstream, control, message, status] of cases) {
    const error = await assertRejects(() => open(downstream, control), ConnectError, message);
    assertEquals([error.status, error.retryable], [status, false]);
  }
});
