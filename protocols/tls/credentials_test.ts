// Certificates and keys at the start: what is wrong with them is said before anything opens.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../lib/errors.ts";
import { type Certificates, makeCertificates, noOpenssl } from "../../tests/support/certificates.ts";
import { readCredentials } from "./credentials.ts";
import { tls } from "./tls.ts";

const made = makeCertificates();
const certificates = made as Certificates;

function test(name: string, fn: () => void): void {
  Deno.test({ name: made ? name : `${name} (skipped: ${noOpenssl})`, ignore: !made, fn });
}

/** What the check says about an endpoint with these settings; "" for nothing. Paths are those of the certificates. */
function checked(settings: Readonly<Record<string, unknown>>, role: "connect" | "listen" = "listen"): string {
  const files = new Set(["cert", "key", "cafile", "capath", "pkcs12"]);
  const written = Object.entries(settings).map(([key, value]) =>
    [key, files.has(key) ? certificates.path(String(value)) : value] as const
  );
  try {
    tls.check!(tls.spec.parse(Object.fromEntries(written), ""), { role, direction: "both" });
    return "";
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${certificates.directory}/`, "");
  }
}

const faults: readonly (readonly [what: string, settings: Readonly<Record<string, unknown>>, message: string])[] = [
  ["a listener without a certificate", {}, "OPENSSL-LISTEN: no certificate given; use option cert"],
  ["a missing file", { cert: "none.pem" }, 'cert: open("none.pem", O_RDONLY): No such file or directory'],
  ["a file without a certificate", { cert: "server.key" }, 'cert "server.key": no certificate found in PEM data'],
  [
    "a file without a key",
    { cert: "server.pem" },
    'cert "server.pem": no private key found in PEM data; option key names another file for it',
  ],
  ["a key file without a key", { cert: "server.pem", key: "ca.pem" }, 'key "ca.pem": no private key found in PEM data'],
  [
    "a key of another certificate",
    { cert: "server.pem", key: "client.key" },
    'key "client.key" does not belong to the certificate in "server.pem"',
  ],
  [
    "an encrypted key",
    { cert: "server.pem", key: "encrypted.key" },
    'key "encrypted.key": the private key is encrypted; "openssl pkey -in encrypted.key -out FILE" decrypts it',
  ],
  [
    "an encrypted PKCS#8 key",
    { cert: "server.pem", key: "encrypted8.key" },
    'key "encrypted8.key": the private key is encrypted; "openssl pkey -in encrypted8.key -out FILE" decrypts it',
  ],
  [
    "a key of a kind that TLS here has no use for",
    { cert: "ed448-both.pem" },
    'cert "ed448-both.pem": TLS takes no ED448 keys, only RSA, EC and Ed25519',
  ],
  [
    "an expired certificate",
    { cert: "expired-both.pem" },
    'cert "expired-both.pem": certificate has expired on 2021-01-01 00:00:00 UTC',
  ],
  [
    "a certificate of the future",
    { cert: "early-both.pem" },
    'cert "early-both.pem": certificate is not yet valid, it will be on 2090-01-01 00:00:00 UTC',
  ],
  [
    "trusted issuers without any",
    { cert: "server-both.pem", cafile: "server.key" },
    'cafile "server.key": no certificate found in PEM data',
  ],
  [
    "a missing directory of issuers",
    { cert: "server-both.pem", capath: "none" },
    'capath: opendir("none"): No such file or directory',
  ],
  [
    "clients to check and nobody to trust",
    { cert: "server-both.pem", verify: true },
    "OPENSSL-LISTEN: no issuer of clients' certificates given; use option cafile or capath",
  ],
  [
    "a wrong password",
    { pkcs12: "server.p12", pkcs12_pass: "wrong" },
    'pkcs12 "server.p12": wrong password (pkcs12-pass)',
  ],
  [
    "a key without a certificate",
    { pkcs12: "server.p12", key: "server.key" },
    'OPENSSL-LISTEN: option "key" needs option "cert"',
  ],
  [
    "versions that exclude each other",
    { cert: "server-both.pem", min_proto_version: "TLS1.3", max_proto_version: "TLS1.2" },
    "OPENSSL-LISTEN: min-proto-version is above max-proto-version",
  ],
];

for (const [what, settings, message] of faults) {
  test(`check() refuses ${what}`, () => assertEquals(checked(settings), message));
}

test("check() names a damaged certificate and a damaged key", () => {
  const damage = (name: string) => {
    const text = certificates.text(name);
    const lines = text.split("\n");
    lines.splice(2, 1);
    Deno.writeTextFileSync(certificates.path(`damaged-${name}`), lines.join("\n"));
  };
  damage("server.pem");
  damage("server.key");
  const cert = checked({ cert: "damaged-server.pem", key: "server.key" });
  assertEquals(cert.replace(/\(.*\)$/, "(...)"), 'cert "damaged-server.pem": the certificate is damaged (...)');
  const key = checked({ cert: "server.pem", key: "damaged-server.key" });
  assertEquals(key.replace(/\(.*\)$/, "(...)"), 'key "damaged-server.key": the private key is damaged (...)');
});

test("check() accepts what can be used", () => {
  assertEquals(checked({ cert: "server-both.pem" }), "");
  assertEquals(checked({ cert: "server.pem", key: "server.key", cafile: "ca.pem" }), "");
  assertEquals(checked({ pkcs12: "server.p12", pkcs12_pass: "secret" }), "");
  assertEquals(
    checked({ address: "localhost", cafile: "ca.pem", cert: "client.pem", key: "client.key" }, "connect"),
    "",
  );
});

test("readCredentials() trusts every issuer in the files of a directory", () => {
  const capath = certificates.path("trusted");
  Deno.mkdirSync(capath);
  for (const name of ["ca.pem", "otherca.pem"]) Deno.copyFileSync(certificates.path(name), `${capath}/${name}`);
  Deno.writeTextFileSync(`${capath}/README`, "no certificate");
  const { ca } = readCredentials(tls.spec.parse({ capath, address: "x" }, ""), "connect");
  assertEquals(new Set(ca), new Set([certificates.text("ca.pem").trim(), certificates.text("otherca.pem").trim()]));
});

test("readCredentials() refuses more issuers than a listener can send", () => {
  const cafile = certificates.path("many.pem");
  const system = certificates.text("ca.pem").repeat(200);
  Deno.writeTextFileSync(cafile, system);
  const spec = tls.spec.parse({ cert: certificates.path("server-both.pem"), cafile }, "");
  assertThrows(() => readCredentials(spec, "listen"), ConfigError, "cafile: 200 issuers are too many");
  assertEquals(readCredentials(tls.spec.parse({ cafile, address: "x" }, ""), "connect").ca?.length, 200);
});
