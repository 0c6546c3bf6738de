// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { type L7mpError, StreamError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import { noFlows, relay, type RelaySummary } from "../../lib/stream/relay.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { bytesOf, patternBytes, readAll, settledAt, textOf } from "../../tests/support/streams.ts";
import { http } from "./http.ts";

const never = new AbortController().signal;

interface Exchange {
  readonly caller: ByteStream;
  readonly server: ByteStream;
  readonly incoming: Incoming;
  readonly ended: Promise<RelaySummary>;
}

/** A caller's connection to our listener. */
function connection(): [caller: ByteStream, listener: ByteStream] {
  return bytePair({ info: { remote: { family: "inet", host: "10.0.0.9", port: 4711 } } });
}

/** One request on `lower`, passed on to a server; the test plays both ends. */
async function serve(
  [caller, lower]: [ByteStream, ByteStream],
  settings: { listener?: Record<string, unknown>; cluster?: Record<string, unknown>; context?: Partial<Context> } = {},
): Promise<Exchange> {
  const context = testContext({ followUps: true });
  const incoming = await http.server!(lower, http.spec.parse(settings.listener ?? {}, ""), context);
  const [server, below] = bytePair({ info: { remote: { family: "inet", host: "10.0.0.1", port: 80 } } });
  const own = { ...context, ...settings.context, downstream: incoming.info };
  const upstream = await http.client!(below, http.spec.parse(settings.cluster ?? {}, ""), own);
  const downstream = await incoming.accept(never);
  const way = { steps: [], payload: "byte" } as const;
  const limits = { lingerMs: 60_000, idleTimeoutMs: Infinity, signal: never, flows: noFlows() };
  const ended = relay(downstream, upstream, { ltr: way, rtl: way, direction: "both", ...limits });
  return { caller, server, incoming, ended };
}

async function exchange(wire: string, settings: Parameters<typeof serve>[1] = {}): Promise<Exchange> {
  const pair = connection();
  await pair[0].write(bytesOf(wire));
  return await serve(pair, settings);
}

/** What comes until `end` is in it. */
async function until(stream: ByteStream, end: string): Promise<string> {
  let text = "";
  while (!text.includes(end)) {
    const bytes = await stream.read();
    if (bytes === null) throw new Error(`ended without ${JSON.stringify(end)}: ${JSON.stringify(text)}`);
    text += textOf(bytes);
  }
  return text;
}

const headEnd = "\r\n\r\n";
const get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const day = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
const plain = { cluster: { forwarded: "off" } };

/** What the caller of `wire` gets where the server answers with `answer` and closes; its connection ends with that. */
async function answered(wire: string, answer: string, settings: Parameters<typeof serve>[1] = {}): Promise<string> {
  const { caller, server, ended, incoming } = await exchange(wire, settings);
  await until(server, headEnd);
  await server.write(bytesOf(answer));
  await server.closeWrite();
  await ended;
  await caller.closeWrite();
  assertEquals(await incoming.next!(never), null);
  return textOf(await readAll(caller));
}

Deno.test("i-33: a request without a body goes on without one, and the connection is for it alone", async () => {
  const { server, caller, ended } = await exchange("DELETE /a?b HTTP/1.1\r\nHost: h:80\r\nA: b\r\n\r\n", plain);
  assertEquals(
    await until(server, headEnd),
    "DELETE /a?b HTTP/1.1\r\nHost: h:80\r\nA: b\r\nConnection: close\r\n\r\n",
  );
  await server.write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  await until(caller, headEnd);
  assertEquals((await ended).end, "eof");
  assertEquals(await server.read(), null);
});
Deno.test("a body goes on as it came: with its length, or in chunks", async () => {
  const requests = [
    ["Content-Length: 5\r\n\r\nhello", "Content-Length: 5\r\nConnection: close\r\n\r\nhello"],
    ["Content-Length: 0\r\n\r\n", "Content-Length: 0\r\nConnection: close\r\n\r\n"],
    [
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
  ];
  for (const [sent, expected] of requests) {
    const { server, caller, ended } = await exchange(`POST / HTTP/1.1\r\nHost: h\r\n${sent}`, plain);
    assertEquals(await until(server, expected!.slice(-9)), `POST / HTTP/1.1\r\nHost: h\r\n${expected}`);
    await server.write(bytesOf("HTTP/1.1 204 No Content\r\n\r\n"));
    await until(caller, headEnd);
    await ended;
  }
});
Deno.test("the head of a request goes on before the first byte of its body", async () => {
  const { server, ended, caller } = await exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  assertStringIncludes(await until(server, headEnd), "Content-Length: 5\r\n");
  caller.abort();
  await ended;
});
Deno.test("a caller that waits for a sign gets it here, and the server is not asked", async () => {
  const { server, ended, caller } = await exchange(
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
  );
  assertEquals(await until(caller, headEnd), "HTTP/1.1 100 Continue\r\n\r\n");
  assert(!(await until(server, headEnd)).includes("Expect"));
  caller.abort();
  await ended;
});
Deno.test("a body that is changed under way is told by what becomes of it", async () => {
  const wire = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
  const { server, ended, caller } = await exchange(wire, { context: { transformed: true } });
  assertStringIncludes(await until(server, "hello"), "Content-Length: 5\r\n");
  await server.write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  assertMatch(await until(caller, "\r\n0\r\n\r\n"), /Transfer-Encoding: chunked\r\n[^]*2\r\nok\r\n/);
  await ended;
});

Deno.test("i-33: status, reason and header of the answer come back, but for those of one connection", async () => {
  const answer = `HTTP/1.1 418 short and stout\r\n${day}Set-Cookie: a\r\nset-cookie: b\r\nConnection: x-hop\r\n` +
    "X-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 3\r\n\r\ntea";
  assertEquals(
    await answered(get, answer),
    `HTTP/1.1 418 short and stout\r\n${day}Set-Cookie: a\r\nset-cookie: b\r\nContent-Length: 3\r\n\r\ntea`,
  );
});
for (
  const [what, wire, answer, expected] of [
    [
      "that ends with its connection",
      get,
      `HTTP/1.0 200\r\n${day}\r\nbody`,
      `HTTP/1.1 200 \r\n${day}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`,
    ],
    [
      "in chunks with trailers",
      get,
      `HTTP/1.1 200 OK\r\n${day}Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nT: 1\r\nHost: x\r\n\r\n`,
      `HTTP/1.1 200 OK\r\n${day}Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nT: 1\r\n\r\n`,
    ],
    [
      "in chunks for HTTP/1.0",
      "GET / HTTP/1.0\r\n\r\n",
      `HTTP/1.1 200 OK\r\n${day}Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nT: 1\r\n\r\n`,
      `HTTP/1.1 200 OK\r\n${day}Connection: close\r\n\r\nbody`,
    ],
    [
      "to HEAD",
      "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
      `HTTP/1.1 200 OK\r\n${day}Content-Length: 9\r\n\r\n`,
      `HTTP/1.1 200 OK\r\n${day}Content-Length: 9\r\n\r\n`,
    ],
    [
      "204",
      get,
      `HTTP/1.1 204 No Content\r\n${day}Content-Length: 0\r\nA: b\r\n\r\n`,
      `HTTP/1.1 204 No Content\r\n${day}A: b\r\n\r\n`,
    ],
    [
      "304",
      get,
      `HTTP/1.1 304 Not Modified\r\n${day}ETag: "a"\r\nContent-Length: 9\r\n\r\n`,
      `HTTP/1.1 304 Not Modified\r\n${day}ETag: "a"\r\nContent-Length: 9\r\n\r\n`,
    ],
    [
      "after interim ones",
      get,
      `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n${day}Content-Length: 0\r\n\r\n`,
      `HTTP/1.1 200 OK\r\n${day}Content-Length: 0\r\n\r\n`,
    ],
  ]
) {
  Deno.test(`an answer ${what} is passed on`, async () => {
    assertEquals(await answered(wire!, answer!), expected);
  });
}
Deno.test("an answer without a date gets one, and those that the listener adds", async () => {
  const said = await answered(get, "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n", {
    listener: { header: ["a: 2"], status: 201, content_type: "x/y" },
  });
  assertMatch(said, /^HTTP\/1\.1 200 OK\r\nDate: .*GMT\r\na: 2\r\nContent-Length: 0\r\n\r\n$/);
});
Deno.test("the head of an answer does not wait for its body", async () => {
  const { server, caller, ended } = await exchange(get);
  await until(server, headEnd);
  await server.write(bytesOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
  assertStringIncludes(await until(caller, headEnd), "200 OK");
  await server.write(bytesOf("5\r\nevent\r\n"));
  assertEquals(await until(caller, "event\r\n"), "5\r\nevent\r\n");
  caller.abort();
  server.abort();
  await ended;
});
Deno.test("requests on one connection go on one after another", async () => {
  const pair = connection();
  await pair[0].write(bytesOf(get + get));
  for (let lower: ByteStream | undefined = pair[1], i = 0; i < 2; i++) {
    const { caller, server, incoming, ended }: Exchange = await serve([pair[0], lower!]);
    await until(server, headEnd);
    await server.write(bytesOf(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${i}`));
    assertStringIncludes(await until(caller, `${headEnd}${i}`), "Content-Length: 1\r\n");
    await ended;
    if (i === 0) lower = await (await incoming.next!(never))!.accept(never) as ByteStream;
    else caller.abort();
    if (i === 1) assertEquals(await incoming.next!(never), null);
  }
});

for (
  const [what, answer, status] of [
    ["no answer", "", 502],
    ["no HTTP", "SSH-2.0\r\n\r\n", 502],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 502],
    ["a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 502],
    ["a head too large", `HTTP/1.1 200 OK\r\nA: ${"x".repeat(66_000)}\r\n\r\n`, 502],
    ["a protocol nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502],
  ] as const
) {
  Deno.test(`i-29: ${what} from the server is ${status}`, async () => {
    const { server, caller, ended } = await exchange(get);
    await until(server, headEnd);
    await server.write(bytesOf(answer)).catch(() => {});
    server.abort();
    assertEquals((await ended).end, "error");
    assertStringIncludes(await until(caller, "}\n"), `HTTP/1.1 ${status} `);
    caller.abort();
  });
}
for (const framing of ["Content-Length: 9\r\n\r\nhal", "Transfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n"]) {
  Deno.test(`a body that is cut is cut for the caller: ${framing.slice(0, 14)}`, async () => {
    const { server, caller, ended } = await exchange(get);
    await until(server, headEnd);
    await server.write(bytesOf(`HTTP/1.1 200 OK\r\n${framing}`));
    await until(caller, "hal");
    const rest = readAll(caller).then(textOf);
    server.abort();
    assertEquals((await ended).end, "error");
    await assertRejects(() => rest, StreamError);
  });
}
Deno.test("an answer that comes before the request is complete is passed on; the caller may then stop, or go on", async () => {
  const wire = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhal";
  const answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
  const stops = await exchange(wire);
  await until(stops.server, "hal");
  await stops.server.write(bytesOf(answer));
  assertStringIncludes(await until(stops.caller, "no"), "413 Content Too Large");
  // The end of the answer has to pass, too.
  await new Promise((resolve) => setTimeout(resolve, 0));
  stops.caller.abort();
  const { end, error } = await stops.ended;
  assertEquals([end, (error as L7mpError).level], ["error", "info"]);

  const goes = await exchange(wire);
  await until(goes.server, "hal");
  await goes.server.write(bytesOf(answer));
  await until(goes.caller, "no");
  await goes.caller.write(bytesOf("f-done"));
  assertEquals(await until(goes.server, "done"), "f-done");
  assertEquals((await goes.ended).end, "eof");
  await goes.caller.write(bytesOf(get));
  const next = await goes.incoming.next!(never);
  (await next!.accept(never)).abort();
});
Deno.test("an answer to a caller that is still sending can be read after the session has ended", async () => {
  const { caller, stream } = await given("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhal", 200, [[
    "Content-Length",
    "2",
  ]]);
  assertEquals(textOf((await stream.read())!), "hal");
  const reading = stream.read().catch(() => {});
  await stream.write(bytesOf("ok"));
  await stream.closeWrite();
  stream.abort(new StreamError("the other side takes no more"));
  assertStringIncludes(textOf(await readAll(caller)), "\r\n\r\nok");
  caller.abort();
  await reading;
});

Deno.test("a server that is slow holds its caller back, and the reverse", async () => {
  const upload = connection();
  await upload[0].write(bytesOf(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${2 ** 30}\r\n\r\n`));
  const up = await serve(upload);
  let sent = 0;
  let pushes = true;
  const pushing = (async () => {
    while (pushes) {
      await up.caller.write(patternBytes(16_384));
      sent += 16_384;
    }
  })().catch(() => {});
  assert(await settledAt(() => sent) < 1_000_000);
  pushes = false;
  up.server.abort(new StreamError("done"));
  await up.ended;
  up.caller.abort();
  await pushing;

  const down = await exchange(get);
  await until(down.server, headEnd);
  await down.server.write(bytesOf(`HTTP/1.1 200 OK\r\nContent-Length: ${2 ** 30}\r\n\r\n`));
  let answered = 0;
  const answering = (async () => {
    for (;;) {
      await down.server.write(patternBytes(16_384));
      answered += 16_384;
    }
  })().catch(() => {});
  assert(await settledAt(() => answered) < 1_000_000);
  down.caller.abort(new StreamError("done"));
  await down.ended;
  await answering;
});

const wish =
  "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-A: b\r\n\r\n";
const switching = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nConnection: upgrade\r\nSec-B: c\r\n\r\n";

Deno.test("an upgrade is passed on, and then the bytes of both ends, with their ends", async () => {
  const { server, caller, ended } = await exchange(`${wish}early`, plain);
  assertEquals(
    await until(server, headEnd),
    "GET /chat HTTP/1.1\r\nHost: h\r\nSec-A: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  await server.write(bytesOf(`${switching}hi`));
  assertEquals(
    await until(caller, "hi"),
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nupgrade: websocket\r\nSec-B: c\r\n\r\nhi",
  );
  assertEquals(await until(server, "early"), "early");
  await caller.write(bytesOf("more"));
  await caller.closeWrite();
  assertEquals(textOf(await readAll(server)), "more");
  await server.write(bytesOf("last"));
  await server.closeWrite();
  assertEquals(textOf(await readAll(caller)), "last");
  assertEquals((await ended).end, "eof");
});
Deno.test("after an upgrade a reset is passed on in both directions", async () => {
  for (const ends of ["caller", "server"] as const) {
    const talk = await exchange(wish);
    await until(talk.server, headEnd);
    await talk.server.write(bytesOf(switching));
    await until(talk.caller, headEnd);
    const other = ends === "caller" ? talk.server : talk.caller;
    const reading = other.read();
    talk[ends].abort(new StreamError("reset"));
    await assertRejects(() => reading, StreamError);
    assertEquals((await talk.ended).end, "error");
  }
});
Deno.test("an upgrade that is refused is an answer like others, and the connection goes on", async () => {
  const { server, caller, ended, incoming } = await exchange(wish);
  await until(server, headEnd);
  await server.write(bytesOf("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"));
  assertMatch(await until(caller, "no"), /^HTTP\/1\.1 403 Forbidden\r\n[^]*\r\n\r\nno$/);
  assertEquals((await ended).end, "eof");
  await caller.write(bytesOf(get));
  const next = await incoming.next!(never);
  assert(next !== null);
  (await next.accept(never)).abort();
});
Deno.test("HTTP/2 is not passed on as an upgrade", async () => {
  const h2c =
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n";
  const { server, caller, ended } = await exchange(h2c, plain);
  assertEquals(await until(server, headEnd), "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  caller.abort();
  server.abort();
  await ended;
});
Deno.test("an upgrade that nobody answers is 504 after a minute", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const { server, caller, ended } = await exchange(wish);
    await until(server, headEnd);
    await clock.tickAsync(60_001);
    assertEquals((await ended).end, "error");
    assertStringIncludes(await until(caller, "}\n"), "HTTP/1.1 504 Gateway Timeout\r\n");
    caller.abort();
    await clock.tickAsync(1_001);
  } finally {
    clock.uninstall();
  }
});
Deno.test("a request to upgrade that no HTTP server takes ends like any other", async () => {
  const [caller, lower] = connection();
  await caller.write(bytesOf(wish));
  const incoming = await http.server!(lower, http.spec.parse({}, ""), testContext());
  const stream = await incoming.accept(never) as ByteStream;
  assertEquals(await stream.read(), null);
  await stream.closeWrite();
  stream.abort();
  assertStringIncludes(await until(caller, headEnd), "HTTP/1.1 200 OK\r\n");
});

/** A listener's stream for `wire`, whose answer's head is `status` with `lines`. */
async function given(wire: string, status: number, lines: readonly (readonly [string, string])[]) {
  const [caller, lower] = connection();
  await caller.write(bytesOf(wire));
  const incoming = await http.server!(lower, http.spec.parse({}, ""), testContext());
  const stream = await incoming.accept(never) as ByteStream;
  incoming.info.respond!({ status, headers: lines });
  return { caller, stream, info: incoming.info };
}
Deno.test("a head given without a reason gets the usual one, and only the first counts", async () => {
  const { caller, stream, info } = await given(get, 404, [["A", "b"]]);
  info.respond!({ status: 500, headers: [] });
  await stream.write(bytesOf("x"));
  assertMatch(
    await until(caller, "x\r\n"),
    /^HTTP\/1\.1 404 Not Found\r\nDate: .*\r\nA: b\r\nTransfer-Encoding: chunked\r\n/,
  );
  info.respond!({ status: 500, headers: [] });
  stream.abort(new StreamError("done"));
});
Deno.test("an answer of another length than was told is a cut, not another answer", async () => {
  const long = await given(get, 200, [["Content-Length", "1"]]);
  await assertRejects(() => long.stream.write(bytesOf("ab")), StreamError, "longer than its Content-Length");
  const short = await given(get, 200, [["Content-Length", "3"]]);
  await short.stream.write(bytesOf("ab"));
  const error = await assertRejects(() => short.stream.closeWrite(), StreamError, "shorter than its Content-Length");
  assertStringIncludes(error.message, "http from ");
  const rest = readAll(short.caller);
  short.stream.abort(error);
  await assertRejects(() => rest, StreamError);
  long.stream.abort(new StreamError("done"));
});
Deno.test("a head that cannot be written is refused where it is given", async () => {
  const [caller, lower] = connection();
  await caller.write(bytesOf(get));
  const incoming = await http.server!(lower, http.spec.parse({}, ""), testContext());
  const stream = await incoming.accept(never) as ByteStream;
  await assertRejects(async () => incoming.info.respond!({ status: 200, headers: [["A", "b\r\nc"]] }), RangeError);
  stream.abort(new StreamError("done"));
  assertStringIncludes(await until(caller, "}\n"), "502 Bad Gateway");
  caller.abort();
});
