// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { ConfigError, ConnectError, L7mpError, LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { bytesOf, readAll, textOf } from "../../tests/support/streams.ts";
import { http } from "./http.ts";
import { answer, Caller, chunkedPost, get, never, post, remote } from "./_test_caller.ts";

/** Without the date, which changes. */
const undated = (answer: string) => answer.replace(/Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/, "");

Deno.test("HTTP-LISTEN describes a request before it is accepted", async () => {
  const caller = new Caller();
  await caller.say("GET /a?b HTTP/1.1\r\nHost: h:80\r\nUser-Agent: me\r\n\r\n");
  const { info, reject } = await caller.serve();
  assertEquals(info.name, "http from AF=2 10.0.0.9:4711");
  assertEquals(info.remote, remote);
  const { headers, ...facts } = info.facts!;
  const lines = [["Host", "h:80"], ["User-Agent", "me"]];
  assertEquals(facts, { method: "GET", path: "/a?b", host: "h:80", version: "1.1", lines });
  assertEquals({ ...headers as object }, { host: "h:80", "user-agent": "me" });
  caller.peer.abort();
  await reject(new ConnectError("done"));
});

Deno.test("HTTP-LISTEN answers in chunks", async () => {
  const caller = new Caller();
  await answer(await caller.accepted(get), "he", "llo");
  assertEquals(
    undated(await caller.rest()),
    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
      "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
  );
});
Deno.test("HTTP-LISTEN tells an empty answer by its length", async () => {
  const caller = new Caller();
  await answer(await caller.accepted(get));
  assertEquals(undated(await caller.rest()), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
});
Deno.test("HTTP-LISTEN answers HTTP/1.0 with a body that ends with the connection", async () => {
  const caller = new Caller();
  await answer(await caller.accepted("GET / HTTP/1.0\r\n\r\n"), "hello");
  assertMatch(await caller.rest(), /^HTTP\/1\.1 200 OK\r\n(?!.*Transfer)[^]*Connection: close\r\n\r\nhello$/);
});
Deno.test("HTTP-LISTEN answers HEAD without a body", async () => {
  const caller = new Caller();
  await answer(await caller.accepted("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"), "hello");
  assertMatch(await caller.rest(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
});
Deno.test("HTTP-LISTEN answers with the status and the headers it is told", async () => {
  const caller = new Caller({ status: 201, content_type: "text/plain", header: ["A: 1", "a: 2", "date: never"] });
  await answer(await caller.accepted(get), "x");
  const lines = (await caller.rest()).split("\r\n");
  assertEquals(lines.slice(0, 7), [
    "HTTP/1.1 201 Created",
    "Content-Type: text/plain",
    "A: 1",
    "a: 2",
    "date: never",
    "Transfer-Encoding: chunked",
    "Connection: close",
  ]);
});
for (const status of [204, 304]) {
  Deno.test(`HTTP-LISTEN answers ${status} without a body`, async () => {
    const caller = new Caller({ status });
    await answer(await caller.accepted(get), "dropped");
    assertMatch(undated(await caller.rest()), /^HTTP\/1\.1 \d{3} [A-Za-z ]+\r\n[^]*Connection: close\r\n\r\n$/);
  });
}

Deno.test("HTTP-LISTEN reads a body with a length, and one in chunks", async () => {
  for (const wire of [`${post(5)}hello`, `${chunkedPost}2\r\nhe\r\n3;x\r\nllo\r\n0\r\nA: b\r\n\r\n`]) {
    const caller = new Caller();
    const stream = await caller.accepted(wire);
    assertEquals(textOf(await readAll(stream)), "hello");
    await stream.closeWrite();
    stream.abort();
    assertStringIncludes(await caller.rest(), "200 OK");
  }
});
Deno.test("HTTP-LISTEN answers a caller that half-closes", async () => {
  const caller = new Caller();
  await caller.say(`${post(5)}hello`);
  await caller.peer.closeWrite();
  const stream = await (await caller.serve()).accept(never) as ByteStream;
  assertEquals(textOf(await readAll(stream)), "hello");
  await stream.write(bytesOf("answer"));
  await stream.closeWrite();
  stream.abort();
  assertStringIncludes(await caller.rest(), "answer");
});

Deno.test("HTTP-LISTEN lets a caller that waits send its body, once it is accepted", async () => {
  const caller = new Caller();
  await caller.say("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  const incoming = await caller.serve();
  const waiting = caller.peer.read();
  assertEquals(await Promise.race([waiting, new Promise((done) => setTimeout(done, 10, "silence"))]), "silence");
  const stream = await incoming.accept(never) as ByteStream;
  assertEquals(textOf((await waiting)!), "HTTP/1.1 100 Continue\r\n\r\n");
  await caller.say("hello");
  assertEquals(textOf(await readAll(stream)), "hello");
  await stream.closeWrite();
  stream.abort();
  assertStringIncludes(await caller.rest(), "HTTP/1.1 200 OK\r\n");
});
Deno.test("HTTP-LISTEN does not ask for a body that is there, or that a caller of HTTP/1.0 sends anyway", async () => {
  for (const [version, body] of [["1.1", "hello"], ["1.0", ""]]) {
    const caller = new Caller();
    const head = `POST / HTTP/${version}\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`;
    const stream = await caller.accepted(head + body);
    await caller.say("hello".slice(body!.length));
    assertEquals(textOf(await readAll(stream)), "hello");
    await stream.closeWrite();
    stream.abort();
    assert((await caller.rest()).startsWith("HTTP/1.1 200 OK\r\n"));
  }
});

const refusals: readonly (readonly [string, string, number, Record<string, unknown>?])[] = [
  ["no HTTP", "garbage\r\n\r\n", 400],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400],
  ["a bad Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400],
  ["a target that is no path", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400],
  ["* that is not for OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400],
  ["two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400],
  ["a length and chunks", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
  ["a space before a colon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n", 400],
  ["an unknown coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501],
  ["a later version", "GET / HTTP/2.0\r\n\r\n", 505],
  ["a tunnel", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 405],
  ["another method", "PUT / HTTP/1.1\r\nHost: h\r\n\r\n", 405, { method: "GET,POST" }],
  ["another path", "GET /b HTTP/1.1\r\nHost: h\r\n\r\n", 404, { path: "/a" }],
  ["another expectation", "GET / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", 417],
  ["a body too large", post(11), 413, { max_body: 10 }],
  ["a head too large", `GET / HTTP/1.1\r\nHost: h\r\nA: ${"x".repeat(66_000)}\r\n\r\n`, 431],
  ["too many headers", `GET / HTTP/1.1\r\nHost: h\r\n${"A: b\r\n".repeat(300)}\r\n`, 431],
];
for (const [what, wire, status, settings] of refusals) {
  Deno.test(`HTTP-LISTEN answers ${status} to ${what}`, async () => {
    const caller = new Caller(settings);
    const saying = caller.say(wire);
    const error = await assertRejects(() => caller.serve(), L7mpError, `answered ${status}`);
    assert(error instanceof ProtocolError || error instanceof LimitError);
    await saying;
    const said = await caller.rest();
    assertMatch(said, new RegExp(`^HTTP/1\\.1 ${status} [A-Z][^]*\r\nConnection: close\r\n`));
    if (status === 405) assertMatch(said, /\r\nAllow: GET, /);
    assertEquals(JSON.parse(said.slice(said.indexOf("\r\n\r\n"))).status, status);
    caller.peer.abort();
  });
}
Deno.test("HTTP-LISTEN serves the path it is told, whatever the query, and targets that are whole URLs", async () => {
  for (const target of ["/a", "/a?b", "http://h/a", "http://h:80/a?/b"]) {
    const caller = new Caller({ path: "/a" });
    await answer(await caller.accepted(`GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`));
    assertStringIncludes(await caller.rest(), "200 OK");
  }
});

for (
  const [error, status] of [
    [new ConnectError("connect(AF=2 10.0.0.1:80): Connection refused", { code: "ECONNREFUSED" }), 502],
    [new ConnectError("connect(TCP:10.0.0.1:80): Connection timed out", { code: "ETIMEDOUT" }), 504],
    [new LimitError("too many sessions"), 503],
    [new StreamError("session cut: the process is ending", { code: "STOPPED" }), 503],
  ] as const
) {
  Deno.test(`HTTP-LISTEN answers ${status} where the other side gives "${error.message}"`, async () => {
    for (const method of ["GET", "HEAD"]) {
      const refused = new Caller();
      await refused.say(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`);
      const incoming = await refused.serve();
      await incoming.reject(error);
      const said = await refused.rest();
      assertStringIncludes(said, `HTTP/1.1 ${status} `);
      assertEquals(said.endsWith("\r\n\r\n"), method === "HEAD");
      assert(!said.includes("10.0.0.1"), "tells what lies behind");
      refused.peer.abort();
    }
    const failed = new Caller();
    const stream = await failed.accepted(get);
    stream.abort(error);
    assertStringIncludes(await failed.rest(), `HTTP/1.1 ${status} `);
    await stream.finished!();
    failed.peer.abort();
  });
}
Deno.test("HTTP-LISTEN answers 504 where nothing came in time", async () => {
  const caller = new Caller();
  (await caller.accepted(get)).abort();
  assertStringIncludes(await caller.rest(), "HTTP/1.1 504 Gateway Timeout\r\n");
  caller.peer.abort();
});
Deno.test("HTTP-LISTEN resets where an answer that has begun cannot go on", async () => {
  const caller = new Caller();
  const stream = await caller.accepted(get);
  await stream.write(bytesOf("half"));
  await caller.peer.read();
  const reading = caller.peer.read();
  stream.abort(new StreamError("upstream is gone"));
  assertInstanceOf(await reading.catch((error) => error), StreamError);
});

Deno.test("HTTP-LISTEN answers 400 to a body that is malformed, while there is no answer yet", async () => {
  const caller = new Caller();
  const stream = await caller.accepted(`${chunkedPost}2\r\nhello\r\n`);
  assertEquals(textOf((await stream.read())!), "he");
  const error = await assertRejects(() => stream.read(), ProtocolError, "malformed chunk (RFC 9112 section 7.1)");
  stream.abort(error);
  assertStringIncludes(await caller.rest(), "HTTP/1.1 400 Bad Request\r\n");
  caller.peer.abort();
});
Deno.test("HTTP-LISTEN answers 413 to a body that turns out too large", async () => {
  const caller = new Caller({ max_body: 4 });
  const stream = await caller.accepted(`${chunkedPost}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`);
  assertEquals(textOf((await stream.read())!), "he");
  const error = await assertRejects(() => stream.read(), LimitError, "max-body");
  stream.abort(error);
  assertStringIncludes(await caller.rest(), "HTTP/1.1 413 Content Too Large\r\n");
  caller.peer.abort();
});
Deno.test("HTTP-LISTEN tells a body that was cut from its end", async () => {
  for (const wire of [`${post(6)}hello`, `${chunkedPost}5\r\nhello\r\n`]) {
    const caller = new Caller();
    const stream = await caller.accepted(wire);
    await caller.peer.closeWrite();
    const error = await assertRejects(
      () => readAll(stream),
      StreamError,
      "http from AF=2 10.0.0.9:4711: the connection closed",
    );
    assertEquals(error.code, "CUT");
    stream.abort(error);
    await stream.finished!();
    caller.peer.abort();
  }
});
Deno.test("HTTP-LISTEN that is only read from answers when the body is there, and has gone through", async () => {
  for (const fails of [false, true]) {
    const caller = new Caller({}, { direction: "read" });
    const stream = await caller.accepted(post(5));
    await stream.closeWrite();
    const waiting = caller.peer.read();
    await caller.say("hello");
    assertEquals(textOf((await stream.read())!), "hello");
    if (fails) stream.abort(new StreamError("write(/file): No space left on device"));
    else {
      assertEquals(await stream.read(), null);
      stream.abort();
    }
    assertStringIncludes(
      undated(textOf((await waiting)!)),
      fails ? "HTTP/1.1 502 " : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
    );
    caller.peer.abort();
    await stream.finished!();
  }
});

Deno.test("HTTP-LISTEN gives a caller ten seconds for its request", async () => {
  for (const [said, answered] of [["GET / HT", "HTTP/1.1 408 Request Timeout\r\n"], ["", ""]]) {
    const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const caller = new Caller();
      if (said !== "") await caller.say(said!);
      const serving = caller.serve().catch((error) => error);
      await clock.tickAsync(9_999);
      const reading = caller.peer.read();
      await clock.tickAsync(2);
      const got = await reading;
      assertEquals(got === null ? "" : textOf(got).slice(0, answered!.length), answered);
      caller.peer.abort();
      await clock.tickAsync(1_000);
      const error = await serving;
      assertInstanceOf(error, LimitError);
      assertStringIncludes(error.message, "no complete request within 10 s");
    } finally {
      clock.uninstall();
    }
  }
});
Deno.test("HTTP-LISTEN does not let a caller that speaks TLS wait", async () => {
  const caller = new Caller();
  const reading = caller.peer.read();
  await caller.say("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03");
  const error = await assertRejects(() => caller.serve(), ProtocolError, "answered 400: this is TLS");
  assertEquals(error.level, "warn");
  assertStringIncludes(textOf((await reading)!), "HTTP/1.1 400 Bad Request\r\n");
  caller.peer.abort();
});
Deno.test("HTTP-LISTEN takes a request that came while the process stood still, past the limit", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const caller = new Caller();
    await caller.say("GET / HT");
    const serving = caller.serve();
    await clock.tickAsync(9_000);
    clock.jump(2_000);
    await caller.say("TP/1.1\r\nHost: h\r\n\r\n");
    const incoming = await serving;
    assertEquals(clock.countTimers(), 0);
    await incoming.reject(new StreamError("enough"));
    caller.peer.abort();
    await clock.tickAsync(1_000);
  } finally {
    clock.uninstall();
  }
});

Deno.test("HTTP-LISTEN says when a caller leaves before its request is complete", async () => {
  const caller = new Caller();
  await caller.say("GET / HTTP/1.1\r\n");
  caller.peer.abort();
  await assertRejects(() => caller.serve(), StreamError, "closed before its request was complete");
});
Deno.test("HTTP-LISTEN stops reading a request when the session is cancelled", async () => {
  const stop = new AbortController();
  const caller = new Caller({}, { signal: stop.signal });
  const serving = caller.serve();
  const reason = new StreamError("stopping");
  stop.abort(reason);
  assertEquals(await serving.catch((error) => error), reason);
});

Deno.test("HTTP checks its settings before anything opens", async () => {
  const check = (settings: Record<string, unknown>, role: "connect" | "listen") => {
    const spec = http.spec.parse(settings, "");
    http.check!(spec, { role, direction: "both" });
  };
  check({ method: "GET,POST", status: 201 }, "listen");
  check({ method: "PUT", fail: false }, "connect");
  for (
    const [settings, role] of [
      [{ method: "GET,POST" }, "connect"],
      [{ method: "CONNECT" }, "connect"],
      [{ status: 201 }, "connect"],
      [{ fail: false }, "listen"],
      [{ basic_auth: "a:b", basic_auth_file: "f" }, "connect"],
      [{ header: ["Content-Length: 3"] }, "connect"],
      [{ header: ["transfer-encoding: chunked"] }, "listen"],
      [{ header: ["no colon"] }, "connect"],
      [{ header: ["a: b\r\nc: d"] }, "connect"],
      [{ status: 101 }, "listen"],
      [{ path: "/\n" }, "connect"],
    ] as const
  ) {
    await assertRejects(async () => check(settings, role), ConfigError);
  }
});
