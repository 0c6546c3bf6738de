// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConfigError, EndedError, LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { collectingLog } from "../../tests/support/steps.ts";
import { bytesOf, readAll, receiveSome, textOf } from "../../tests/support/streams.ts";
import { endPair, frame, openPair, request, serve, type Settings } from "./_test_pair.ts";
import { WebSocketClosedError } from "./stream.ts";
import { ws } from "./ws.ts";

Deno.test("ws delivers empty messages, and with zero-ok=0 skips them", async () => {
  for (const [zero_ok, lengths] of [[undefined, [0, 1]], [false, [1]]] as const) {
    const pair = await openPair({ server: { zero_ok } });
    await pair.client.send([{ data: new Uint8Array() }, { data: new Uint8Array(1) }]);
    const received = await receiveSome(pair.server, lengths.length);
    assertEquals(received.map((data) => data.length), [...lengths]);
    await endPair(pair);
  }
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
