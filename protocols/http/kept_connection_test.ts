// Several requests on one connection of HTTP-LISTEN (RFC 9112 section 9.3).
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ConnectError } from "../../lib/errors.ts";
import type { Incoming } from "../../lib/protocol.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { bytesOf, readAll, textOf } from "../../tests/support/streams.ts";
import { answer, Caller, chunkedPost, get, never, post } from "./_test_caller.ts";

const kept = (settings: Record<string, unknown> = {}) => new Caller(settings, { followUps: true });

Deno.test("HTTP-LISTEN serves requests that come together one after another", async () => {
  const caller = kept();
  await caller.say(`${post(3)}one${chunkedPost}3\r\ntwo\r\n0\r\n\r\n\r\n${get}`);
  let incoming: Incoming | null = await caller.serve();
  for (const expected of ["one", "two", ""]) {
    const stream = await incoming!.accept(never) as ByteStream;
    assertEquals(textOf(await readAll(stream)), expected);
    await stream.write(bytesOf(`re ${expected}`));
    await stream.closeWrite();
    stream.abort();
    if (expected === "") break;
    const next: Incoming | null = await incoming!.next!(never);
    incoming = await caller.serve(await next!.accept(never) as ByteStream);
  }
  await caller.peer.closeWrite();
  assertEquals(await incoming!.next!(never), null);
  const answers = (await caller.rest()).split(/(?=HTTP\/1\.1 )/);
  assertEquals(answers.map((one) => /re \w*/.exec(one)?.[0]), ["re one", "re two", "re "]);
  for (const one of answers) assert(!one.includes("Connection: close"), one);
});
for (
  const [what, wire, settings] of [
    ["a caller that wants no more", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n"],
    ["keepalive-timeout=0", get, { keepalive_timeout: "0s" }],
  ] as const
) {
  Deno.test(`HTTP-LISTEN closes after one request for ${what}`, async () => {
    const caller = kept(settings);
    await caller.say(wire);
    const incoming = await caller.serve();
    await answer(await incoming.accept(never) as ByteStream, "x");
    assertEquals(await incoming.next!(never), null);
    assertStringIncludes(await caller.rest(), "Connection: close\r\n");
  });
}
Deno.test("HTTP-LISTEN keeps a connection of HTTP/1.0 that asks for it, where the answer has a length", async () => {
  const caller = kept();
  const wire = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  await caller.say(wire + wire);
  const first = await caller.serve();
  await answer(await first.accept(never) as ByteStream);
  const next = await first.next!(never);
  const second = await caller.serve(await next!.accept(never) as ByteStream);
  await answer(await second.accept(never) as ByteStream, "no length");
  assertEquals(await second.next!(never), null);
  const [one, two] = (await caller.rest()).split(/(?=HTTP\/1\.1 )/);
  assertStringIncludes(one!, "Connection: keep-alive\r\n");
  assertStringIncludes(two!, "Connection: close\r\n");
});
Deno.test("HTTP-LISTEN closes a connection whose request was not read to its end", async () => {
  const caller = kept();
  await caller.say(`${post(5)}hel`);
  const incoming = await caller.serve();
  const stream = await incoming.accept(never) as ByteStream;
  assertEquals(textOf((await stream.read())!), "hel");
  await stream.closeWrite();
  stream.abort();
  await caller.say(`lo${get}`).catch(() => {});
  assertEquals(await incoming.next!(never), null);
  assertStringIncludes(await caller.rest(), "200 OK");
  caller.peer.abort();
});
Deno.test("HTTP-LISTEN takes empty lines after a request for no other", async () => {
  const caller = kept();
  await caller.say(`${get}\r\n\n`);
  const incoming = await caller.serve();
  await answer(await incoming.accept(never) as ByteStream);
  await caller.peer.closeWrite();
  assertEquals(await incoming.next!(never), null);
  await caller.rest();
});
Deno.test("HTTP-LISTEN has no next caller where one was refused", async () => {
  const caller = kept();
  await caller.say(get + get);
  const incoming = await caller.serve();
  await incoming.reject(new ConnectError("refused"));
  assertEquals(await incoming.next!(never), null);
  assertMatch(await caller.rest(), /^HTTP\/1\.1 502 [^]*Connection: close/);
  caller.peer.abort();
});
Deno.test("HTTP-LISTEN closes a connection that stays idle, or when it stops", async () => {
  for (const stops of [false, true]) {
    const caller = kept({ keepalive_timeout: "20ms" });
    await caller.say(get);
    const incoming = await caller.serve();
    await answer(await incoming.accept(never) as ByteStream);
    const stop = new AbortController();
    const next = incoming.next!(stop.signal);
    if (stops) stop.abort();
    assertEquals(await next, null);
    await caller.rest();
  }
});

Deno.test("HTTP-LISTEN keeps a connection for longer than a timer of the runtime can wait", async () => {
  for (const keepalive_timeout of ["3000000s", "inf"]) {
    const caller = kept({ keepalive_timeout });
    await caller.say(get);
    const incoming = await caller.serve();
    await answer(await incoming.accept(never) as ByteStream);
    const next = incoming.next!(never);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await caller.say(get);
    const another = await next;
    assert(another);
    await another.reject(new ConnectError("refused"));
    caller.peer.abort();
  }
});
