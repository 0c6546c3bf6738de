// TLS over memory streams: which versions, names and certificates are good enough.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ConnectError, StreamError } from "../../lib/errors.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { testContext } from "../../tests/support/context.ts";
import { tls } from "./tls.ts";
import {
  certificates,
  clientFault,
  connected,
  factsOf,
  good,
  release,
  serveRaw,
  serverFault,
  type Settings,
  shake,
  specOf,
  test,
  trusting,
} from "./_test_handshake.ts";

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
