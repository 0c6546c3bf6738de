// Strict mode: requests are checked against the schemas.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { started } from "./_fake_control.ts";

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
    ["GET", "rulelists/l/rules/x", undefined, ".path.position"],
    ["GET", "rulelists/l/rules/1.5", undefined, ".path.position"],
    ["POST", "rulelists/l/rules/x", { rule: "r" }, ".path.position"],
    ["DELETE", "rulelists/l/rules/a%20b", undefined, ".path.position"],
    ["POST", "clusters/c/endpoints", { endpoint: { name: "noaddr", spec: {} } }, ".requestBody.endpoint.spec"],
    [
      "POST",
      "clusters",
      { cluster: { name: "x", spec: { protocol: "TCP", port: 1 }, endpoints: [{ spec: { port: 1 } }] } },
      ".requestBody.cluster.endpoints[0].spec",
    ],
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

Deno.test("API: strict mode lets positions pass that are integers, though no list has them, and names to delete", async () => {
  const { ask } = await started({ strict: true });
  const rules = ["r", "10-block"].map((name) => ({ name, action: { apply: "x" } }));
  assertEquals((await ask("POST", "rulelists", { body: { rulelist: { name: "l", rules } } })).status, 200);
  assertEquals((await ask("GET", "rulelists/l/rules/1")).json.name, "10-block");
  for (const position of ["7", "-1"]) assertEquals((await ask("GET", `rulelists/l/rules/${position}`)).status, 400);
  assertEquals((await ask("POST", "rulelists/l/rules/0", { body: { rule: "r" } })).status, 200);
  assertEquals((await ask("DELETE", "rulelists/l/rules/0")).status, 200);
  assertEquals((await ask("DELETE", "rulelists/l/rules/10-block")).status, 200);
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
