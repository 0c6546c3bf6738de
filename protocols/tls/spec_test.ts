// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../lib/errors.ts";
import { checkCombinations, type Demand, demandOf, serverName, tlsSpec } from "./spec.ts";

const spec = (settings: Readonly<Record<string, unknown>>) => tlsSpec.parse(settings, "");

Deno.test("versions are read as socat and others write them", () => {
  const read = (text: string) => tlsSpec.fields.min_proto_version!.fromText(text, "min-proto-version");
  for (const text of ["TLS1.2", "tls1.2", "TLSv1.2", "1.2"]) assertEquals(read(text), "TLS1.2");
  assertEquals(read("TLS1.3"), "TLS1.3");
  for (const text of ["TLS1.0", "TLS1", "TLS1.1", "SSL3", "SSLv2", "DTLS1.2"]) {
    const expected = text === "DTLS1.2" ? "is not one of" : "not available; there are TLS1.2 and TLS1.3";
    assertThrows(() => read(text), ConfigError, expected);
  }
});

Deno.test("verify is a switch with a third value, on the command line and in the document", () => {
  const verify = tlsSpec.fields.verify!;
  assertEquals([undefined, "", "1", "0", "optional"].map((text) => verify.fromText(text || undefined, "verify")), [
    "1",
    "1",
    "1",
    "0",
    "optional",
  ]);
  for (const value of [true, false, "optional"]) assertEquals(verify.print(verify.parse(value, "")), value);
  assertThrows(() => verify.fromText("2", "verify"), ConfigError, 'option "verify": "2" is not one of 0, 1, optional');
});

Deno.test("options of OpenSSL that cannot be had are refused with the reason", () => {
  for (const [name, text] of [["ciphers", "HIGH"], ["method", "TLS1"], ["fips", "1"], ["keylog", "x"]]) {
    assertThrows(() => tlsSpec.fields[name!]!.fromText(text, name!), ConfigError, `option "${name}": not available`);
  }
});

Deno.test("demandOf() checks servers unless told not to, and clients where there is something to check", () => {
  const connector = (settings: Readonly<Record<string, unknown>>, insecure = false) =>
    demandOf(spec({ address: "host", ...settings }), "connect", insecure);
  const listener = (settings: Readonly<Record<string, unknown>>, insecure = false) =>
    demandOf(spec(settings), "listen", insecure);
  const none: Demand = { certificate: "none", chain: false, name: undefined, fingerprints: [] };
  assertEquals(connector({}), { certificate: "required", chain: true, name: "host", fingerprints: [] });
  assertEquals(connector({ commonname: "" }).name, undefined);
  assertEquals(connector({ commonname: "other" }).name, "other");
  for (const name of [{ commonname: "[2001:DB8::1]" }, { address: "[2001:DB8::1]" }, { commonname: "2001:DB8::1" }]) {
    assertEquals(connector(name).name, "2001:DB8::1");
  }
  assertEquals(connector({ verify: false }), none);
  assertEquals(connector({}, true), none);
  assertEquals(connector({ verify: true }, true).chain, true);
  assertEquals(listener({}), none);
  assertEquals(listener({ cafile: "x" }), { certificate: "required", chain: true, name: undefined, fingerprints: [] });
  assertEquals(listener({ cafile: "x", verify: "optional" }).certificate, "optional");
  assertEquals(listener({ cafile: "x", verify: false }), none);
  assertEquals(listener({ cafile: "x" }, true), none);
  assertEquals(listener({ cafile: "x", commonname: "boss" }).name, "boss");
  assertEquals(listener({ cafile: "x", commonname: "[::1]" }).name, "::1");
  const fingerprint = "0".repeat(64);
  const pinned: Demand = { certificate: "required", chain: false, name: undefined, fingerprints: [fingerprint] };
  assertEquals(connector({ fingerprint }), pinned);
  assertEquals(listener({ fingerprint }), pinned);
  assertEquals(connector({ fingerprint, verify: true }).chain, true);
});

Deno.test("serverName() is a name, never an address", () => {
  assertEquals(serverName(spec({ address: "host." })), "host");
  assertEquals(serverName(spec({ address: "::1" })), undefined);
  assertEquals(serverName(spec({ address: "10.0.0.1" })), undefined);
  assertEquals(serverName(spec({ address: "10.0.0.1", snihost: "a.example" })), "a.example");
  assertEquals(serverName(spec({ address: "host", nosni: true })), undefined);
});

Deno.test("checkCombinations() refuses what makes no sense", () => {
  const cases: readonly (readonly [role: "connect" | "listen", settings: Record<string, unknown>, message: string])[] =
    [
      ["connect", {}, "no name to check the server's certificate for; use commonname=NAME (empty: any name)"],
      ["connect", { address: "x", verify: "optional" }, 'option "verify=optional" is for listeners'],
      ["connect", { address: "x", snihost: "10.0.0.1" }, 'option "snihost": "10.0.0.1" is no name'],
      ["connect", { address: "x", snihost: "y", nosni: true }, 'options "nosni" and "snihost" exclude each other'],
      ["connect", { address: "x", compress: "auto" }, 'option "compress=auto" not available'],
      ["connect", { address: "x", cert: "x", pkcs12: "y" }, 'options "cert" and "pkcs12" exclude each other'],
      ["listen", { cert: "x", snihost: "y" }, 'option "snihost" does not apply to OPENSSL-LISTEN as a listener'],
      ["connect", { address: "x", handshake_timeout: 1 }, 'option "handshake-timeout" does not apply to OPENSSL'],
    ];
  for (const [role, settings, message] of cases) {
    assertThrows(() => checkCombinations(spec(settings), role), ConfigError, message);
  }
  checkCombinations(spec({ commonname: "" }), "connect");
  checkCombinations(spec({ snihost: "localhost" }), "connect");
  checkCombinations(spec({ verify: false }), "connect");
});
