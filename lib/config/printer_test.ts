// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertStringIncludes } from "@std/assert";
// @ts-types="../../tests/deno_std.d.ts"
import { parse } from "@std/yaml";
import * as fc from "fast-check";
import { testRegistry } from "./_test_registry.ts";
import type { Document } from "./document.ts";
import { documentFromWords } from "./pair.ts";
import { printDocument } from "./printer.ts";

const yaml = { format: "yaml", showSecrets: true } as const;

function documentWith(spec: Record<string, unknown>): Document {
  const destination = { spec: { protocol: "Echo" } };
  return {
    listeners: [{ name: "cli", spec: { protocol: "TCP", ...spec }, rules: [{ action: { route: { destination } } }] }],
  };
}

Deno.test("printDocument() prints a document in the form that users know", async () => {
  const addresses = ["tcp-l:127.0.0.1:5000,fork", "LINES", "ws+unix:///run/x.sock"];
  const options = { session: { linger: "2s" }, admin: {}, ipVersion: 4 } as const;
  const document = documentFromWords({ addresses }, testRegistry, options);
  assertEquals(
    await printDocument(document, testRegistry, yaml),
    `listeners:
  - name: cli
    spec: {protocol: TCP, address: 127.0.0.1, port: 5000, fork: true}
    options: {linger: 2s}
    rules:
      - action:
          route:
            ingress: [{spec: {protocol: LINES}}]
            egress: [{spec: {protocol: LINES, reverse: true}}]
            destination:
              spec: {protocol: WebSocket, transport: {protocol: UnixDomainSocket}}
              endpoints: [{spec: {address: /run/x.sock}}]
            retry: {timeout: 0s}
`,
  );
});

Deno.test("printDocument() masks secrets unless asked, in JSON and YAML", async () => {
  const options = { session: {}, admin: {}, ipVersion: 4 } as const;
  const document = documentFromWords({ addresses: ["-", "ws://u:pw@h/"] }, testRegistry, options);
  for (const format of ["yaml", "json"] as const) {
    const hidden = await printDocument(document, testRegistry, { format, showSecrets: false });
    assertStringIncludes(hidden, "***");
    assertEquals(hidden.includes("pw"), false);
    assertStringIncludes(await printDocument(document, testRegistry, { format, showSecrets: true }), "u:pw");
  }
});

Deno.test("printDocument() prints YAML that reads back as the same document, whatever the texts", async () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 150 }),
    fc.constantFrom("true", "No", "~", "null", "0x1f", "1e3", "12:30", "2026-11-21", "*", "- a", "a: b", "#", "", "01"),
  );
  const value = fc.oneof(text, fc.integer(), fc.boolean(), fc.array(text));
  await fc.assert(fc.asyncProperty(fc.dictionary(fc.stringMatching(/^[a-z_]{1,9}$/), value), async (spec) => {
    const document = documentWith({ ...spec, protocol: "TCP" });
    assertEquals(parse(await printDocument(document, testRegistry, yaml)), document);
  }));
});
