// Defects of the original that its API had, by their numbers in the specification.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ConnectError } from "../errors.ts";
import { callerAt, started } from "./_fake_control.ts";

const echo = (name: string) => ({ cluster: { name, spec: { protocol: "Echo" } } });

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
    assertEquals(shown.status, 400);
    const isInteger = /^-?\d+$/.test(position);
    const said = `${isInteger ? "No rule at" : "Not Found: No"} position ${
      decodeURIComponent(position)
    } in RuleList "l"`;
    assertEquals(shown.json.content, said);
  }
  assertEquals((await ask("GET", "rulelists/none/rules/0")).json.content, "No such rule list: none");
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
