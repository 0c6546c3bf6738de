// What is common to all requests: paths, methods, bodies, layouts, conditions, strict mode; and hostile ones.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ConnectError } from "../errors.ts";
import { callerAt, controllerConfig, started } from "./_fake_control.ts";
import { jsonTypes, yamlTypes } from "./body.ts";

const echo = (name: string) => ({ cluster: { name, spec: { protocol: "Echo" } } });

Deno.test("API: an unknown path is 404 with the original's text, an unknown method 501", async () => {
  const { ask } = await started();
  for (
    const path of ["nothing", "/", "/api/v2/config", "clusters/a/b", "clusters/a/endpoints/b", "rulelists/a/rules"]
  ) {
    const { status, statusText, json } = await ask("GET", path);
    assertEquals([status, statusText], [404, "Not Found"], path);
    assertEquals(json, { status: 404, message: "Not Found", content: "Unknown API operation" });
  }
  for (const path of ["clusters", "nothing"]) assertEquals((await ask("BREW", path)).status, 501);
});

Deno.test("API: a known path with a method it does not have is 405 and says which it has", async () => {
  const { ask } = await started();
  for (
    const [method, path, allow] of [
      ["DELETE", "clusters", "GET, POST, HEAD, OPTIONS"],
      ["POST", "clusters/x", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"],
      ["PUT", "sessions/x", "GET, DELETE, HEAD, OPTIONS"],
    ] as const
  ) {
    const { status, headers } = await ask(method, path);
    assertEquals([status, headers.get("allow")], [405, allow]);
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

Deno.test("i-13: a body of another content type is 415, and nothing is 500", async () => {
  const { ask, control } = await started();
  for (const type of ["", "text/plain", "application/xml", "application/merge-patch+json", "json"]) {
    for (const [method, path] of [["POST", "clusters"], ["PUT", "clusters/x"], ["POST", "config"]] as const) {
      const { status, statusText, json } = await ask(method, path, { body: JSON.stringify(echo("x")), type });
      assertEquals([status, statusText, json.status], [415, "Unsupported Media Type", 415], `${method} ${type}`);
    }
  }
  const headers = { "content-encoding": "gzip" };
  assertEquals((await ask("POST", "clusters", { body: echo("x"), headers })).status, 415);
  assertEquals(control.version, 1);
});

Deno.test("i-14: an unknown object is 400 with the words its clients look for, and now its name; syntax errors are told", async () => {
  const { ask } = await started();
  for (const plural of ["listeners", "clusters", "rulelists", "rules", "routes", "endpoints"]) {
    for (const method of ["GET", "PUT", "PATCH"]) {
      const body = method === "GET" ? undefined : { [plural.slice(0, -1)]: {} };
      const { status, json } = await ask(method, `${plural}/x`, { body });
      assertEquals([status, json.content], [400, `Not Found: Unknown ${plural.slice(0, -1)} "x"`]);
    }
  }
  assert((await ask("DELETE", "endpoints/x")).json.content.startsWith("Not Found"));
  const syntax = await ask("POST", "clusters", { body: '{"cluster": ' });
  assertEquals(syntax.status, 400);
  assertStringIncludes(syntax.json.content, "JSON");
  const yaml = await ask("POST", "clusters", { body: "cluster: [", type: "text/yaml" });
  assertEquals(yaml.status, 400);
  assert(typeof yaml.json.content === "string" && yaml.json.content.length > 10);
});

Deno.test("i-15: a charset is accepted; answers have a content type, a length in bytes, and no headers status and message", async () => {
  const { ask } = await started();
  for (const type of ["application/json; charset=utf-8", 'text/x-json;charset="UTF-8"', "TEXT/YAML; charset=utf-8"]) {
    assertEquals((await ask("POST", "clusters", { body: echo(`é-${type.length}`), type })).status, 200, type);
  }
  assertEquals((await ask("POST", "clusters", { body: echo("x"), type: "text/json; charset=latin1" })).status, 415);
  for (const path of ["clusters", "clusters/x", "nothing"]) {
    const { headers, text } = await ask("GET", path);
    assertEquals(headers.get("content-type"), "application/json");
    assertEquals(headers.get("content-length"), String(new TextEncoder().encode(text).length));
    assertEquals([headers.get("status"), headers.get("message")], [null, null]);
  }
});

Deno.test("i-16: POST /config and /admin work, and schemas ask for the names that are needed", async () => {
  const { ask, control } = await started();
  const config = { clusters: [{ name: "only", spec: { protocol: "Echo" } }] };
  assertEquals((await ask("POST", "config", { body: config })).status, 200);
  assertEquals([...control.snapshot.clusters.keys()], ["only"]);
  assertEquals((await ask("POST", "admin", { body: { admin: { log_level: "warn" } } })).status, 200);
  assertEquals((await ask("GET", "admin")).json.log_level, "warn");
  const { components, paths } = (await ask("GET", "openapi.json")).json;
  for (const plural of ["listeners", "clusters", "rulelists", "rules", "routes"]) {
    const { schema } = paths[`/${plural}`].post.requestBody.content["application/json"];
    assertEquals(schema.properties[plural.slice(0, -1)].allOf[1].required, ["name"]);
  }
  assert(components.schemas.Cluster);
});

Deno.test("i-17: the rule of a list is named by a position of digits alone, which must exist, or by its name", async () => {
  const { ask, control } = await started();
  const rules = ["first", "10-block", "2nd", "1e1"].map((name) => ({ name, action: { apply: "x" } }));
  await ask("POST", "rulelists", { body: { rulelist: { name: "l", rules } } });
  const left = () => control.snapshot.rulelists.get("l")!.rules;
  assertEquals((await ask("DELETE", "rulelists/l/rules/10-block")).status, 200);
  assertEquals((await ask("DELETE", "rulelists/l/rules/1e1")).status, 200);
  assertEquals(left(), ["first", "2nd"]);
  for (const query of ["", "?recursive=true"]) {
    for (const position of ["2", "99999999999999999999"]) {
      const beyond = await ask("DELETE", `rulelists/l/rules/${position}${query}`);
      assertEquals(beyond.status, 400);
      assertStringIncludes(beyond.json.content, "Cannot delete rule at position");
    }
  }
  assertEquals((await ask("DELETE", "rulelists/l/rules/x")).json.content, "No rule x on rulelist l");
  for (const position of ["-1", "x", "1.0", "3", "01", "1e0", "%20"]) {
    const inserted = await ask("POST", `rulelists/l/rules/${position}`, { body: { rule: "first" } });
    assertEquals(inserted.status, 400, position);
    assertStringIncludes(inserted.json.content, "Cannot insert rule at position");
    const shown = await ask("GET", `rulelists/l/rules/${position}`);
    assertStringIncludes(shown.json.content, "No rule at position ");
    assertStringIncludes(shown.json.content, 'in RuleList "l"');
  }
  assertEquals(left(), ["first", "2nd"]);
  assertEquals((await ask("POST", "rulelists/l/rules/2", { body: { rule: "last" } })).status, 200);
  assertEquals(left(), ["first", "2nd", "last"]);
});

Deno.test("i-11: an endpoint can be shown, and changed", async () => {
  const { ask } = await started();
  const endpoints = [{ name: "e", spec: { address: "192.0.2.1" }, weight: 3 }];
  await ask("POST", "clusters", { body: { cluster: { name: "c", spec: { protocol: "TCP", port: 1 }, endpoints } } });
  assertEquals((await ask("GET", "endpoints/e")).json, endpoints[0]);
  assertEquals((await ask("PATCH", "endpoints/e", { body: { endpoint: { weight: 5 } } })).status, 200);
  assertEquals((await ask("GET", "endpoints/e")).json, { ...endpoints[0], weight: 5 });
  assertEquals(
    (await ask("PUT", "endpoints/e", { body: { endpoint: { spec: { address: "192.0.2.2" } } } })).status,
    200,
  );
  assertEquals((await ask("GET", "clusters/c/endpoints")).json, [{
    name: "e",
    spec: { address: "192.0.2.2" },
    weight: 1,
  }]);
});

Deno.test("i-12: sessions with transforms are shown with each of their stages, in strict mode too", async () => {
  const { ask, control } = await started({ strict: true });
  const stage = { origin: "counter", endpoint: { name: "counter", spec: { address: "<VIRTUAL>" } }, status: "READY" };
  control.addSession("s", { ingress: [stage], egress: [stage, stage] });
  for (const path of ["sessions", "sessions/s", "config"]) {
    const { status, json } = await ask("GET", path);
    const shown = path === "sessions/s" ? json : (json.sessions ?? json)[0];
    assertEquals([status, shown.ingress, shown.egress], [200, [stage], [stage, stage]]);
  }
});

Deno.test("i-18: a recursive delete of a rule list leaves the rules that were made on their own, and stale entries do not stop it", async () => {
  const { ask } = await started();
  await ask("POST", "rules", { body: { rule: { name: "own", action: { apply: "x" } } } });
  const rules = ["own", "never-was", { name: "inline", action: { apply: "x" } }];
  assertEquals((await ask("POST", "rulelists", { body: { rulelist: { name: "l", rules } } })).status, 200);
  assertEquals((await ask("DELETE", "rulelists/l?recursive=true")).status, 200);
  assertEquals((await ask("GET", "rules/own")).status, 200);
  assertEquals((await ask("GET", "rules/inline")).status, 400);
});

Deno.test("i-19: recursive deletes of clusters and endpoints do not depend on what sessions there are", async () => {
  const { ask, control } = await started();
  control.addSession("half", { destination: { status: "PENDING" } });
  const endpoints = [{ name: "e", spec: { address: "192.0.2.1" } }];
  await ask("POST", "clusters", { body: { cluster: { name: "c", spec: { protocol: "TCP", port: 1 }, endpoints } } });
  assertEquals((await ask("DELETE", "endpoints/e?recursive=true")).status, 200);
  assertEquals((await ask("DELETE", "clusters/c?recursive=true")).status, 200);
  assertEquals([...control.effects!.clusters], ["c"]);
});

Deno.test("i-20: an add that fails leaves nothing behind, and can be tried again", async () => {
  const { ask, control } = await started();
  const before = control.snapshot;
  const listener = (protocol: string) => ({
    listener: {
      name: "l",
      spec: { protocol: "TCP", port: 2 },
      rules: [{ name: "r", action: { route: { name: "t", destination: { name: "c", spec: { protocol } } } } }],
    },
  });
  assertEquals((await ask("POST", "listeners", { body: listener("NoSuch") })).status, 400);
  assertEquals(control.snapshot, before);
  control.apply = () => Promise.reject(new ConnectError("listening on :2 failed: Address already in use"));
  const taken = await ask("POST", "listeners", { body: listener("Echo") });
  assertEquals([taken.status, taken.json.content], [400, "listening on :2 failed: Address already in use"]);
  assertEquals(control.snapshot, before);
  control.apply = async () => {};
  assertEquals((await ask("POST", "listeners", { body: listener("Echo") })).status, 200);
});

Deno.test("i-21: what GET /config shows can be posted again and changes nothing", async () => {
  const { ask, control } = await started();
  const endpoints = [{ spec: { address: "192.0.2.1" }, weight: 2 }, {
    name: "e",
    spec: { address: "192.0.2.2" },
    priority: 1,
  }];
  const cluster = {
    name: "c",
    spec: { protocol: "TCP", port: 1 },
    endpoints,
    loadbalancer: { policy: "ConsistentHash" },
  };
  await ask("POST", "routes", { body: { route: { name: "r", destination: cluster, retry: { retry_on: "always" } } } });
  control.addSession("s");
  const { json } = await ask("GET", "config");
  const before = control.snapshot;
  assertEquals((await ask("POST", "config", { body: json })).status, 200);
  assertEquals(control.snapshot, { ...before, admin: control.snapshot.admin });
  for (const kind of ["listeners", "clusters", "rulelists", "rules", "routes"] as const) {
    for (const [name, object] of before[kind]) assert(control.snapshot[kind].get(name) === object, `${kind} ${name}`);
  }
  assertEquals((await ask("GET", "config")).json, json);
});

Deno.test("i-22: a deleted rule stays in its lists by name, and is shown as stale", async () => {
  const { ask } = await started();
  await ask("POST", "rulelists", { body: { rulelist: { name: "l", rules: [{ name: "r", action: { apply: "x" } }] } } });
  assertEquals((await ask("DELETE", "rules/r")).status, 200);
  assertEquals((await ask("GET", "rulelists/l")).json.rules, ["r"]);
  assertEquals((await ask("GET", "rulelists/l?recursive=true")).json.rules, ["r:<STALE>"]);
  assertStringIncludes((await ask("GET", "rulelists/l/rules/0")).json.content, "Not Found");
  assertEquals((await ask("DELETE", "rulelists/l/rules/0?recursive=true")).status, 200);
  assertEquals((await ask("GET", "rulelists/l")).json.rules, []);
});

Deno.test("i-23: a recursive delete leaves what others still use", async () => {
  const { ask } = await started();
  const destination = { name: "shared", spec: { protocol: "Echo" } };
  const listener = (name: string, destination: unknown) => ({
    listener: { name, spec: { protocol: "TCP", port: 2 }, rules: [{ action: { route: { destination } } }] },
  });
  await ask("POST", "listeners", { body: listener("a", destination) });
  await ask("POST", "listeners", { body: listener("b", "shared") });
  assertEquals((await ask("DELETE", "listeners/a?recursive=true")).status, 200);
  assertEquals((await ask("GET", "clusters/shared")).status, 200);
  assertEquals((await ask("DELETE", "listeners/b?recursive=true")).status, 200);
  assertEquals((await ask("GET", "clusters/shared")).status, 400);
});

Deno.test("i-24: what is sent to the API is not written down about the session that carries it", async () => {
  const { ask, control } = await started();
  const facts = Object.freeze({ http: Object.freeze({}) });
  control.addSession("HTTP:127.0.0.1:1-127.0.0.1:1234-0");
  const caller = Object.freeze(callerAt("127.0.0.1", facts));
  assertEquals((await ask("POST", "clusters", { body: echo("secret-name"), caller })).status, 200);
  assert(!(await ask("GET", "sessions")).text.includes("secret-name"));
});

Deno.test("i-1: a cluster is added with its endpoints or not at all", async () => {
  const { ask, control } = await started();
  const wrong = [
    { name: "c", spec: { protocol: "Echo" }, endpoints: [{ spec: { address: "x" } }] },
    {
      name: "c",
      spec: { protocol: "TCP", port: 1 },
      endpoints: [{ name: "e", spec: { address: "x" } }, { name: "e", spec: { address: "y" } }],
    },
    { name: "c", spec: { protocol: "UDP", port: 1 }, endpoints: [{ spec: { address: 7 } }] },
  ];
  for (const cluster of wrong) {
    const { status, json } = await ask("POST", "clusters", { body: { cluster } });
    assertEquals(status, 400, JSON.stringify(cluster));
    assertStringIncludes(json.content, "Cannot add endpoint: ");
  }
  assertEquals(control.version, 1);
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

Deno.test("API: PUT puts a definition in place of another; what refers to it, and its place in the list, stay", async () => {
  const { ask } = await started();
  for (const name of ["a", "b"]) await ask("POST", "clusters", { body: echo(name) });
  const cluster = { spec: { protocol: "TCP", port: 1 }, endpoints: [{ name: "e", spec: { address: "192.0.2.1" } }] };
  assertEquals((await ask("PUT", "clusters/a", { body: { cluster } })).status, 200);
  assertEquals((await ask("GET", "clusters")).json.map(({ name }: { name: string }) => name).slice(1), ["a", "b"]);
  const shown = (await ask("GET", "clusters/a")).json;
  shown.spec.port = 2;
  assertEquals((await ask("PUT", "clusters/a", { body: { cluster: shown } })).status, 200);
  assertEquals((await ask("GET", "clusters/a")).json.spec.port, 2);
  assertEquals((await ask("GET", "clusters/a/endpoints")).json[0].name, "e");
  const renamed = await ask("PUT", "clusters/a", { body: { cluster: { ...cluster, name: "c" } } });
  assertEquals([renamed.status, renamed.json.content], [400, 'Cannot update cluster: "a" cannot be renamed']);
});

Deno.test("API: PATCH changes the members that are given, and takes out those that are null", async () => {
  const { ask } = await started();
  const endpoints = [{ name: "e", spec: { address: "192.0.2.1" } }];
  const cluster = { name: "a", spec: { protocol: "TCP", port: 1, nodelay: true }, endpoints, idle_timeout: "5s" };
  await ask("POST", "clusters", { body: { cluster } });
  const patch = { cluster: { spec: { port: 2, nodelay: null }, idle_timeout: null } };
  assertEquals((await ask("PATCH", "clusters/a", { body: patch, type: "application/merge-patch+json" })).status, 200);
  const shown = (await ask("GET", "clusters/a?recursive=true")).json;
  assertEquals(shown.spec, { protocol: "TCP", port: 2 });
  assertEquals([shown.idle_timeout, shown.endpoints[0].name], [undefined, "e"]);

  const [listener] = (await ask("GET", "listeners")).json;
  const path = `listeners/${listener.name}`;
  assertEquals((await ask("PATCH", path, { body: { listener: { options: { track: 30 } } } })).status, 200);
  assertEquals((await ask("GET", path)).json.options, { ...listener.options, track: 30 });
  const bad = await ask("PATCH", path, { body: { listener: { spec: null } } });
  assertEquals([bad.status, (await ask("GET", path)).json.spec], [400, listener.spec]);
});

Deno.test("API: the admin object is changed by POST and PATCH, replaced by PUT", async () => {
  const { ask, control } = await started();
  const change = (method: string, admin: unknown) => ask(method, "admin", { body: { admin } });
  assertEquals((await change("POST", { log_level: "warn", hosts: ["a"] })).status, 200);
  assertEquals((await change("PATCH", { hosts: null, grace: "2s" })).status, 200);
  assertEquals(control.snapshot.admin, { log_level: "warn", grace: "2s" });
  const { json } = await ask("GET", "admin");
  assertEquals((await change("PUT", { ...json, log_level: "error" })).status, 200);
  assertEquals((await ask("GET", "admin")).json, { ...json, log_level: "error" });
  assertEquals((await change("PUT", { log_level: "loud" })).status, 400);
  assertEquals((await change("PUT", 7)).status, 400);
});

Deno.test("API: If-Match lets a change through only while the object is the one it names", async () => {
  const { ask } = await started();
  const endpoints = [{ name: "e", spec: { address: "192.0.2.1" } }];
  await ask("POST", "clusters", { body: { cluster: { name: "a", spec: { protocol: "TCP", port: 1 }, endpoints } } });
  const tag = async (path: string) => (await ask("GET", path)).headers.get("etag")!;
  for (
    const [path, body] of [["clusters/a", { cluster: { spec: { port: 2 } } }], ["endpoints/e", {
      endpoint: { weight: 2 },
    }], ["admin", { admin: { grace: "1s" } }]] as const
  ) {
    const first = await tag(path);
    const using = (value: string) => ask("PATCH", path, { body, headers: { "if-match": value } });
    assertEquals((await using('"other"')).status, 412);
    assertEquals((await using(`W/${first}`)).status, 412);
    assertEquals((await using(`"x", ${first}`)).status, 200);
    const stale = await using(first);
    assertEquals([stale.status, stale.json.message, stale.headers.get("etag")], [
      412,
      "Precondition Failed",
      await tag(path),
    ]);
    assertEquals((await using("*")).status, 200);
  }
  const before = await tag("clusters/a");
  await ask("PATCH", "endpoints/e", { body: { endpoint: { weight: 9 } } });
  assertEquals((await ask("DELETE", "clusters/a", { headers: { "if-match": before } })).status, 412);
  const put = { body: { cluster: { spec: { protocol: "Echo" } } }, headers: { "if-match": before } };
  assertEquals((await ask("PUT", "clusters/a", put)).status, 412);
  assertEquals((await ask("DELETE", "clusters/a", { headers: { "if-match": await tag("clusters/a") } })).status, 200);
});

Deno.test("API: of two changes made at once from the same state, one fails", async () => {
  const { ask } = await started();
  await ask("POST", "clusters", { body: echo("a") });
  const headers = { "if-match": (await ask("GET", "clusters/a")).headers.get("etag")! };
  const change = (linger: string) => ask("PATCH", "clusters/a", { body: { cluster: { linger } }, headers });
  const statuses = (await Promise.all([change("1s"), change("2s")])).map(({ status }) => status);
  assertEquals(statuses.sort(), [200, 412]);
});

Deno.test("API: a caller that has the object as it is gets 304; what lists or goes deeper has no tag", async () => {
  const { ask } = await started();
  const etag = (await ask("GET", "clusters/L7mpControllerCluster")).headers.get("etag")!;
  const again = await ask("GET", "clusters/L7mpControllerCluster", { headers: { "if-none-match": `W/${etag}` } });
  assertEquals([again.status, again.text, again.headers.get("etag")], [304, "", etag]);
  for (const path of ["clusters", "clusters/L7mpControllerCluster?recursive=true", "config", "sessions"]) {
    assertEquals((await ask("GET", path)).headers.get("etag"), null);
  }
});

Deno.test("API: strict mode answers 422 with a list of what does not fit, in the original's shape", async () => {
  const { ask, control } = await started();
  await control.change((draft) => draft.replaceAdmin({ strict: true }));
  const { status, statusText, json } = await ask("POST", "clusters", { body: { cluster: { name: "x" } } });
  assertEquals([status, statusText, json.message], [
    422,
    json.message,
    "Unprocessable Entity: Input JSON schema validation failed",
  ]);
  const [{ keyword, dataPath, params, message }] = json.content;
  assertEquals({ keyword, dataPath, params, message }, {
    keyword: "required",
    dataPath: ".requestBody.cluster",
    params: { missingProperty: "spec" },
    message: "must have required property 'spec'",
  });
  const wrong: readonly (readonly [method: string, path: string, body: unknown, dataPath: string])[] = [
    ["POST", "clusters", { cluster: { name: "a b", spec: { protocol: "Echo" } } }, ".requestBody.cluster.name"],
    [
      "POST",
      "clusters",
      { cluster: { name: "x", spec: { protocol: "NoSuch" } } },
      ".requestBody.cluster.spec.protocol",
    ],
    [
      "POST",
      "clusters",
      { cluster: { name: "x", spec: { protocol: "TCP", port: "http" } } },
      ".requestBody.cluster.spec.port",
    ],
    [
      "POST",
      "clusters",
      { cluster: { name: "x", spec: { protocol: "TCP" }, endpoints: [{}] } },
      ".requestBody.cluster.endpoints[0]",
    ],
    [
      "POST",
      "listeners",
      { listener: { name: "x", spec: { protocol: "TCP" }, rules: [] } },
      ".requestBody.listener.spec",
    ],
    ["POST", "config", { routes: [{ destination: "x" }] }, ".requestBody.routes[0]"],
    ["PUT", "admin", { admin: { log_level: "loud" } }, ".requestBody.admin.log_level"],
    ["PATCH", "clusters/L7mpControllerCluster", { cluster: { spec: null } }, ".requestBody.cluster"],
    ["GET", "clusters?recursive=maybe", undefined, ".query.recursive"],
    ["GET", "clusters?format=neat", undefined, ".query.format"],
    ["GET", "clusters/a%20b", undefined, ".path.name"],
    ["GET", "clusters/x/endpoints?recursive=true", undefined, ".query"],
    ["DELETE", "clusters/x?format=plain", undefined, ".query"],
  ];
  for (const [method, path, body, dataPath] of wrong) {
    const { status, json } = await ask(method, path, { body });
    assertEquals(status, 422, `${method} ${path}`);
    const paths = json.content.map(({ dataPath }: { dataPath: string }) => dataPath);
    assert(paths.includes(dataPath), `${method} ${path}: ${paths}`);
  }
});

Deno.test("API: strict mode tolerates properties nobody knows, in bodies of every kind", async () => {
  const { ask } = await started({ strict: true });
  const cluster = {
    name: "c",
    spec: { protocol: "TCP", port: 1, colour: "blue" },
    endpoints: [{ spec: { address: "x", a: 1 }, b: 2 }],
    c: 3,
  };
  assertEquals((await ask("POST", "clusters", { body: { cluster, extra: 1 } })).status, 200);
  const route = { name: "r", destination: "c", retry: { retry_on: "never", x: 1 }, y: 2 };
  assertEquals((await ask("POST", "routes", { body: { route } })).status, 200);
});

Deno.test("i-49: strict mode accepts the older forms that the code knows", async () => {
  const { ask } = await started({ strict: true });
  const rule = { name: "r", match: "*", action: { route: { cluster: { name: "c", spec: { protocol: "Echo" } } } } };
  assertEquals((await ask("POST", "rules", { body: { rule } })).status, 200);
  const spec = { protocol: "JSONSocket", transport_spec: { protocol: "UDP", port: 1 }, header: [{ path: "/a" }] };
  assertEquals((await ask("POST", "clusters", { body: { cluster: { name: "j", spec } } })).status, 200);
  const endpoints = [{ name: "e", spec: { address: "192.0.2.1", weight: 3 } }];
  const cluster = { name: "w", spec: { protocol: "TCP", port: 1 }, endpoints };
  assertEquals((await ask("POST", "clusters", { body: { cluster } })).status, 200);
  assertEquals((await ask("GET", "endpoints/e")).json.weight, 3);
  const test = { cluster: { name: "t", spec: { protocol: "Test" } } };
  assertEquals((await ask("POST", "clusters", { body: test })).status, 422);
});

Deno.test("i-48: strict mode accepts the values of offload that are documented", async () => {
  const { ask } = await started({ strict: true });
  for (const offload of ["init", "no_init", "disable", false]) {
    assertEquals((await ask("POST", "admin", { body: { admin: { offload } } })).status, 200);
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

Deno.test("API: a fault of our own is told as 500, and the next request is served", async () => {
  const { ask, control } = await started();
  control.apply = () => Promise.reject(new TypeError("cannot read properties of undefined"));
  const { status, json } = await ask("POST", "clusters", { body: echo("x") });
  assertEquals([status, json.message], [500, "Internal Server Error"]);
  control.apply = async () => {};
  assertEquals((await ask("POST", "clusters", { body: echo("x") })).status, 200);
});

Deno.test("API: bodies too long are 413, whether they say so or not", async () => {
  const { ask } = await started({ limits: { maxBytes: 1000, maxDepth: 10 } });
  const body = JSON.stringify(echo("x".repeat(1000)));
  const { status, json } = await ask("POST", "clusters", { body });
  assertEquals([status, json.message], [413, "Content Too Large"]);
  assertEquals((await ask("POST", "clusters", { body, headers: { "content-length": "2" } })).status, 413);
  assertEquals((await ask("POST", "clusters", { body: "{}", headers: { "content-length": "99999" } })).status, 413);
  assertEquals((await ask("GET", "clusters")).status, 200);
});

/** Nine times nine times ... one: few bytes that stand for 3,486,784,401 values. */
const aliases = [..."abcdefghij"].map((key, i, keys) =>
  `${key}: &${key} [${Array(9).fill(i === 0 ? 1 : `*${keys[i - 1]}`)}]`
)
  .join("\n");

Deno.test("API: malformed, nested, endless and poisoned bodies are 400, and it lives on", async () => {
  const { ask, control } = await started();
  const deep = 100_000;
  const bodies: readonly (readonly [type: string, body: string])[] = [
    ["application/json", ""],
    ["application/json", "{"],
    ["application/json", "\u0000"],
    ["application/json", `${"[".repeat(deep)}${"]".repeat(deep)}`],
    ["application/json", `{"cluster":${'{"a":'.repeat(100)}1${"}".repeat(100)}}`],
    ["application/json", '{"cluster": {"name": "x", "spec": {"protocol": "Echo"}, "__proto__": {"x": 1}}}'],
    ["application/json", '{"cluster": {"name": "x", "spec": {"protocol": "__proto__"}}}'],
    ["application/json", '{"cluster": {"name": "x", "spec": {"protocol": "constructor"}}}'],
    ["text/yaml", "[".repeat(deep)],
    ["text/yaml", "- ".repeat(deep)],
    ["text/yaml", "cluster: &a {name: x, spec: *a}"],
    ["text/yaml", "cluster: {name: x, name: y, spec: {protocol: Echo}}"],
    ["text/yaml", "cluster: !!js/function 'x'"],
    ["text/yaml", "--- 1\n--- 2"],
    ["text/yaml", "cluster: {name: x, spec: {protocol: TCP, port: .nan}}"],
  ];
  for (const [type, body] of bodies) {
    const { status } = await ask("POST", "clusters", { type, body });
    assertEquals(status, 400, body.slice(0, 60));
  }
  const bomb = await ask("POST", "clusters", { type: "text/yaml", body: aliases });
  assertEquals(bomb.json.content, "The body stands for more than 10000 values");
  const request = new Uint8Array([0x22, 0xff, 0xfe, 0x22]);
  const { status } = await ask("POST", "clusters", { body: request as unknown as string });
  assertEquals(status, 400);
  assertEquals(control.version, 1);
  assertEquals((await ask("GET", "config")).status, 200);
});

Deno.test("API: wrong types at every place of a definition are 4xx and change nothing", async () => {
  for (const strict of [false, true]) {
    const { ask, control } = await started({ strict });
    const values = [null, 0, -1, 1.5, 1e300, "", " ", "x", true, [], [[]], {}, { a: {} }, ["x", 7]];
    const good = {
      name: "l",
      spec: { protocol: "TCP", port: 1 },
      options: { track: 1 },
      rules: [{
        name: "r",
        match: {},
        action: {
          rewrite: [{ path: "/a", value: 1 }],
          route: {
            name: "t",
            destination: {
              name: "c",
              spec: { protocol: "TCP", port: 1 },
              endpoints: [{ name: "e", spec: { address: "x" }, weight: 1 }],
              loadbalancer: { policy: "Trivial" },
            },
            ingress: [],
            retry: { retry_on: "never" },
          },
        },
      }],
    };
    for (const [path, at] of places(good)) {
      for (const value of values) {
        const listener = structuredClone(good);
        at(listener, value);
        const { status } = await ask("POST", "listeners", { body: { listener } });
        assert(status === 200 || status >= 400 && status < 500, `${path} = ${JSON.stringify(value)}: ${status}`);
        if (status === 200) await control.reload(controllerConfig);
      }
    }
    assertEquals((await ask("POST", "listeners", { body: { listener: good } })).status, 200);
  }
});

/** Every place in `value`, with what puts something else there. */
function* places(value: unknown, path = ""): Iterable<[path: string, put: (root: unknown, value: unknown) => void]> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const here = `${path}/${key}`;
    yield [here, (root, put) => {
      const keys = here.split("/").slice(1);
      const last = keys.pop()!;
      const owner = keys.reduce((at, key) => (at as Record<string, unknown>)[key], root);
      (owner as Record<string, unknown>)[last] = put;
    }];
    yield* places(member, here);
  }
}

Deno.test("API: wrong types at every place of a configuration are 4xx or nothing, and change nothing", async () => {
  for (const strict of [false, true]) {
    const { ask, control } = await started({ strict });
    const values = [null, 0, "", "x", true, [], [null], [[]], ["x"], {}, { a: 1 }];
    const good = {
      admin: { log_level: "info", hosts: ["a"] },
      clusters: [{ name: "c", spec: { protocol: "TCP", port: 1 } }],
      listeners: [{ name: "l", spec: { protocol: "TCP", port: 1 }, rules: "rl" }],
      rulelists: [{ name: "rl", rules: ["r"] }],
      rules: [{ name: "r", action: { route: "t" } }],
      routes: [{ name: "t", destination: "c" }],
      endpoints: [{ name: "e", cluster: "c", spec: { address: "x" } }],
    };
    for (const [path, put] of places(good)) {
      for (const value of values) {
        const config = structuredClone(good);
        put(config, value);
        const before = control.version;
        const { status, text } = await ask("POST", "config", { body: config });
        assert(status === 200 || status >= 400 && status < 500, `${path} = ${JSON.stringify(value)}: ${text}`);
        assertEquals(control.version, before + (status === 200 ? 1 : 0));
      }
    }
  }
});

Deno.test("API: adds and deletes of the same names at once leave whole objects and no others", async () => {
  const { ask, control } = await started();
  const names = ["a", "b", "c"];
  const work = Array.from({ length: 300 }, (_, i) => {
    const name = names[i % 3]!;
    const cluster = {
      name,
      spec: { protocol: "TCP", port: 1 },
      endpoints: [{ name: `${name}-e`, spec: { address: "x" } }],
    };
    return i % 2 ? ask("POST", "clusters", { body: { cluster } }) : ask("DELETE", `clusters/${name}?recursive=true`);
  });
  const statuses = (await Promise.all(work)).map(({ status }) => status);
  assert(statuses.every((status) => status === 200 || status === 400));
  for (const { name, endpoints } of control.snapshot.clusters.values()) {
    if (names.includes(name)) assertEquals(endpoints.map(({ name }) => name), [`${name}-e`]);
  }
  assertEquals(control.version, 1 + statuses.filter((status) => status === 200).length);
});

Deno.test("API: a configuration with a name twice, or an endpoint of no cluster, is refused whole", async () => {
  const { ask, control } = await started();
  const cluster = { name: "a", spec: { protocol: "Echo" } };
  for (
    const config of [
      { clusters: [cluster, cluster] },
      { endpoints: [{ name: "e", spec: { address: "x" }, cluster: "no" }] },
      [],
      "x",
      1,
    ]
  ) {
    assertEquals((await ask("POST", "config", { body: JSON.stringify(config) })).status, 400);
  }
  assertEquals(control.version, 1);
});

Deno.test("API: 1,000 objects are added and deleted, and the configuration is as before", async () => {
  const { ask } = await started();
  const before = (await ask("GET", "config")).text;
  for (let i = 0; i < 1000; i++) await ask("POST", "clusters", { body: echo(`c-${i}`) });
  assertEquals((await ask("GET", "clusters")).json.length, 1001);
  for (let i = 0; i < 1000; i++) await ask("DELETE", `clusters/c-${i}`);
  assertEquals((await ask("GET", "config")).text, before);
});
