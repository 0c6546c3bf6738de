// TLS over memory streams: what a fault is called, what an end is and what a cut, and certificates that change.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { L7mpError, StreamError } from "../../lib/errors.ts";
import { Log } from "../../lib/log.ts";
import { delegateBytes } from "../../lib/stream/delegate.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { bytesOf, readAll, readBytes, settledAt, textOf } from "../../tests/support/streams.ts";
import type { TlsStream } from "./stream.ts";
import { tls } from "./tls.ts";
import { certificates, connected, factsOf, good, type Settings, specOf, test, trusting } from "./_test_handshake.ts";

/** Takes what is written a while later. */
function slowly(stream: ByteStream): ByteStream {
  return delegateBytes(stream, {
    async write(bytes) {
      const copy = bytes.slice();
      await new Promise((resolve) => setTimeout(resolve, 1));
      await stream.write(copy);
    },
  });
}

test("closeWrite() comes after all that was encrypted, however slowly it is taken", async () => {
  const [near, far] = bytePair();
  const { client, server, release } = await connected(trusting, good, [slowly(near), slowly(far)]);
  const sent = new Uint8Array(300_000).map((_, i) => i % 251);
  const send = async (stream: ByteStream) => {
    for (let at = 0; at < sent.length; at += 50_000) await stream.write(sent.subarray(at, at + 50_000));
    await stream.closeWrite();
  };
  const [, , one, other] = await Promise.all([send(client), send(server), readAll(client), readAll(server)]);
  assertEquals(one, sent);
  assertEquals(other, sent);
  release();
});

test("closeWrite() fails with the stream also where that fails between two steps of it", async () => {
  const [near, far] = bytePair();
  const stuck = delegateBytes(near, { closeWrite: () => new Promise(() => {}) });
  const { client, release } = await connected(trusting, good, [stuck, far]);
  const { socket } = client as TlsStream;
  socket.end = (done) => {
    (done as () => void)();
    socket.emit("error", new Error("in between"));
    return socket;
  };
  await assertRejects(() => client.closeWrite(), StreamError, "in between");
  release();
});

/** What the server makes of a client that sends `bytes`, and ends or stays. */
async function rawClient(bytes: Uint8Array, ends: boolean, settings: Settings = {}): Promise<L7mpError> {
  const [near, far] = bytePair();
  const serving = tls.server!(far, specOf({ ...good, ...settings }), testContext()).then(() => {
    throw new Error("the handshake succeeded");
  }, (error) => error);
  await near.write(bytes);
  if (ends) await near.closeWrite();
  const fault = await serving;
  // Everything is released: the peer is not left waiting either.
  await readAll(near).catch(() => {});
  near.abort();
  assert(fault instanceof L7mpError, String(fault));
  assertEquals(fault.level, "warn");
  return fault;
}

test("server() names a client that speaks something else", async () => {
  for (const text of ["GET / HTTP/1.1\r\n\r\n", "\x00\x01\x02\x03\x04\x05", "\x16\x03\x01\xff\xffgarbage"]) {
    const { message } = await rawClient(bytesOf(text), false);
    assertEquals(message, "TLS handshake with memory failed: wrong version number (the peer does not speak TLS)");
  }
});

test("server() names a client that leaves in the handshake", async () => {
  for (const text of ["", "\x16\x03\x01"]) {
    const { message } = await rawClient(bytesOf(text), true);
    assertEquals(message, "TLS handshake with memory failed: connection closed by the peer");
  }
});

test("both sides say that a connection was reset in the handshake", async () => {
  for (const role of ["server", "client"] as const) {
    const [near, far] = bytePair();
    const shaking = tls[role]!(far, specOf(role === "server" ? good : trusting), testContext()).catch((error) => error);
    near.abort(new StreamError("pulled the plug"));
    const error = await shaking;
    assertMatch(error.message, /^TLS handshake with memory failed: (read|write)\(memory\): Connection reset by peer$/);
    assertEquals([error.code, error.retryable], ["ECONNRESET", true]);
  }
});

test("server() gives up a silent client after handshake-timeout", async () => {
  const { message, code } = await rawClient(bytesOf("\x16\x03\x01"), false, { handshake_timeout: 50 });
  assertEquals(message, "TLS handshake with memory failed: not done within 0.05 s (handshake-timeout)");
  assertEquals(code, "ETIMEDOUT");
});

test("server() gives up a client that sends a byte at a time for longer than handshake-timeout", async () => {
  const [near, far] = bytePair();
  const serving = tls.server!(far, specOf({ ...good, handshake_timeout: 200 }), testContext()).catch((error) => error);
  let over = false;
  serving.then(() => over = true);
  const hello = new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
  let i = 0;
  for (; !over && i < 100; i++) {
    await near.write(hello.subarray(Math.min(i, 10), Math.min(i, 10) + 1)).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertLess(i, 100, "each byte gave it more time");
  assertMatch((await serving).message, /not done within 0\.2 s \(handshake-timeout\)$/);
  near.abort();
});

test("client() names a server that speaks something else or leaves", async () => {
  for (
    const [text, fault] of [
      ["220 mail.example ESMTP\r\n", "wrong version number (the peer does not speak TLS)"],
      ["", "connection closed by the peer"],
    ] as const
  ) {
    const [near, far] = bytePair();
    const connecting = tls.client!(near, specOf(trusting), testContext()).catch((error) => error);
    await far.write(bytesOf(text));
    await far.closeWrite();
    assertEquals((await connecting).message, `TLS handshake with memory failed: ${fault}`);
    await readAll(far).catch(() => {});
    far.abort();
  }
});

test("client() and server() reject with the reason of a cancel in the handshake", async () => {
  for (const side of ["client", "server"] as const) {
    const [near, far] = bytePair();
    const cancel = new AbortController();
    const context = testContext({ signal: cancel.signal });
    const running = side === "client"
      ? tls.client!(near, specOf(trusting), context)
      : tls.server!(near, specOf(good), context);
    const outcome = running.catch((error) => error);
    const reason = new StreamError("stopping");
    if (side === "client") await far.read();
    cancel.abort(reason);
    assertStrictEquals(await outcome, reason);
    await assertRejects(() => far.read());
    far.abort();
  }
});

test("an end without close_notify is an error, whatever came before it", async () => {
  for (const side of ["client", "server"] as const) {
    for (const text of ["", "half a mess"]) {
      const pair = await connected();
      const [cutter, victim] = side === "client" ? [pair.client, pair.server] : [pair.server, pair.client];
      if (text !== "") await cutter.write(bytesOf(text));
      await (side === "client" ? pair.near : pair.far).closeWrite();
      assertEquals(textOf(await readBytes(victim, text.length)), text);
      const fault = await victim.read().catch((error) => error);
      assert(fault instanceof StreamError, `taken for an end: ${fault}`);
      assertEquals(fault.code, "CUT");
      assertMatch(fault.message, /connection closed without close_notify/);
      pair.release();
    }
  }
});

test("an end with close_notify is one, also when nobody reads until the stream below has ended", async () => {
  const pair = await connected();
  const sent = new Uint8Array(40_000).fill(7);
  await pair.client.write(sent);
  await pair.client.closeWrite();
  await settledAt(() => 0);
  assertEquals(await readAll(pair.server), sent);
  await pair.server.write(bytesOf("answer"));
  await pair.server.closeWrite();
  assertEquals(textOf(await readAll(pair.client)), "answer");
  pair.release();
});

test("abort() of a session that is done says so, also when the process stands still just then", async () => {
  const [near, far] = bytePair();
  const pair = await connected(trusting, good, [near, slowly(far)]);
  await pair.server.write(bytesOf("answer"));
  pair.server.abort();
  // Nothing of this process runs, and the limit on the farewell, a second, is over.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1700);
  assertEquals(textOf(await readAll(pair.client)), "answer");
  pair.release();
});

test("server() hears a client whose whole say comes with the end of its handshake", async () => {
  for (const text of ["all of it", ""]) {
    const [near, before] = bytePair();
    const [behind, far] = bytePair();
    const { signal } = new AbortController();
    const serving = tls.server!(far, specOf(good), testContext()).then((incoming) => incoming.accept(signal));
    // The client's first flight as it is, all that follows in one piece.
    const passing = (async () => {
      await behind.write((await before.read())!);
      const rest: number[] = [];
      for (let block = await before.read(); block !== null; block = await before.read()) rest.push(...block);
      await behind.write(new Uint8Array(rest));
      await behind.closeWrite();
    })();
    const answering = (async () => {
      for (let block = await behind.read(); block !== null; block = await behind.read()) await before.write(block);
      await before.closeWrite();
    })();
    const client = await tls.client!(near, specOf(trusting), testContext()) as ByteStream;
    await client.write(bytesOf(text));
    await client.closeWrite();
    const server = await serving as ByteStream;
    assertEquals(textOf(await readAll(server)), text);
    await server.write(bytesOf("answer"));
    await server.closeWrite();
    assertEquals(textOf(await readAll(client)), "answer");
    await Promise.all([passing, answering]);
    client.abort();
    server.abort();
  }
});

test("a peer that has ended and left is not missed by closeWrite()", async () => {
  const pair = await connected();
  await pair.client.write(bytesOf("that is all"));
  await pair.client.closeWrite();
  assertEquals(textOf(await readAll(pair.server)), "that is all");
  pair.near.abort(new StreamError("gone", { code: "ECONNRESET" }));
  await pair.server.closeWrite();
  pair.release();
});

test("what a peer said before it left is read, also when closeWrite() is the first to find that out", async () => {
  for (const announced of [true, false]) {
    const [near, far] = bytePair();
    let left = false;
    const gone = new StreamError("write(memory): Broken pipe", { code: "EPIPE" });
    // As a socket whose peer is gone: nothing can be sent, what had arrived can be read, and then that is its error.
    const leaving = delegateBytes(near, {
      write: (bytes) => left ? Promise.reject(gone) : near.write(bytes),
      closeWrite: () => left ? Promise.reject(gone) : near.closeWrite(),
    });
    const { client, server, release } = await connected(trusting, good, [leaving, far]);
    await server.write(bytesOf("that is all"));
    if (announced) await server.closeWrite();
    else far.abort();
    left = true;
    const closing = client.closeWrite();
    if (announced) {
      await closing;
      assertEquals(textOf(await readAll(client)), "that is all");
    } else {
      closing.catch(() => {});
      await assertRejects(() => readAll(client), StreamError, "without close_notify");
    }
    release();
  }
});

test("a certificate that changed is in use at the next handshake, and no good one is not", async () => {
  const directory = await Deno.makeTempDir();
  const lines: string[] = [];
  const log = new Log({
    level: "notice",
    format: "socat",
    program: "l7mp",
    microseconds: false,
    pid: 1,
    write: (line) => lines.push(line.replace(/^.*\] /, "")),
  });
  try {
    const cert = `${directory}/cert.pem`;
    await Deno.copyFile(certificates.path("server-both.pem"), cert);
    const server = tls.spec.parse({ cert }, "");
    const meet = async () => {
      const [near, far] = bytePair();
      const context = testContext({ log });
      const serving = tls.server!(far, server, context).then((incoming) => incoming.accept(context.signal));
      const client = await tls.client!(near, specOf(trusting), context) as ByteStream;
      return { client, server: await serving as ByteStream };
    };
    const owner = ({ client }: { client: ByteStream }) => factsOf(client).peer?.subject.O;
    const first = await meet();
    assertEquals(owner(first), undefined);
    await Deno.copyFile(certificates.path("renewed-both.pem"), cert);
    const second = await meet();
    assertEquals(owner(second), "renewed");
    await Deno.writeTextFile(cert, "nothing of use");
    for (let i = 0; i < 2; i++) {
      const third = await meet();
      assertEquals(owner(third), "renewed");
      third.client.abort();
      third.server.abort();
    }
    assertEquals(lines, [
      `N certificates read again: ${cert}`,
      `W cert "${cert}": no certificate found in PEM data; the certificates read before stay in use`,
    ]);
    // The session from before is as it was.
    await first.client.write(bytesOf("still here"));
    assertEquals(textOf(await readBytes(first.server, 10)), "still here");
    for (const { client, server } of [first, second]) {
      client.abort();
      server.abort();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

test("prepare() warns of what is not checked, and only of that", async () => {
  const warnings = async (settings: Settings, role: "connect" | "listen", carries = false) => {
    const lines: string[] = [];
    const log = new Log({
      level: "warn",
      format: "socat",
      program: "l7mp",
      microseconds: false,
      pid: 1,
      write: (line) => lines.push(line.replace(/^.*\] W /, "")),
    });
    await tls.prepare!(specOf(settings), { role, carries }, testContext({ log }));
    return lines.join("\n");
  };
  assertEquals(await warnings(trusting, "connect"), "");
  assertEquals(
    await warnings({ ...trusting, verify: false }, "connect"),
    "OPENSSL: the server's certificate is not checked (verify=0)",
  );
  assertEquals(await warnings({ ...good, verify: false }, "listen"), "");
  assertEquals(await warnings({ ...good, cafile: "ca.pem" }, "listen"), "");
  assertEquals(await warnings(good, "listen", true), "", "as a part of WSS-LISTEN");
  assertEquals(
    await warnings(good, "listen"),
    "OPENSSL-LISTEN: clients are not checked; cafile=FILE checks them, verify=0 says that this is meant",
  );
  assertEquals(
    await warnings({ ...trusting, dhparams: "x", compress: "none" }, "connect").then((text) => text.split("\n")),
    [
      'OPENSSL: option "compress" has no effect',
      'OPENSSL: option "dhparams" has no effect',
    ],
  );
});
