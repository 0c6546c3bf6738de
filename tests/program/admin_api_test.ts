// The REST API's schemas over everything the program knows how to do: what the original's tests and documents send is
// accepted, in strict mode too.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { client, FakeControl } from "../../lib/admin/_fake_control.ts";
import { registry } from "../../protocols/mod.ts";

async function started(strict: boolean) {
  const control = new FakeControl(registry);
  const ask = client(control, { registry, strict });
  assertEquals((await ask("GET", "config")).status, 200);
  return { control, ask };
}

const bind = { port: 16001, address: "127.0.0.1" };
const endpoints = [{ spec: { address: "127.0.0.1" } }];

const clusters = [
  { spec: { protocol: "WebSocket", port: 16000, bind }, endpoints },
  { spec: { protocol: "UDP", port: 16000, bind }, endpoints },
  { spec: { protocol: "TCP", port: 16000, bind }, endpoints },
  { spec: { protocol: "UnixDomainSocket", port: 16000, bind }, endpoints: [{ spec: { address: "/tmp/x.sock" } }] },
  { spec: { protocol: "UnixDomainSocket" } },
  ...["Stdio", "Echo", "Discard", "Logger", "JSONEncap", "JSONDecap", "Sync"].map((protocol) => ({
    spec: { protocol, port: 16000, bind, ...(protocol === "Sync" && { query: "test/test/test" }) },
  })),
  { spec: { protocol: "JSONSocket", port: 16000, bind, transport: { protocol: "UDP", port: 54321 } }, endpoints },
  {
    spec: {
      protocol: "JSONSocket",
      transport: { protocol: "UDP", port: 16000 },
      header: [
        { path: { from: "/labels/session_id", to: "/labels/session_id" } },
        { set: { key: "/labels/field", value: "value" } },
        { path: "/x" },
      ],
    },
    endpoints: [{ spec: { address: "localhost" } }],
  },
  { spec: { protocol: "JSONSocket", transport_spec: { protocol: "TCP", port: 1 } }, endpoints },
  { spec: { protocol: "Metric", byteCounterName: "b", packetCounterName: "p" } },
  { spec: { protocol: "Logger", log_file: "-", log_prefix: "x" } },
  { spec: { protocol: "STDIO-fork", command: "cat" } },
  {
    spec: { protocol: "TCP", port: 53 },
    endpoints: [{ spec: { address: "192.0.2.1" }, weight: 2 }, {
      name: "e/2",
      spec: { address: "192.0.2.2", port: 5 },
    }],
    loadbalancer: { policy: "ConsistentHash", key: "IP/src_addr" },
  },
];

const listeners = [
  { spec: { protocol: "HTTP", port: 12345 } },
  { spec: { protocol: "WebSocket", port: 12345 } },
  { spec: { protocol: "TCP", port: 12345 } },
  { spec: { protocol: "UnixDomainSocket", filename: "test" } },
  { spec: { protocol: "JSONSocket", transport: { protocol: "UDP", port: 54321 } } },
  { spec: { protocol: "UDP", port: 15000, connect: { address: "127.0.0.1", port: 15001 } } },
  { spec: { protocol: "UDP", port: 15000, connect: { port: 15001 }, options: { mode: "server" } } },
  { spec: { protocol: "UDP", port: 15000 }, options: { track: 30 } },
];

/** Where nothing is connected to, port and bind are dropped, and a Logger is completed. */
function echoed(spec: object): object {
  const { protocol, port: _, bind: __, ...rest } = spec as Record<string, unknown>;
  if (protocol === "Logger") return { protocol, log_file: "-", log_prefix: "", ...rest };
  return ["Stdio", "Echo", "Discard", "JSONEncap", "JSONDecap", "Sync"].includes(String(protocol))
    ? { protocol, ...rest }
    : spec;
}

for (const strict of [false, true]) {
  const mode = strict ? "strict" : "lenient";

  Deno.test(`API, ${mode}: every cluster of the original's tests and documents is added, echoed and deleted`, async () => {
    const { ask } = await started(strict);
    for (const cluster of clusters) {
      const route = { name: "r", destination: { name: "c", ...cluster } };
      const inline = await ask("POST", "routes", { body: { route } });
      assertEquals([inline.status, inline.json], [200, { status: 200, message: "OK" }], JSON.stringify(cluster));
      assertEquals((await ask("GET", "clusters/c")).json.spec, echoed(cluster.spec));
      assertEquals((await ask("DELETE", "routes/r?recursive=true")).status, 200);
      const { status } = await ask("POST", "clusters", { body: { cluster: { name: "c", ...cluster } } });
      assertEquals(status, 200);
      assertEquals((await ask("DELETE", "clusters/c")).status, 200);
    }
  });

  Deno.test(`API, ${mode}: every listener of the original's tests and documents is added, echoed and deleted`, async () => {
    const { ask } = await started(strict);
    for (const listener of listeners) {
      const body = { listener: { name: "l", rules: [], ...listener } };
      const { status, json } = await ask("POST", "listeners", { body });
      assertEquals([status, json], [200, { status: 200, message: "OK" }], JSON.stringify(listener));
      assertEquals((await ask("GET", "listeners/l")).json.spec, listener.spec);
      assertEquals((await ask("DELETE", "listeners/l?recursive=true")).status, 200);
    }
  });
}

Deno.test("API, strict: every protocol, layer and transform may stand in a cluster", async () => {
  const { ask } = await started(true);
  const { components: { schemas } } = (await ask("GET", "openapi.json")).json;
  for (const { name, spec } of [...registry.protocols, ...registry.layers, ...registry.transforms]) {
    const schema = schemas[`ClusterSpec.${name}`];
    assert(schema, name);
    const known = Object.entries(spec.fields).filter(([, { notes }]) => !notes.hidden).map(([key]) => key);
    for (const key of known) assert(schema.properties[key], `${name}.${key}`);
  }
});
