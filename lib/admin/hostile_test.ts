// Requests that mean harm, or are plainly wrong: answered, and survived.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { controllerConfig, started } from "./_fake_control.ts";

const echo = (name: string) => ({ cluster: { name, spec: { protocol: "Echo" } } });

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
        match: { op: "test", path: "/IP/src_addr", value: "x" },
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
    const { status, text } = await ask("POST", "listeners", { body: { listener: good } });
    assertEquals(status, 200, text);
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
