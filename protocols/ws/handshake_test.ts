// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { ConnectError, LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { DatagramStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { collectingLog } from "../../tests/support/steps.ts";
import { bytesOf, readAll, receiveSome, textOf } from "../../tests/support/streams.ts";
import { connect, endPair, example, frame, openPair, request, serve } from "./_test_pair.ts";

for (const answer of ["SSH-2.0-OpenSSH_9.6\r\n", "\x15\x03\x01\x00\x02\x02\x46"]) {
  Deno.test(`a WebSocket client says that the answer ${JSON.stringify(answer)} is not HTTP`, async () => {
    const [lower, peer] = bytePair();
    const connecting = connect(lower, example);
    const refused = assertRejects(() => connecting, ConnectError);
    await peer.read();
    await peer.write(bytesOf(answer));
    await peer.closeWrite();
    assertEquals(
      (await refused).message,
      "ws://h.example:8080/p: the server's answer is not HTTP; is it a WebSocket server? (wss:// for one behind TLS)",
    );
    peer.abort();
  });
}

for (
  const [what, status, settings, head] of [
    ["another path", "404 Not Found", { path: "/chat" }, request()],
    ["a plain request", "426 Upgrade Required", {}, request({ Upgrade: undefined })],
    ["a request whose Connection lacks upgrade", "426 Upgrade Required", {}, request({ Connection: "close" })],
    ["another version", "426 Upgrade Required", {}, request({ "Sec-WebSocket-Version": "12" })],
    ["HTTP/1.0", "426 Upgrade Required", {}, request({}, "GET /p HTTP/1.0")],
    ["a POST", "400 Bad Request", {}, request({}, "POST /p HTTP/1.1")],
    ["a request without key", "400 Bad Request", {}, request({ "Sec-WebSocket-Key": undefined })],
    ["a request without host", "400 Bad Request", {}, request({ Host: undefined })],
    ["a second host", "400 Bad Request", {}, request({ "X": "x\r\nHost: other" })],
    ["what cannot be a host", "400 Bad Request", {}, request({ Host: "a b/c" })],
    ["a target that is no path", "400 Bad Request", {}, request({}, "GET * HTTP/1.1")],
    ["a body", "400 Bad Request", {}, request({ "Content-Length": "5" })],
    ["two lengths of its body", "400 Bad Request", {}, request({ "Content-Length": "0\r\nContent-Length: 5" })],
    ["a body in chunks", "400 Bad Request", {}, request({ "Transfer-Encoding": "chunked" })],
    ["a subprotocol that is no word", "400 Bad Request", {}, request({ "Sec-WebSocket-Protocol": "v1, v 2" })],
    [
      "no subprotocol of ours",
      "400 Bad Request",
      { subprotocol: "v1,v2" },
      request({ "Sec-WebSocket-Protocol": "v3" }),
    ],
    ["a page from elsewhere", "403 Forbidden", { allow_origin: "http://a,http://b" }, request({ Origin: "http://c" })],
    ["what is no HTTP", "400 Bad Request", {}, bytesOf("SSH-2.0-x\r\n\r\n")],
    [
      "an endless head",
      "431 Request Header Fields Too Large",
      {},
      bytesOf("GET / HTTP/1.1\r\nA: ".padEnd(20_000, "x")),
    ],
  ] as const
) {
  Deno.test(`WS-LISTEN answers ${what} with ${status}`, async () => {
    const [caller, lower] = bytePair();
    const serving = serve(lower, settings).then(() => undefined, (error) => error);
    await caller.write(head);
    await caller.closeWrite();
    const answer = textOf(await readAll(caller));
    assertEquals(answer.split("\r\n")[0], `HTTP/1.1 ${status}`);
    const error = await serving;
    assert(error instanceof ProtocolError || error instanceof LimitError, String(error));
  });
}

for (
  const [what, changes, chosen] of [
    ["lists with empty items", { "Sec-WebSocket-Protocol": ",v1,, v1", Upgrade: "h2c, WebSocket" }, "v1"],
    ["an empty list", { "Sec-WebSocket-Protocol": "" }, ""],
    ["a body of no bytes", { "Content-Length": "0" }, ""],
    ["names in lower case", { Connection: undefined, connection: "keep-alive, upgrade" }, ""],
  ] as const
) {
  Deno.test(`WS-LISTEN takes ${what} in a handshake`, async () => {
    const [caller, lower] = bytePair();
    await caller.write(request(changes));
    const { accept } = await serve(lower);
    const server = await accept(testContext().signal) as DatagramStream;
    const answer = textOf((await caller.read())!);
    assertEquals(answer.split("\r\n")[0], "HTTP/1.1 101 Switching Protocols");
    assertEquals(/^Sec-WebSocket-Protocol: (.*)$/im.exec(answer)?.[1] ?? "", chosen);
    caller.abort();
    server.abort();
  });
}

Deno.test("WS-LISTEN answers HEAD without a body", async () => {
  const [caller, lower] = bytePair();
  const refused = assertRejects(() => serve(lower), ProtocolError);
  await caller.write(request({}, "HEAD / HTTP/1.1"));
  await caller.closeWrite();
  const answer = textOf(await readAll(caller));
  assert(answer.endsWith("\r\n\r\n"), answer);
  assertEquals((await refused).level, "warn");
});

Deno.test("WS-LISTEN names caller, request and answer in its error", async () => {
  const [caller, lower] = bytePair();
  const serving = assertRejects(() => serve(lower, { path: "/chat" }), ProtocolError);
  await caller.write(request());
  await caller.closeWrite();
  await readAll(caller);
  assertEquals(
    (await serving).message,
    'ws from memory: answered 404 Not Found to "GET /p": no WebSocket at this path',
  );
});

Deno.test("WS-LISTEN serves listed origins, and callers that are no pages", async () => {
  for (const headers of [{ Origin: "http://B" }, {}]) {
    const [caller, lower] = bytePair();
    await caller.write(request(headers));
    const incoming = await serve(lower, { allow_origin: "http://a,http://b" });
    lower.abort();
    assertEquals(incoming.info.facts?.path, "/p");
  }
});

Deno.test("WS-LISTEN says nothing before accept, and 101 with key, subprotocol and headers then", async () => {
  const [caller, lower] = bytePair();
  await caller.write(request({ "Sec-WebSocket-Protocol": "v2, v1" }));
  const incoming = await serve(lower, { subprotocol: "v1,v2", header: ["X-Served-By: me"] });
  let answer = "";
  const reading = caller.read().then((view) => answer = textOf(view!));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(answer, "");
  const stream = await incoming.accept(testContext().signal);
  await reading;
  assertEquals(answer.split("\r\n"), [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "Sec-WebSocket-Protocol: v2",
    "X-Served-By: me",
    "",
    "",
  ]);
  assertEquals(incoming.info.facts?.subprotocol, "v2");
  stream.abort();
  caller.abort();
  await stream.finished?.();
});

Deno.test("WS-LISTEN answers 502 when the session refuses the caller", async () => {
  const [caller, lower] = bytePair();
  await caller.write(request());
  const incoming = await serve(lower);
  const rejecting = incoming.reject(new ConnectError("connect(AF=2 10.0.0.1:1): Connection refused"));
  await caller.closeWrite();
  const answer = textOf(await readAll(caller));
  await rejecting;
  assertEquals(answer.split("\r\n")[0], "HTTP/1.1 502 Bad Gateway");
  assert(!answer.includes("10.0.0.1"), "the answer tells strangers about the network behind");
});

Deno.test("WS-LISTEN keeps messages that came with the request", async () => {
  const [caller, lower] = bytePair();
  await caller.write(new Uint8Array([...request(), ...frame(1, bytesOf("early"))]));
  const incoming = await serve(lower);
  const stream = await incoming.accept(testContext().signal) as DatagramStream;
  assertEquals((await receiveSome(stream, 1)).map(textOf), ["early"]);
  stream.abort();
  caller.abort();
});

Deno.test("WS-LISTEN waits ten seconds for a request", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const [caller, lower] = bytePair();
    const serving = serve(lower).then(() => undefined, (error) => error);
    await caller.write(bytesOf("GET / HTTP/1.1\r\n"));
    await clock.tickAsync(10_000);
    const error = await serving;
    assertInstanceOf(error, LimitError);
    assertEquals(error.message, "ws from memory: no complete request within 10 s");
  } finally {
    clock.uninstall();
  }
});

Deno.test("WS sends the headers its options stand for", async () => {
  const http = { headers: ["X-A: global", "x-b: 1"], noClose: false };
  const pair = await openPair({
    client: {
      path: "/p?q=ü#f",
      subprotocol: "v1, v2",
      origin: "http://o",
      useragent: "me/1",
      basic_auth: "u:pä",
      header: ["X-B: 2", "Host: other"],
    },
    clientContext: testContext({ http }),
  });
  const { headers, path } = pair.incoming.info.facts as { headers: Record<string, string>; path: string };
  assertEquals(path, "/p?q=%C3%BC%23f");
  const { "sec-websocket-key": _, ...rest } = headers;
  assertEquals({ ...rest }, {
    host: "other",
    origin: "http://o",
    "user-agent": "me/1",
    authorization: "Basic dTpww6Q=",
    "x-a": "global",
    "x-b": "1, 2",
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-protocol": "v1,v2",
  });
  assertEquals(pair.client.info.facts?.subprotocol, "v1");
  await endPair(pair);
});

Deno.test("WS reports who refused it, with what and where to go", async () => {
  const [lower, peer] = bytePair();
  const { log, lines } = collectingLog();
  const connecting = connect(lower, example, testContext({ log }));
  connecting.catch(() => {});
  await peer.read();
  await peer.write(bytesOf("HTTP/1.1 302 Found\r\nLocation: /q\r\nContent-Length: 300\r\n\r\n" + "b".repeat(300)));
  const error = await assertRejects(() => connecting, ConnectError);
  assertEquals(error.message, "ws://h.example:8080/p: server answered 302 Found instead of 101 (Location: /q)");
  assertEquals(lines, [`I ws://h.example:8080/p: ${"b".repeat(200)}`]);
});

for (
  const [what, answer, message] of [
    ["hangs up", "", "the server closed the connection"],
    [
      "accepts with a wrong key",
      "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: x\r\n\r\n",
      "Sec-WebSocket-Accept",
    ],
    [
      "accepts without Connection: Upgrade",
      "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
      'the answer 101 lacks "Upgrade: websocket"',
    ],
  ] as const
) {
  Deno.test(`WS fails when the server ${what}`, async () => {
    const [lower, peer] = bytePair();
    const connecting = connect(lower, example);
    connecting.catch(() => {});
    await peer.read();
    await peer.write(bytesOf(answer));
    await peer.closeWrite();
    const error = await assertRejects(
      () => connecting,
      ConnectError,
      "ws://h.example:8080/p: WebSocket handshake failed",
    );
    assert(error.message.includes(message), error.message);
    await peer.read().catch(() => {});
  });
}

Deno.test("WS stops connecting when the session is cancelled, and lets go of the connection", async () => {
  const [lower, peer] = bytePair();
  const controller = new AbortController();
  const connecting = connect(lower, example, testContext({ signal: controller.signal })).catch((error) => error);
  await peer.read();
  const reason = new StreamError("session cancelled");
  controller.abort(reason);
  assertStrictEquals(await connecting, reason);
  await assertRejects(() => peer.read(), StreamError);
});
