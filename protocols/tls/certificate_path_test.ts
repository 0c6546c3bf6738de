// Paths of certificates: what leads to an issuer we trust, and what only says so.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { bytePair } from "../../lib/stream/memory.ts";
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
  specOf,
  test,
  trusting,
} from "./_test_handshake.ts";
import { Anchors, formatFault } from "./certificate_path.ts";

const version = "X509_VERSION";
const malformed = "BAD_CERTIFICATE";
const signature = "CERT_SIGNATURE_FAILURE";

function der(name: string): Uint8Array {
  return Uint8Array.fromBase64(certificates.text(name).replace(/-----[^-]+-----|\s/g, ""));
}

/** A certificate of another version, which is said in its tenth byte and the ones before: `a0 03 02 01 02`. */
function ofVersion(wanted: number, name: string): Uint8Array {
  const bytes = der(name);
  const at = bytes.findIndex((_, i) => bytes.subarray(i, i + 4).join() === "160,3,2,1") + 4;
  bytes[at] = wanted - 1;
  return bytes;
}

/** A certificate whose times are none: a letter stands for a digit. */
function withoutTimes(name: string): Uint8Array {
  const bytes = der(name);
  // UTCTime of 13 characters.
  const at = bytes.findIndex((_, i) => bytes.subarray(i, i + 2).join() === "23,13") + 2;
  bytes[at + 5] = "x".charCodeAt(0);
  return bytes;
}

const faultOf = (trusted: string, ...presented: readonly Uint8Array[]) =>
  new Anchors([certificates.text(trusted)]).faultOf(presented)?.code;

test("Anchors take what they have issued, through others or not, and what they hold itself", async () => {
  assertEquals(faultOf("ca.pem", der("server.pem")), undefined);
  assertEquals(faultOf("ca.pem", der("below.pem"), der("intermediate.pem")), undefined);
  assertEquals(faultOf("ca.pem", der("below.pem"), der("otherca.pem"), der("intermediate.pem")), undefined);
  assertEquals(faultOf("selfsigned.pem", der("selfsigned.pem")), undefined);
  assertEquals(faultOf("intermediate.pem", der("below.pem")), undefined);
});

test("Anchors refuse names without signatures, whoever is between", async () => {
  assertEquals(faultOf("ca.pem", der("forged.pem")), signature);
  assertEquals(faultOf("ca.pem", der("forged.pem"), der("impostor.pem")), signature);
  assertEquals(faultOf("ca.pem", withoutTimes("forged.pem")), signature);
  assertEquals(faultOf("ca.pem", der("below.pem")), signature);
  assertEquals(faultOf("ca.pem", der("usurped.pem"), der("client.pem")), signature);
  assertEquals(faultOf("ca.pem", der("below.pem"), ofVersion(1, "intermediate.pem")), signature);
  assertEquals(faultOf("otherca.pem", der("server.pem")), signature);
  assertEquals(new Anchors([]).faultOf([der("server.pem")])?.code, signature);
});

test("Anchors refuse certificates without extensions, and what is none", async () => {
  for (const wanted of [1, 2, 4]) assertEquals(faultOf("ca.pem", ofVersion(wanted, "server.pem")), version);
  const good = der("server.pem");
  for (const length of [0, 1, 5, 20, good.length - 1]) {
    assertEquals(faultOf("ca.pem", good.subarray(0, length)), malformed, `${length} bytes`);
  }
  assertEquals(faultOf("ca.pem", new Uint8Array([...good, 0])), malformed);
  assertEquals(faultOf("ca.pem"), malformed);
  assertEquals(formatFault(good), undefined);
});

/** A file with the certificate `name` as one of version 1, and its key. */
function withoutExtensions(name: string): string {
  const lines = ofVersion(1, `${name}.pem`).toBase64().replace(/.{64}/g, "$&\n");
  const pem = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  Deno.writeTextFileSync(certificates.path(`${name}-1.pem`), pem + certificates.text(`${name}.key`));
  return `${name}-1.pem`;
}

test("client() is not taken in by a certificate that names an issuer we trust, in which the runtime believes", async () => {
  const { message, code } = await clientFault(trusting, { cert: withoutExtensions("forged") });
  assertEquals(code, version);
  assertMatch(message, /^certificate verify failed for "localhost": it is of X\.509 version 1, /);
});

test("client() and server() refuse a certificate of version 1 even by its fingerprint: nobody proves to have its key", async () => {
  const cert = withoutExtensions("server");
  const [pem] = certificates.text(cert).match(/-----BEGIN CERT.+?-----END CERTIFICATE-----/s)!;
  const fingerprint = [new X509Certificate(pem).fingerprint256];
  assertEquals((await clientFault({ address: "localhost", fingerprint }, { cert })).code, version);
  const { fault, outcome } = await serverFault({ ...trusting, cert }, { ...good, fingerprint });
  release(outcome);
  assertEquals(fault.code, version);
});

test("client() goes through an issuer in between", async () => {
  const both = `${certificates.text("below-both.pem")}\n${certificates.text("intermediate.pem")}`;
  Deno.writeTextFileSync(certificates.path("below-chain.pem"), both);
  (await connected(trusting, { cert: "below-chain.pem" })).release();
});

test("client() with verify=0 takes a server whose chain cannot be read, and knows nothing of it", async () => {
  const unreadable = withoutTimes("intermediate.pem").toBase64();
  const chain = `-----BEGIN CERTIFICATE-----\n${unreadable}\n-----END CERTIFICATE-----\n`;
  const [pem, key] = ["server.pem", "server.key"].map((name) => certificates.text(name));
  const [near, far] = bytePair();
  const serving = serveRaw(far, { cert: pem + chain, key });
  const stream = await tls.client!(near, specOf({ address: "localhost", verify: false }), testContext());
  assertEquals(factsOf(stream).peer, undefined);
  stream.abort();
  await serving;
});
