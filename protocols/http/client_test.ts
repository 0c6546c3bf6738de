// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertInstanceOf, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { EndedError, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { localContext } from "../../tests/support/local_context.ts";
import { bytesOf, readAll, textOf } from "../../tests/support/streams.ts";
import { http } from "./http.ts";

const remote = { family: "inet", host: "10.0.0.1", port: 8080 } as const;

/** Our client, and the server that the test plays. */
async function request(
  settings: Record<string, unknown> = {},
  context: Context = testContext(),
): Promise<{ client: ByteStream; server: ByteStream }> {
  const [lower, server] = bytePair({ info: { remote } });
  const client = await http.client!(lower, http.spec.parse(settings, ""), context) as ByteStream;
  return { client, server };
}

const silent = (changes: Partial<Context> = {}) => testContext({ direction: "read", ...changes });

/** What the server gets until `end` is in it. */
async function receive(server: ByteStream, end: string): Promise<string> {
  let text = "";
  while (!text.includes(end)) text += textOf((await server.read())!);
  return text;
}

/** Lets the server answer with `wire` and close; what the client makes of it. */
async function answered(wire: string, settings = {}, context: Context = silent()): Promise<ByteStream> {
  const { client, server } = await request(settings, context);
  await receive(server, "\r\n\r\n");
  await server.write(bytesOf(wire));
  server.abort();
  return client;
}

Deno.test("HTTP that is only read from sends a GET", async () => {
  const { client, server } = await request({ path: "/a b?c#d" }, silent());
  assertEquals(
    await receive(server, "\r\n\r\n"),
    "GET /a%20b?c%23d HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: l7mp\r\nAccept: */*\r\nConnection: close\r\n\r\n",
  );
  client.abort(new StreamError("done"));
});
Deno.test("HTTP beside DISCARD sends a GET", async () => {
  const context = testContext({ downstream: { protocol: "Discard", name: "DISCARD" } });
  const { client, server } = await request({}, context);
  assertStringIncludes(await receive(server, "\r\n\r\n"), "GET / HTTP/1.1\r\n");
  client.abort(new StreamError("done"));
});

Deno.test("HTTP sends a short body with its length, together with the head", async () => {
  const { client, server } = await request();
  await client.write(bytesOf("bo"));
  await client.write(bytesOf("dy"));
  await client.closeWrite();
  const sent = textOf((await server.read())!);
  assertStringIncludes(sent, "POST / HTTP/1.1\r\n");
  assertStringIncludes(sent, "Content-Length: 4\r\nConnection: close\r\n\r\nbody");
  client.abort(new StreamError("done"));
});
Deno.test("HTTP says that an empty body is empty, unless the method has none", async () => {
  for (const [settings, has] of [[{}, true], [{ method: "PUT" }, true], [{ method: "DELETE" }, false]] as const) {
    const { client, server } = await request(settings);
    await client.closeWrite();
    assertEquals((await receive(server, "\r\n\r\n")).includes("Content-Length: 0\r\n"), has);
    client.abort(new StreamError("done"));
  }
});
Deno.test("HTTP sends a body in chunks whose end does not come soon", async () => {
  const { client, server } = await request();
  await client.write(bytesOf("first"));
  assertMatch(await receive(server, "first"), /Transfer-Encoding: chunked\r\n[^]*\r\n\r\n5\r\nfirst\r\n$/);
  await client.write(bytesOf("second"));
  await client.closeWrite();
  assertEquals(await receive(server, "0\r\n\r\n"), "6\r\nsecond\r\n0\r\n\r\n");
  client.abort(new StreamError("done"));
});
Deno.test("HTTP waits for the end of a short body from when it began", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const { client, server } = await request();
    await clock.tickAsync(40);
    await client.write(bytesOf("body"));
    await clock.tickAsync(40);
    await client.closeWrite();
    assertStringIncludes(await receive(server, "body"), "Content-Length: 4\r\n");
    client.abort(new StreamError("done"));
  } finally {
    clock.uninstall();
  }
});
Deno.test("HTTP sends a long body in chunks at once", async () => {
  const { client, server } = await request();
  const writing = client.write(new Uint8Array(70_000));
  assertStringIncludes(await receive(server, "\r\n\r\n"), "Transfer-Encoding: chunked\r\n");
  client.abort(new StreamError("done"));
  await assertRejects(() => writing, StreamError, "done");
});

Deno.test("HTTP sends the headers that its options stand for, and those given by hand win", async () => {
  const context = silent({ http: { headers: ["X-Token: é", "user-agent: mine"], noClose: false } });
  const settings = {
    host: "example.org",
    basic_auth: "me:secret",
    content_type: "text/plain",
    method: "PUT",
    header: ["A: 1", "A: 2"],
  };
  const { client, server } = await request(settings, context);
  assertEquals((await receive(server, "\r\n\r\n")).split("\r\n"), [
    "PUT / HTTP/1.1",
    "Host: example.org",
    "Accept: */*",
    "Authorization: Basic bWU6c2VjcmV0",
    "Content-Type: text/plain",
    "X-Token: é",
    "user-agent: mine",
    "A: 1",
    "A: 2",
    "Content-Length: 0",
    "Connection: close",
    "",
    "",
  ]);
  client.abort(new StreamError("done"));
});

for (
  const [what, wire, body] of [
    ["with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", "hello"],
    ["in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"],
    ["that ends with the connection", "HTTP/1.0 200 OK\r\n\r\nhello", "hello"],
    [
      "after interim answers",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 200\r\n\r\nhello",
      "hello",
    ],
    ["that is encoded", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x00z", "\x1f\x00z"],
    ["without content", "HTTP/1.1 204 No Content\r\n\r\n", ""],
    ["that has not changed", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", ""],
  ]
) {
  Deno.test(`HTTP reads an answer ${what}`, async () => {
    const client = await answered(wire!);
    assertEquals(textOf(await readAll(client)), body);
    await client.finished!();
    client.abort();
  });
}
Deno.test("HTTP reads the answer to HEAD, which has no body", async () => {
  const client = await answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", { method: "HEAD" });
  assertEquals(await client.read(), null);
  client.abort();
});

for (
  const [what, wire, message] of [
    ["inside its head", "HTTP/1.1 200 OK\r\nA:", "without an answer"],
    ["before it", "", "without an answer"],
    ["inside a body with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "1 of 5 bytes are missing"],
    [
      "before the last chunk",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
      "last chunk is missing",
    ],
  ]
) {
  Deno.test(`HTTP tells an answer that was cut ${what} from its end`, async () => {
    const client = await answered(wire!);
    const error = await assertRejects(() => readAll(client), StreamError, message);
    assertStringIncludes(error.message, "http://10.0.0.1:8080/: ");
    assertEquals(error.code, "CUT");
    await assertRejects(() => client.finished!(), StreamError);
    client.abort(error);
  });
}

for (
  const [what, wire, message] of [
    ["another protocol", "SSH-2.0-OpenSSH\r\n\r\n", "is it an HTTP server?"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Length"],
    ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both"],
    ["an upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "101 was not asked for"],
    ["a broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "malformed chunk"],
  ]
) {
  Deno.test(`HTTP refuses an answer with ${what}`, async () => {
    const client = await answered(wire!);
    await assertRejects(() => readAll(client), ProtocolError, message);
    client.abort(new StreamError("done"));
  });
}
Deno.test("HTTP bounds the head of an answer, and the answers before it", async () => {
  const endless = await answered(`HTTP/1.1 200 OK\r\nA: ${"x".repeat(64_000)}`);
  await assertRejects(() => endless.read(), StreamError, "without an answer");
  endless.abort(new StreamError("done"));
  const { client, server } = await request({}, silent());
  const writing = server.write(bytesOf(`HTTP/1.1 200 OK\r\nA: ${"x".repeat(66_000)}`)).catch(() => {});
  await assertRejects(() => client.read(), Error, "response head of more than 65536 bytes");
  client.abort(new StreamError("done"));
  await writing;
  const chatty = await answered("HTTP/1.1 100 Continue\r\n\r\n".repeat(40));
  await assertRejects(() => chatty.read(), Error, "more than 32 interim answers");
  chatty.abort(new StreamError("done"));
});

const notFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";

Deno.test("HTTP delivers the body of an error, which shows when all is done", async () => {
  const client = await answered(notFound);
  assertEquals(textOf(await readAll(client)), "gone");
  const error = await assertRejects(() => client.finished!(), StreamError);
  assertEquals(error.message, "http://10.0.0.1:8080/: server answered 404 Not Found");
  assertEquals(error.code, "HTTP_404");
  client.abort(error);
});
Deno.test("HTTP accepts an error with fail=0", async () => {
  const client = await answered(notFound, { fail: false });
  assertEquals(textOf(await readAll(client)), "gone");
  await client.finished!();
  client.abort();
});
Deno.test("HTTP does not follow a redirect, and tells where it leads", async () => {
  const context = localContext({ direction: "read" });
  const client = await answered("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", {}, context);
  assertEquals(await client.read(), null);
  await client.finished!();
  client.abort();
  assertEquals(context.lines, ["N http://10.0.0.1:8080/: 302 Found; Location: /b (redirects are not followed)"]);
});
Deno.test("HTTP stops sending when the server has refused the request", async () => {
  const { client, server } = await request();
  await client.write(bytesOf("first"));
  await receive(server, "first");
  await server.write(bytesOf(notFound));
  assertEquals(textOf(await readAll(client)), "gone");
  await assertRejects(() => client.write(bytesOf("second")), StreamError, "server answered 404 Not Found");
  client.abort(new StreamError("done"));
});
Deno.test("HTTP goes on reading an answer whose server reads no more", async () => {
  const { client, server } = await request();
  await client.write(bytesOf("first"));
  await receive(server, "first");
  await server.write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"));
  assertEquals(textOf((await client.read())!), "a");
  await server.write(bytesOf("b"));
  server.abort();
  const error = await assertRejects(() => client.write(bytesOf("second")), EndedError);
  assertEquals(
    error.message,
    "http://10.0.0.1:8080/: server answered 200 OK before it had the whole request; the rest is lost",
  );
  await client.closeWrite();
  assertEquals(textOf((await client.read())!), "b");
  assertEquals(await client.read(), null);
  client.abort();
});
Deno.test("HTTP goes on with a request that is answered, until the server is gone", async () => {
  const { client, server } = await request();
  await client.write(bytesOf("first"));
  await receive(server, "first");
  await server.write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  assertEquals(await client.read(), null);
  await client.write(bytesOf("second"));
  await receive(server, "second");
  server.abort();
  await assertRejects(() => client.write(bytesOf("third")), EndedError, "before it had the whole request");
  client.abort(new StreamError("done"));
});
Deno.test("HTTP looks for the answer of a server that takes no more, before it calls that a failure", async () => {
  for (const answer of ["HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nstop", ""]) {
    const { client, server } = await request();
    await client.write(bytesOf("first"));
    await receive(server, "first");
    await server.write(bytesOf(answer));
    server.abort();
    const writing = client.write(bytesOf("second")).catch((error) => error);
    const reading = readAll(client).then(textOf, () => "nothing");
    const error = await writing;
    assertInstanceOf(error, StreamError);
    assertEquals(error instanceof EndedError, answer !== "");
    assertStringIncludes(error.message, answer ? "server answered 413 Content Too Large" : "write(memory)");
    assertEquals(await reading, answer ? "stop" : "nothing");
    client.abort(error);
  }
});
Deno.test("HTTP closes after an exchange, and resets one it cuts", async () => {
  const { client, server } = await request({}, silent());
  await receive(server, "\r\n\r\n");
  await server.write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"));
  assertEquals(textOf(await readAll(client)), "a");
  client.abort(new StreamError("late"));
  assertEquals(await server.read(), null);

  const cut = await request({}, silent());
  await receive(cut.server, "\r\n\r\n");
  cut.client.abort(new StreamError("no more"));
  assertInstanceOf(await cut.server.read().catch((error) => error), StreamError);
});
