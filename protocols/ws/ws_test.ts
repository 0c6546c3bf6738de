// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { ConfigError, ConnectError, EndedError, LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { collectingLog } from "../../tests/support/steps.ts";
import { bytesOf, readAll, receiveSome, textOf } from "../../tests/support/streams.ts";
import { WebSocketClosedError } from "./stream.ts";
import { ws } from "./ws.ts";

type Settings = Record<string, unknown>;

function connect(lower: ByteStream, settings: Settings = {}, context = testContext()): Promise<DatagramStream> {
  return ws.client!(lower, ws.spec.parse(settings, ""), context) as Promise<DatagramStream>;
}
function serve(lower: ByteStream, settings: Settings = {}, context = testContext()): Promise<Incoming> {
  return ws.server!(lower, ws.spec.parse(settings, ""), context);
}
const example = { address: "h.example", port: 8080, path: "/p" };

/** Both sides of a WebSocket, each with its own settings and context. */
async function openPair(
  { client = {}, server = {}, clientContext = testContext(), serverContext = testContext() }: {
    client?: Settings;
    server?: Settings;
    clientContext?: Context;
    serverContext?: Context;
  } = {},
): Promise<{ client: DatagramStream; server: DatagramStream; incoming: Incoming; lowers: [ByteStream, ByteStream] }> {
  const [a, b] = bytePair();
  const connecting = connect(a, { ...example, ...client }, clientContext);
  const incoming = await serve(b, server, serverContext);
  const [one, two] = await Promise.all([connecting, incoming.accept(serverContext.signal)]);
  return { client: one, server: two as DatagramStream, incoming, lowers: [a, b] };
}

/** Ends both sides in the ordinary way, so that no timer is left. */
async function endPair({ client, server }: { client: DatagramStream; server: DatagramStream }): Promise<void> {
  await Promise.all([client.closeWrite(), server.closeWrite()]);
  while (await client.receive() !== null);
  while (await server.receive() !== null);
  client.abort();
  server.abort();
}

const handshake = [
  "GET /p HTTP/1.1",
  "Host: h",
  "Upgrade: websocket",
  "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
];

/** The handshake of RFC 6455 section 1.2, with lines replaced or left out (`undefined`) by name. */
function request(changes: Record<string, string | undefined> = {}, first = handshake[0]!): Uint8Array {
  const lines = new Map(handshake.slice(1).map((line) => [line.split(":")[0]!, line]));
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) lines.delete(name);
    else lines.set(name, `${name}: ${value}`);
  }
  return bytesOf([first, ...lines.values(), "", ""].join("\r\n"));
}

/** A masked frame with a mask of zeros, as a client sends it. */
function frame(opcode: number, payload: Uint8Array): Uint8Array {
  return new Uint8Array([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

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

Deno.test("ws delivers empty messages, and with zero-ok=0 skips them", async () => {
  for (const [zero_ok, lengths] of [[undefined, [0, 1]], [false, [1]]] as const) {
    const pair = await openPair({ server: { zero_ok } });
    await pair.client.send([{ data: new Uint8Array() }, { data: new Uint8Array(1) }]);
    const received = await receiveSome(pair.server, lengths.length);
    assertEquals(received.map((data) => data.length), [...lengths]);
    await endPair(pair);
  }
});

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
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
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

Deno.test("WebSocket sends a message without a type as its settings say", async () => {
  const latin1 = new Uint8Array([0xe9]);
  const http = (messageType: "text" | "binary") => ({ headers: [], noClose: false, messageType });
  for (
    const [settings, defaults, expected] of [
      [{}, undefined, ["binary", "binary"]],
      [{ binary: true }, http("text"), ["binary", "binary"]],
      [{ text: true }, http("binary"), ["text"]],
      [{}, http("text"), ["text"]],
      [{ lines: true }, undefined, ["text", "binary"]],
      [{ lines: true, binary: true }, undefined, ["binary", "binary"]],
      [{ lines: true }, http("binary"), ["binary", "binary"]],
    ] as const
  ) {
    const { log, lines } = collectingLog();
    const pair = await openPair({ client: settings, clientContext: testContext({ http: defaults, log }) });
    await pair.client.send([{ data: bytesOf("é") }, { data: latin1 }, { data: latin1 }]);
    await pair.client.closeWrite();
    const types: (string | undefined)[] = [];
    for (let batch = await pair.server.receive(); batch; batch = await pair.server.receive()) {
      types.push(...batch.map(({ meta }) => meta?.type));
    }
    const [first, ...others] = expected;
    assertEquals(types, [first, ...others, ...others]);
    assertEquals(pair.client.dropped, expected.length === 1 ? 2 : 0);
    const told = lines.filter((line) => !line.startsWith("I"));
    if (expected.length === 1) {
      assertEquals(told.length, 2);
      assertEquals(told[0], "E ws://h.example:8080/p: message of 1 bytes is not UTF-8, so it cannot be text; dropped");
    } else if (first === "text") {
      assertEquals(told, ["W ws://h.example:8080/p: a line is not UTF-8, so it goes out as a binary message"]);
    } else {
      assertEquals(told, []);
    }
    await endPair(pair);
  }
});

Deno.test("WebSocket answers after the peer has closed, and only then closes too", async () => {
  const pair = await openPair();
  await pair.client.send([{ data: bytesOf("question") }]);
  await pair.client.closeWrite();
  assertEquals((await receiveSome(pair.server, 2)).map(textOf), ["question"]);
  await pair.server.send([{ data: bytesOf("answer") }]);
  assertEquals((await receiveSome(pair.client, 1)).map(textOf), ["answer"]);
  let ended = false;
  const end = pair.client.receive().then((value) => {
    ended = true;
    return value;
  });
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(ended, false);
  await pair.server.closeWrite();
  assertEquals(await end, null);
  await endPair(pair);
});

for (
  const [code, reason, message] of [
    [1008, "no", 'closed by peer, code 1008 (policy violation): "no"'],
    [1011, "", "closed by peer, code 1011 (internal error)"],
    [4000, "mine", 'closed by peer, code 4000 (application): "mine"'],
  ] as const
) {
  Deno.test(`WebSocket calls code ${code} an error and a second WebSocket passes it on`, async () => {
    const pair = await openPair({ server: { close_code: code, close_reason: reason } });
    const other = await openPair();
    await pair.server.closeWrite();
    const error = await assertRejects(() => pair.client.receive(), WebSocketClosedError);
    assertEquals(error.message, `ws://h.example:8080/p: ${message}`);
    pair.client.abort(error);
    assertEquals(await pair.server.receive(), null, "the echo of our own code is no error");
    other.server.abort(error);
    const passed = await assertRejects(() => other.client.receive(), WebSocketClosedError);
    assertEquals([passed.closeCode, passed.closeReason], [code, reason]);
    other.client.abort(passed);
    pair.server.abort();
    await Promise.all([...pair.lowers, ...other.lowers].map(gone));
  });
}

/** Resolves when a stream has been let go by whoever owns it. */
async function gone(lower: ByteStream): Promise<void> {
  while (await lower.write(new Uint8Array(1)).then(() => true, () => false)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

for (const code of [1000, 1001]) {
  Deno.test(`WebSocket calls code ${code} an ordinary end`, async () => {
    const { log, lines } = collectingLog();
    const pair = await openPair({ server: { close_code: code }, clientContext: testContext({ log }) });
    await pair.server.closeWrite();
    assertEquals(await pair.client.receive(), null);
    assert(lines[0]!.startsWith(`I ws://h.example:8080/p: closed by peer, code ${code} (`), lines[0]);
    await endPair(pair);
  });
}

for (const [role, level] of [["client", "error"], ["server", "warn"]] as const) {
  Deno.test(`WebSocket as ${role} goes on sending to a peer that has closed, until that is gone`, async () => {
    const closing = { close_code: 1001, close_reason: "restart" };
    const pair = await openPair({ client: closing, server: closing });
    const [stream, peer] = role === "client" ? [pair.client, pair.server] : [pair.server, pair.client];
    await peer.closeWrite();
    assertEquals(await stream.receive(), null);
    await stream.send([{ data: bytesOf("late") }]);
    assertEquals((await receiveSome(peer, 1)).map(textOf), ["late"]);
    pair.lowers[role === "client" ? 1 : 0].abort(new StreamError("gone"));
    const error = await assertRejects(async () => {
      for (;;) await stream.send([{ data: bytesOf("too late") }]);
    }, EndedError);
    assertEquals(
      error.message,
      `${stream.info.name}: closed by peer, code 1001 (going away): "restart"; what is still to be sent is lost`,
    );
    assertEquals(error.level, level);
    stream.abort(error);
    peer.abort();
  });
}

Deno.test("WebSocket answers the close frame of a peer although the session ends with an error", async () => {
  const pair = await openPair();
  await pair.server.closeWrite();
  assertEquals(await pair.client.receive(), null);
  pair.client.abort(new EndedError("the other side has ended"));
  assertEquals(await pair.server.receive(), null);
  pair.server.abort();
  await Promise.all(pair.lowers.map(gone));
});

Deno.test("WebSocket calls a connection that ends without a close frame code 1006", async () => {
  const [caller, lower] = bytePair();
  await caller.write(request());
  const stream = await (await serve(lower)).accept(testContext().signal) as DatagramStream;
  await caller.closeWrite();
  const error = await assertRejects(() => stream.receive(), WebSocketClosedError);
  assertEquals(error.message, "ws from memory: closed by peer, code 1006 (connection gone without a close frame)");
  stream.abort(error);
});

Deno.test("WebSocket takes a peer that hangs up after our close frame for ended", async () => {
  const [caller, lower] = bytePair();
  await caller.write(request());
  const stream = await (await serve(lower)).accept(testContext().signal) as DatagramStream;
  await stream.closeWrite();
  await caller.closeWrite();
  assertEquals(await stream.receive(), null);
  stream.abort();
});

Deno.test("WebSocket keeps the reason of a lost connection", async () => {
  const pair = await openPair();
  pair.lowers[1].abort(new StreamError("power failure"));
  const error = await assertRejects(() => pair.client.receive(), WebSocketClosedError);
  assertEquals(
    error.message,
    "ws://h.example:8080/p: closed by peer, code 1006 (connection gone without a close frame): " +
      "read(memory): Connection reset by peer",
  );
  pair.client.abort(error);
  pair.server.abort();
});

Deno.test("WebSocket with no-close ends without a close frame, and sends it at the end of the session", async () => {
  const pair = await openPair({ clientContext: testContext({ http: { headers: [], noClose: true } }) });
  await pair.client.closeWrite();
  await pair.server.send([{ data: bytesOf("late") }]);
  assertEquals((await receiveSome(pair.client, 1)).map(textOf), ["late"]);
  const end = pair.server.receive();
  pair.client.abort();
  assertEquals(await end, null);
  pair.server.abort();
  await Promise.all(pair.lowers.map(gone));
});

Deno.test("WebSocket refuses a message beyond max-message, and the peer learns why", async () => {
  const pair = await openPair({ server: { max_message: 1024 } });
  await pair.client.send([{ data: new Uint8Array(1024) }]);
  assertEquals((await receiveSome(pair.server, 1))[0]!.length, 1024);
  await pair.client.send([{ data: new Uint8Array(1025) }]);
  const error = await assertRejects(() => pair.server.receive(), LimitError);
  assertEquals(error.message, "ws from memory: message exceeds max-message=1k");
  pair.server.abort(error);
  const seen = await assertRejects(() => pair.client.receive(), WebSocketClosedError);
  assertEquals(seen.closeCode, 1009);
  pair.client.abort(seen);
  await Promise.all(pair.lowers.map(gone));
});

for (
  const [what, bytes, message] of [
    ["an unmasked frame", new Uint8Array([0x82, 1, 0]), "MASK must be set (RFC 6455 section 5)"],
    ["text that is not UTF-8", frame(1, new Uint8Array([0xe9])), "invalid UTF-8 sequence (RFC 6455 section 8.1)"],
    ["an unknown opcode", frame(3, new Uint8Array(0)), "(RFC 6455 section 5)"],
  ] as const
) {
  Deno.test(`WebSocket calls ${what} a fault of the peer`, async () => {
    const [caller, lower] = bytePair();
    await caller.write(request());
    const stream = await (await serve(lower)).accept(testContext().signal) as DatagramStream;
    await caller.write(bytes);
    const error = await assertRejects(() => stream.receive(), ProtocolError);
    assert(error.message.endsWith(message), error.message);
    stream.abort(error);
    await caller.closeWrite();
    await readAll(caller).catch(() => {});
    await gone(lower);
  });
}

Deno.test("WebSocket gives a silent peer up after its ping", async () => {
  const [caller, lower] = bytePair();
  await caller.write(request());
  const incoming = await serve(lower, { ping_interval: 10, ping_timeout: 20 });
  const stream = await incoming.accept(testContext().signal) as DatagramStream;
  const error = await assertRejects(() => stream.receive(), StreamError);
  assertEquals(error.message, "ws from memory: no answer to ping for 0.02 s");
  stream.abort(error);
});

Deno.test("WebSocket keeps a peer that answers its pings", async () => {
  const pair = await openPair({ server: { ping_interval: 5, ping_timeout: 200 } });
  const receiving = pair.server.receive();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await pair.client.send([{ data: bytesOf("still here") }]);
  assertEquals((await receiving)?.length, 1);
  await endPair(pair);
});

Deno.test("WebSocket checks its settings before anything opens", () => {
  const check = (settings: Settings, role: "connect" | "listen") => () =>
    ws.check!(ws.spec.parse(settings, ""), { role, direction: "both" });
  assertThrows(check({ text: true, binary: true }, "connect"), ConfigError, "exclude each other");
  assertThrows(check({ origin: "http://o" }, "listen"), ConfigError, 'option "origin" does not apply');
  assertThrows(check({ allow_origin: "http://o" }, "connect"), ConfigError, 'option "allow-origin" does not apply');
  assertThrows(check({ close_code: 1006 }, "connect"), ConfigError, "no close frame may carry this code");
  assertThrows(check({ close_reason: "x".repeat(124) }, "connect"), ConfigError, "123 bytes");
  assertThrows(() => ws.spec.parse({ header: ["A: b\r\nC: d"] }, ""), ConfigError, "NAME: VALUE");
  for (const subprotocol of ["a b", "a,a", ","]) {
    assertThrows(check({ subprotocol }, "connect"), ConfigError, "is no list of different words");
  }
  for (const allow_origin of ["*", "http://a/", "localhost"]) {
    assertThrows(check({ allow_origin }, "listen"), ConfigError, "is no origin");
  }
  check(
    { text: true, close_code: 4001, subprotocol: "a, b", allow_origin: "null,https://a:1,http://[::1]" },
    "listen",
  )();
});
