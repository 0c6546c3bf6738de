// What is common to all requests: paths, methods, bodies, layouts.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { started } from "./_fake_control.ts";
import { jsonTypes, yamlTypes } from "./body.ts";

const echo = (name: string) => ({ cluster: { name, spec: { protocol: "Echo" } } });

Deno.test("API: an unknown path, and an unknown method of any path, is 404 with the original's text", async () => {
  const { ask } = await started();
  for (
    const path of ["nothing", "/", "/api/v2/config", "clusters/a/b", "clusters/a/endpoints/b", "rulelists/a/rules"]
  ) {
    const { status, statusText, json } = await ask("GET", path);
    assertEquals([status, statusText], [404, "Not Found"], path);
    assertEquals(json, { status: 404, message: "Not Found", content: "Unknown API operation" });
  }
  for (const path of ["clusters", "nothing"]) {
    const { status, json } = await ask("BREW", path);
    assertEquals([status, json.message, json.content.slice(0, 21)], [404, "Not Found", "Unknown API operation"]);
  }
});

Deno.test("API: a known path with a method it does not have is 404, too, and says which it has", async () => {
  const { ask } = await started();
  for (
    const [method, path, allow] of [
      ["DELETE", "clusters", "GET, POST, HEAD, OPTIONS"],
      ["POST", "clusters/x", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"],
      ["PUT", "sessions/x", "GET, DELETE, HEAD, OPTIONS"],
    ] as const
  ) {
    const { status, headers, json } = await ask(method, path);
    assertEquals([status, headers.get("allow")], [404, allow]);
    assertEquals(json.content, `Unknown API operation: this path takes ${allow}`);
    const options = await ask("OPTIONS", path);
    assertEquals([options.status, options.headers.get("allow")], [204, allow]);
  }
});

Deno.test("API: a trailing slash is ignored, HEAD is GET without a body", async () => {
  const { ask } = await started();
  assertEquals((await ask("GET", "clusters/")).json.length, 1);
  assertEquals((await ask("GET", "clusters/L7mpControllerCluster/")).json.name, "L7mpControllerCluster");
  const head = await ask("HEAD", "clusters");
  const { headers } = await ask("GET", "clusters");
  assertEquals([head.status, head.text, head.headers.get("content-length")], [200, "", headers.get("content-length")]);
});

Deno.test("API: names may hold slashes, percent signs and letters of any language", async () => {
  const { ask } = await started();
  for (const name of ["/apis/l7mp.io/v1/ns/x", "a%2Fb", "100%", "é:ü", "a?b#c&d=e", "rules", "..%2f..", "a;b+c"]) {
    assertEquals((await ask("POST", "clusters", { body: echo(name) })).status, 200, name);
    const path = `clusters/${encodeURIComponent(name)}`;
    assertEquals((await ask("GET", path)).json.name, name);
    assertEquals((await ask("DELETE", path)).status, 200, name);
  }
  const { status, json } = await ask("GET", "clusters/%E0%A4%A");
  assertEquals([status, json.content], [400, "The path is not properly percent-encoded"]);
});

Deno.test("API: bodies come as JSON or YAML under all the names of either", async () => {
  const { ask } = await started();
  for (const type of [...jsonTypes, ...yamlTypes]) {
    const body = type.endsWith("json") ? echo(type) : `cluster:\n  name: ${type}\n  spec: {protocol: Echo}\n`;
    assertEquals((await ask("POST", "clusters", { body, type })).status, 200, type);
  }
  const yaml = "cluster: {name: late, spec: {protocol: Sync, query: 2001-01-01}}";
  assertEquals((await ask("POST", "clusters", { body: yaml, type: "text/yaml" })).status, 200);
  assertEquals((await ask("GET", "clusters/late")).json.spec.query, "2001-01-01");
});

Deno.test("API: a missing wrapping or property is told with the original's words", async () => {
  const { ask } = await started();
  for (
    const [plural, word] of [["listeners", "listener"], ["clusters", "cluster"], ["rulelists", "RuleList"], [
      "rules",
      "rule",
    ], ["routes", "route"]] as const
  ) {
    const key = plural.slice(0, -1);
    for (const body of [{}, [], "1", "null", { [key]: "x" }, { [key]: [] }, { [key]: null }, { x: {} }]) {
      const { status, json } = await ask("POST", plural, { body });
      assertEquals(status, 400);
      assert(json.content.startsWith(`Cannot add ${word}: `), json.content);
      assert(json.content.endsWith("An object (a set of key-value pairs) is expected"), json.content);
    }
    const unnamed = await ask("POST", plural, { body: { [key]: {} } });
    assertEquals([unnamed.status, unnamed.json.content], [400, `Cannot add ${word}: Property name is required`]);
    const blank = await ask("POST", plural, { body: { [key]: { name: "a b" } } });
    assertEquals([blank.status, blank.json.content], [400, `Cannot add ${word}: Property name is invalid`]);
  }
});

Deno.test("API: ?format= lays out answers, not errors; ?recursive= must be true to the letter", async () => {
  const { ask } = await started();
  assert(!(await ask("GET", "clusters?format=terse")).text.includes("\n"));
  assert((await ask("GET", "config?format=diffy")).text.includes('\n, "listeners":\n  [ { "name"'));
  assertEquals((await ask("GET", "clusters?format=neat")).text, (await ask("GET", "clusters")).text);
  assert(
    (await ask("GET", "clusters/x?format=terse")).text.startsWith(
      '{\n    "status": 400,\n    "message": "Bad Request",\n',
    ),
  );
  for (const written of ["TRUE", "1", "", "yes"]) {
    assertEquals((await ask("GET", `clusters?recursive=${written}`)).json[0].endpoints, 0);
  }
});

Deno.test("API: health is always told, readiness when all is open", async () => {
  const { ask, control } = await started();
  for (const path of ["/healthz", "/readyz", "healthz", "readyz"]) {
    assertEquals((await ask("GET", path)).json, { status: 200, message: "OK" });
  }
  control.ready = false;
  assertEquals((await ask("GET", "/healthz")).status, 200);
  const { status, json } = await ask("GET", "/readyz");
  assertEquals([status, json.message], [503, "Service Unavailable"]);
});
