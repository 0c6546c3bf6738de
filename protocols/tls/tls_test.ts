// TLS over memory streams: who is trusted, what a fault is called, what an end is and what a cut.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectError, L7mpError, StreamError } from "../../lib/errors.ts";
import { Log } from "../../lib/log.ts";
import type { Context } from "../../lib/protocol.ts";
import { delegateBytes } from "../../lib/stream/delegate.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, Stream } from "../../lib/stream/stream.ts";
import { type Certificates, makeCertificates, noOpenssl } from "../../tests/support/certificates.ts";
import { testContext } from "../../tests/support/context.ts";
import { bytesOf, readAll, readBytes, settledAt, textOf } from "../../tests/support/streams.ts";
import type { TlsFacts } from "./handshake.ts";
import type { TlsSpec } from "./spec.ts";
import { tls } from "./tls.ts";

const made = makeCertificates();
const certificates = made as Certificates;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: made ? name : `${name} (skipped: ${noOpenssl})`, ignore: !made, fn });
}

type Settings = Readonly<Record<string, unknown>>;

/** Settings in the document's form; names of files are those of the certificates. */
function specOf(settings: Settings): TlsSpec {
  const files = new Set(["cert", "key", "cafile", "pkcs12"]);
  const entries = Object.entries(settings).map(([key, value]) =>
    [key, files.has(key) && value !== "mozilla" ? certificates.path(String(value)) : value] as const
  );
  return tls.spec.parse(Object.fromEntries(entries), "");
}

const good = { cert: "server-both.pem" };
const trusting = { address: "localhost", cafile: "ca.pem" };

interface Outcome {
  readonly client: PromiseSettledResult<Stream>;
  readonly server: PromiseSettledResult<Stream>;
  readonly near: ByteStream;
  readonly far: ByteStream;
}

interface Contexts {
  readonly client?: Partial<Context>;
  readonly server?: Partial<Context>;
}

/** Both sides' handshakes over two connected streams. */
async function shake(
  client: Settings,
  server: Settings,
  contexts: Contexts = {},
  [near, far]: readonly [ByteStream, ByteStream] = bytePair(),
): Promise<Outcome> {
  const context = testContext(contexts.server);
  const [one, other] = await Promise.allSettled([
    tls.client!(near, specOf(client), testContext(contexts.client)),
    tls.server!(far, specOf(server), context).then((incoming) => incoming.accept(context.signal)),
  ]);
  return { client: one, server: other, near, far };
}

function release({ client, server }: Outcome): void {
  for (const side of [client, server]) if (side.status === "fulfilled") side.value.abort();
}

/** Both streams of a handshake that succeeded. */
async function connected(
  client: Settings = trusting,
  server: Settings = good,
  streams?: readonly [ByteStream, ByteStream],
) {
  const outcome = await shake(client, server, {}, streams);
  const [one, other] = [outcome.client, outcome.server].map((side) => {
    if (side.status === "rejected") throw side.reason;
    assert(side.value.kind === "byte");
    return side.value;
  });
  return { ...outcome, client: one!, server: other!, release: () => release(outcome) };
}

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

/** What the client rejected with. */
async function clientFault(client: Settings, server: Settings, contexts?: Contexts): Promise<L7mpError> {
  const outcome = await shake(client, server, contexts);
  release(outcome);
  assert(outcome.client.status === "rejected", "the client was content");
  assert(outcome.client.reason instanceof L7mpError, `not ours: ${outcome.client.reason}`);
  return outcome.client.reason;
}

/** What the server rejected with, while the client may have been content: in TLS 1.3 it is done first. */
async function serverFault(client: Settings, server: Settings): Promise<{ fault: L7mpError; outcome: Outcome }> {
  const outcome = await shake(client, server);
  assert(outcome.server.status === "rejected", "the server was content");
  assert(outcome.server.reason instanceof L7mpError, `not ours: ${outcome.server.reason}`);
  return { fault: outcome.server.reason, outcome };
}

function factsOf(stream: Stream): TlsFacts {
  return stream.info.facts!.tls as TlsFacts;
}

for (const version of ["TLS1.2", "TLS1.3"]) {
  test(`client() and server() agree on ${version} and tell what they agreed on`, async () => {
    const limits = { min_proto_version: version, max_proto_version: version, alpn: "h2,x" };
    const pair = await connected({ ...trusting, ...limits }, { ...good, ...limits, alpn: "x" });
    for (const side of [pair.client, pair.server]) {
      const { version: spoken, alpn, sni, cipher } = factsOf(side);
      assertEquals([spoken, alpn, sni], [version.replace("TLS", "TLSv"), "x", "localhost"]);
      assertMatch(cipher, /^(TLS_|ECDHE-)/);
    }
    const { peer } = factsOf(pair.client);
    assertEquals(peer?.subject, { CN: "localhost" });
    assertEquals(peer?.issuer, { CN: "l7mp test ca" });
    assertEquals(peer?.names, ["localhost", "127.0.0.1"]);
    assertMatch(peer!.fingerprint, /^[0-9a-f]{64}$/);
    assertEquals(factsOf(pair.server).peer, undefined);
    pair.release();
  });
}

test("client() rejects versions the server does not speak", async () => {
  const fault = await clientFault({ ...trusting, max_proto_version: "TLS1.2" }, {
    ...good,
    min_proto_version: "TLS1.3",
  });
  assertMatch(
    fault.message,
    /^TLS handshake with memory failed: the peer sent alert "(handshake failure|protocol version)"/,
  );
});

const untrusted: readonly (readonly [what: string, server: Settings, client: Settings, message: string])[] = [
  [
    "an unknown issuer",
    good,
    { address: "localhost", cafile: "otherca.pem" },
    'certificate verify failed for "localhost": unable to get local issuer certificate (cafile=FILE trusts it, verify=0 disables the check)',
  ],
  [
    "an issuer the system does not know",
    good,
    { address: "localhost" },
    'certificate verify failed for "localhost": unable to get local issuer certificate (cafile=FILE trusts it, verify=0 disables the check)',
  ],
  [
    "a self-signed certificate",
    { cert: "selfsigned-both.pem" },
    trusting,
    'certificate verify failed for "localhost": self-signed certificate (cafile=FILE trusts it, verify=0 disables the check)',
  ],
  [
    "another name",
    { cert: "wrongname-both.pem" },
    trusting,
    'certificate is valid but its name does not match "localhost" (names: a.example, b.example); use commonname=',
  ],
  [
    "another name than commonname",
    good,
    { ...trusting, commonname: "wrong.example" },
    'certificate is valid but its name does not match "wrong.example" (names: localhost, 127.0.0.1); use commonname=',
  ],
  [
    "another address",
    good,
    { ...trusting, address: "127.0.0.2" },
    'certificate is valid but its name does not match "127.0.0.2" (names: localhost, 127.0.0.1); use commonname=',
  ],
];

for (const [what, server, client, message] of untrusted) {
  test(`client() refuses ${what}`, async () => {
    const fault = await clientFault(client, server);
    assertEquals(fault.message, message);
    assert(fault instanceof ConnectError && !fault.retryable);
  });
  test(`client() takes ${what} with verify=0, and with -k`, async () => {
    (await connected({ ...client, verify: false }, server)).release();
    const outcome = await shake(client, server, { client: { insecure: true } });
    assertEquals(outcome.client.status, "fulfilled");
    release(outcome);
  });
}

test("client() shows its own certificate to no server that it does not trust", async () => {
  const client = { address: "localhost", cafile: "otherca.pem", cert: "client.pem", key: "client.key" };
  const outcome = await shake(client, { ...asking, verify: "optional" });
  assert(outcome.client.status === "rejected" && outcome.server.status === "rejected");
  assertMatch(outcome.client.reason.message, /^certificate verify failed/);
  assertEquals(
    (await clientFault(client, good)).message,
    'certificate verify failed for "localhost": issuer not trusted, or out of date ' +
      "(cafile=FILE trusts it, verify=0 disables the check)",
  );
});

test("client() does as the address says where -k says otherwise", async () => {
  const fault = await clientFault({ ...trusting, verify: true, cafile: "otherca.pem" }, good, {
    client: { insecure: true },
  });
  assertMatch(fault.message, /^certificate verify failed/);
});

for (
  const [name, fault] of [
    ["expired", "certificate has expired on 2021-01-01 00:00:00 UTC"],
    ["early", "certificate is not yet valid, it will be on 2090-01-01 00:00:00 UTC"],
  ] as const
) {
  test(`client() refuses a certificate that is ${name}`, async () => {
    const [near, far] = bytePair();
    const serving = serveRaw(far, { cert: certificates.text(`${name}.pem`), key: certificates.text(`${name}.key`) });
    const reason = await tls.client!(near, specOf(trusting), testContext()).catch((error) => error);
    assertEquals(
      reason.message,
      `certificate verify failed for "localhost": ${fault} (verify=0 disables the check)`,
    );
    await serving;
  });
}

/** A TLS server that is not ours: it looks at nothing. Resolves when its connection is gone. */
async function serveRaw(lower: ByteStream, options: Readonly<Record<string, unknown>>): Promise<void> {
  const { TLSSocket } = await import("node:tls");
  const { toDuplex } = await import("../../lib/stream/duplex.ts");
  const { duplex } = await toDuplex(lower);
  const socket = new TLSSocket(duplex, { isServer: true, ...options });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.on("close", () => resolve()).on("end", () => resolve()));
  socket.destroy();
  duplex.destroy();
}

/** `lower`, on whose way in the signature of a TLS 1.2 server's key exchange (RFC 5246 section 7.4.3) is damaged. */
function damageSignature(lower: ByteStream): ByteStream {
  return {
    ...lower,
    kind: "byte",
    async read() {
      const view = await lower.read();
      for (
        let record = 0;
        view && record + 5 < view.length;
        record += 5 + view[record + 3]! * 256 + view[record + 4]!
      ) {
        const end = record + 5 + view[record + 3]! * 256 + view[record + 4]!;
        for (let at = record + 5; view[record] === 22 && at + 4 < end;) {
          const next = at + 4 + view[at + 2]! * 256 + view[at + 3]!;
          if (view[at] === 12) view[next - 1]! ^= 1;
          at = next;
        }
      }
      return view;
    },
  };
}

test("client() refuses a server without the key of its certificate, whatever else it would take", async () => {
  const { fingerprint } = factsOf((await connected()).client).peer!;
  for (const settings of [{ cafile: "ca.pem" }, { verify: false }, { fingerprint }]) {
    const [near, far] = bytePair();
    const spec = specOf({ address: "localhost", max_proto_version: "TLS1.2", ...settings });
    const [client] = await Promise.allSettled([
      tls.client!(damageSignature(near), spec, testContext()),
      tls.server!(far, specOf(good), testContext()),
    ]);
    assert(client.status === "rejected", `content: ${JSON.stringify(settings)}`);
    assertEquals(
      client.reason.message,
      "TLS handshake with memory failed: the peer does not have the key of its certificate",
    );
  }
});

test("client() asks for no name where it may not, and for the one it is given", async () => {
  for (
    const [settings, expected] of [
      [{ nosni: true }, ""],
      [{ snihost: "127.example", commonname: "localhost" }, "127.example"],
      [{ address: "127.0.0.1" }, ""],
      [{ address: "x.example", commonname: "localhost" }, "localhost"],
      [{ address: "x.example", commonname: "" }, "x.example"],
    ] as const
  ) {
    const pair = await connected({ ...trusting, ...settings });
    assertEquals(factsOf(pair.server).sni, expected, JSON.stringify(settings));
    pair.release();
  }
});

test("a fingerprint stands for the check of issuer and name, and comes on top of one that was asked for", async () => {
  const pair = await connected();
  const { fingerprint } = factsOf(pair.client).peer!;
  pair.release();
  const colons = fingerprint.toUpperCase().replace(/..(?=.)/g, "$&:");
  (await connected({ address: "x.example", fingerprint: ["0".repeat(64), colons] })).release();
  const wrong = await clientFault({ address: "localhost", fingerprint: "0".repeat(64) }, good);
  assertEquals(
    wrong.message,
    `certificate of "localhost" has none of the given fingerprints; its SHA-256 is ${fingerprint}`,
  );
  const untrusting = await clientFault({ address: "localhost", verify: true, fingerprint }, good);
  assertMatch(untrusting.message, /^certificate verify failed/);
});

test("server() with fingerprint serves only that client, whoever issued its certificate", async () => {
  const client = { ...trusting, cert: "other.pem", key: "other.key" };
  const pair = await connected(client, { ...asking, verify: false });
  pair.release();
  const { outcome } = await serverFault(client, { ...good, fingerprint: "0".repeat(64) });
  assert(outcome.server.status === "rejected");
  const [, fingerprint] = /its SHA-256 is ([0-9a-f]{64})$/.exec(outcome.server.reason.message)!;
  release(outcome);
  (await connected(client, { ...good, fingerprint })).release();
  const without = await serverFault(trusting, { ...good, fingerprint });
  assertMatch(without.fault.message, /peer did not return a certificate$/);
  release(without.outcome);
});

const asking = { ...good, cafile: "ca.pem" };

test("server() serves a client with a good certificate and knows who it is", async () => {
  for (const max_proto_version of ["TLS1.2", "TLS1.3"]) {
    const pair = await connected({ ...trusting, max_proto_version, cert: "client.pem", key: "client.key" }, asking);
    const { peer } = factsOf(pair.server);
    assertEquals(peer?.subject, { C: "HU", L: "Budapest", O: "l7mp", OU: "tests", CN: "client" });
    assertEquals(peer?.names, ["client.example"]);
    pair.release();
  }
});

test("server() refuses a client without a certificate, and the client hears why", async () => {
  const { fault, outcome } = await serverFault(trusting, asking);
  assertEquals(fault.message, "TLS handshake with memory failed: peer did not return a certificate");
  assertEquals(fault.level, "warn");
  assert(outcome.client.status === "fulfilled" && outcome.client.value.kind === "byte");
  const reading = await outcome.client.value.read().catch((error) => error);
  assertEquals(
    reading.message,
    'read(TLS memory): the peer sent alert "certificate required" (it wants a certificate of ours: cert= and key=)',
  );
  release(outcome);
  const old = await clientFault({ ...trusting, max_proto_version: "TLS1.2" }, asking);
  assertMatch(old.message, /^TLS handshake with memory failed: the peer sent alert "/);
});

const badClients: readonly (readonly [name: string, fault: string])[] = [
  ["other", 'certificate verify failed for "client.example at memory": unable to get local issuer certificate'],
  ["selfsigned", 'certificate verify failed for "localhost at memory": self-signed certificate'],
];

for (const [name, message] of badClients) {
  test(`server() refuses the client's certificate "${name}", and it is no end`, async () => {
    for (const verify of [true, "optional"]) {
      const client = { ...trusting, cert: `${name}.pem`, key: `${name}.key` };
      const { fault, outcome } = await serverFault(client, { ...asking, verify });
      assert(fault.message.startsWith(message), fault.message);
      assertEquals(fault.level, "warn");
      assert(outcome.client.status === "fulfilled" && outcome.client.value.kind === "byte");
      await assertRejects(() => (outcome.client as { value: ByteStream }).value.read(), StreamError);
      release(outcome);
    }
  });
}

test("server() refuses a client's certificate that has expired", async () => {
  const [near, far] = bytePair();
  const { connect } = await import("node:tls");
  const { toDuplex } = await import("../../lib/stream/duplex.ts");
  const { duplex } = await toDuplex(near);
  const files = { cert: certificates.text("expired.pem"), key: certificates.text("expired.key") };
  const socket = connect({ socket: duplex, rejectUnauthorized: false, ...files });
  socket.on("error", () => {});
  const fault = await tls.server!(far, specOf(asking), testContext()).catch((error) => error);
  assertMatch(fault.message, /^certificate verify failed for "localhost at memory": certificate has expired/);
  socket.destroy();
  duplex.destroy();
});

test("server() with verify=optional serves a client without a certificate", async () => {
  const pair = await connected(trusting, { ...asking, verify: "optional" });
  assertEquals(factsOf(pair.server).peer, undefined);
  pair.release();
});

test("server() with commonname serves only that client", async () => {
  const client = { ...trusting, cert: "client.pem", key: "client.key" };
  for (const commonname of ["client", "client.example", ""]) {
    (await connected(client, { ...asking, commonname })).release();
  }
  const { fault, outcome } = await serverFault(client, { ...asking, commonname: "boss" });
  assertEquals(
    fault.message,
    'certificate is valid but its name does not match "boss" (names: client.example); use commonname=',
  );
  release(outcome);
});

test("server() with verify=0 asks for no certificate, whatever it could check it with", async () => {
  const pair = await connected(trusting, { ...asking, verify: false });
  assertEquals(factsOf(pair.server).peer, undefined);
  pair.release();
});

test("both sides name a protocol that only one speaks (alpn)", async () => {
  const { fault, outcome } = await serverFault({ ...trusting, alpn: "a" }, { ...good, alpn: "b" });
  assertEquals(fault.message, "TLS handshake with memory failed: no application protocol in common (alpn)");
  assert(outcome.client.status === "rejected");
  assertEquals(
    outcome.client.reason.message,
    'TLS handshake with memory failed: the peer sent alert "no application protocol" (it speaks none of the protocols in alpn=)',
  );
});

test("a PKCS#12 file serves as certificate and key", async () => {
  (await connected(trusting, { pkcs12: "server.p12", pkcs12_pass: "secret" })).release();
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
  const start = performance.now();
  let over = false;
  serving.then(() => over = true);
  const hello = new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
  for (let i = 0; !over; i++) {
    await near.write(hello.subarray(Math.min(i, 10), Math.min(i, 10) + 1)).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertMatch((await serving).message, /not done within 0\.2 s \(handshake-timeout\)$/);
  assertLess(performance.now() - start, 2000);
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
