/** What the REST API of a running process makes of callers that mean harm, or do not know better: 4xx, and it goes on. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { acceptance, type Run } from "../e2e/harness.ts";
import { connect, type Peer } from "../e2e/peers.ts";
import { eventually, memory, openHandles, within } from "../e2e/wait.ts";
import { type Service, startService } from "./service.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

const encoder = new TextEncoder();
const megabyte = 1024 * 1024;

/** A service with an object of every kind. */
function start(run: Run, args: readonly string[] = []): Promise<Service> {
  return startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "UnixDomainSocket", filename: run.path("in") },
      rules: "list",
    }],
    rulelists: [{ name: "list", rules: ["rule"] }],
    rules: [{ name: "rule", action: { route: "route" } }],
    routes: [{ name: "route", destination: "up" }],
    clusters: [{
      name: "up",
      spec: { protocol: "TCP", port: 1 },
      endpoints: [{ name: "endpoint", spec: { address: "127.0.0.1" } }],
    }],
  }, { args });
}

/** A request with a body of any kind. */
async function send(
  service: Service,
  method: string,
  path: string,
  body?: BodyInit,
  type = "application/json",
): Promise<{ status: number; body: Json }> {
  const init = body === undefined ? { method } : { method, body, headers: { "Content-Type": type } };
  const response = await within(
    `${method} ${path}`,
    fetch(`${service.url}${path}`, { ...init, client: service.client }),
  );
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

async function config(service: Service): Promise<Json> {
  const { sessions: _, ...rest } = await service.get("/config");
  return rest;
}

/** The head of the answer to bytes that are sent as they are; what follows is not looked at. */
async function raw(run: Run, service: Service, ...parts: (string | Uint8Array)[]): Promise<string> {
  using peer = await connect(run, { tcp: Number(new URL(service.url).port) });
  const sending = (async () => {
    for (const part of parts) await peer.send(part);
  })().catch(() => {});
  let head = "";
  while (!head.endsWith("\r\n\r\n")) head += await peer.text(1);
  peer.close();
  await sending;
  return head;
}

function statusOf(head: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
}

acceptance("hostile", "bodies beyond the bound are refused, however they come, and are not kept", async (run) => {
  const service = await start(run);
  await config(service);
  const before = await memory(service.child.pid);
  const head = (more: string) =>
    `POST /api/v1/clusters HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/json\r\n${more}\r\n`;
  // Refused before any of it has come.
  assertEquals(statusOf(await raw(run, service, head(`Content-Length: ${1024 * megabyte}\r\n`))), 413);
  const block = new Uint8Array(megabyte).fill(32);
  const chunk = [`${megabyte.toString(16)}\r\n`, block, "\r\n"];
  const chunks = Array.from({ length: 200 }, () => chunk).flat();
  assertEquals(statusOf(await raw(run, service, head("Transfer-Encoding: chunked\r\n"), ...chunks)), 413);
  const { status } = await send(service, "POST", "/config", new Blob(Array.from({ length: 40 }, () => block)));
  assertEquals(status, 413);
  assert(await memory(service.child.pid) - before < 120 * megabyte);
  assertEquals((await config(service)).clusters.length, 1);
});

acceptance("hostile", "bodies that are no JSON or YAML, or are too deep, or blow up, are refused soon", async (run) => {
  const service = await start(run);
  const before = await config(service);
  const deep = (open: string, close: string, levels: number) => open.repeat(levels) + close.repeat(levels);
  const laughs = Array.from({ length: 12 }, (_, i) => {
    const [name, of] = [`x${i}`, i === 0 ? '"lol"' : `*x${i - 1}`];
    return `${name}: &${name} [${Array.from({ length: 10 }, () => of).join(", ")}]`;
  }).join("\n");
  const yaml = "application/yaml";
  const bodies: [string | Uint8Array, string?][] = [
    [""],
    ["{"],
    ["nonsense"],
    ['{"cluster": {"name": "c", "spec": {"protocol": "TCP"'],
    ['{"cluster": {"name": "c",, }}'],
    [new Uint8Array([0xff, 0xfe, 0, 1, 2, 3])],
    ["\0\0\0\0"],
    ['"text"'],
    ["[]"],
    ["null"],
    ["17"],
    [deep("[", "]", 100_000)],
    [deep('{"cluster":', "}", 1).replace("}", `${deep('{"spec":', "}", 50_000)}}`)],
    [`{"cluster": {"name": "c", "spec": ${deep('{"transport":', "}", 5000).replace("}", '{"protocol":"TCP"}}')}}}`],
    [`{"rule": {"name": "r", "action": {}, "match": ${
      '{"op": "not", "apply": ['.repeat(3000)
    }{"op":"defined","path":"/a"}${"]}".repeat(3000)}}}`],
    ["cluster: [", yaml],
    ["cluster:\n\tname: c", yaml],
    [deep("[", "]", 20_000), yaml],
    [Array.from({ length: 3000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"), yaml],
    [laughs, yaml],
    [`cluster: &a {name: c, spec: *a}`, yaml],
    ["!!js/function 'function () { process.exit() }'", yaml],
    ["--- 1\n--- 2\n", yaml],
  ];
  for (const path of ["/clusters", "/rules", "/config"]) {
    for (const [body, type] of bodies) {
      const start = performance.now();
      const answer = await send(service, "POST", path, body as BodyInit, type);
      const what = `${path} ${String(body).slice(0, 60)}: ${JSON.stringify(answer)?.slice(0, 300)}`;
      // A document that says nothing is a configuration; a deep predicate may be a good one.
      const fine = (path === "/config" && body === "") || (path === "/rules" && String(body).includes('"op": "not"'));
      if (answer.status === 200 && fine) {
        if (path === "/rules") await service.do("DELETE", "/rules/r");
        else await service.do("POST", "/config", before);
        continue;
      }
      assert(answer.status >= 400 && answer.status < 500, what);
      assert(performance.now() - start < 5000, `${performance.now() - start} ms for ${what}`);
      assertEquals(await config(service), before, what);
    }
  }
});

const bodies: Record<string, Json> = {
  "/clusters": {
    cluster: {
      name: "new",
      spec: { protocol: "TCP", port: 2 },
      endpoints: [{ name: "e", spec: { address: "127.0.0.1", port: 3 }, weight: 1, priority: 0 }],
      loadbalancer: { policy: "HashRing", key: "/a", sticky: { key: "/a", ttl: 1, max_keys: 2 } },
      health_check: { type: "tcp", interval: "1h", timeout: "1s", unhealthy: 1, healthy: 1 },
      outlier_detection: { consecutive_errors: 1, count: ["reset"], base_ejection_time: 1 },
      circuit_breaker: { max_connections: 1 },
      connect_timeout: "1s",
    },
  },
  "/clusters/up/endpoints": { endpoint: { name: "new", spec: { address: "127.0.0.1" }, weight: 1 } },
  "/routes": {
    route: {
      name: "new",
      destination: { name: "inner", spec: { protocol: "Sync", query: "/a" } },
      ingress: [{ spec: { protocol: "Logger", log_file: "stderr" } }],
      egress: ["up"],
      retry: { retry_on: "always", num_retries: 1, timeout: 1, buffer: 100 },
      linger: "1s",
    },
  },
  "/rules": {
    rule: {
      name: "new",
      match: { op: "and", apply: [{ op: "test", path: "/a", value: 1 }, { op: "matches", path: "/a", value: "a" }] },
      action: { rewrite: [{ path: "/a", value: 1 }], route: "route", deny: { status: 403, reason: "x" } },
    },
  },
  "/rulelists": { rulelist: { name: "new", rules: ["rule", { name: "own", action: { apply: "list" } }] } },
  "/rulelists/list/rules/0": { rule: { name: "new", action: { route: "route" } } },
  "/listeners": {
    listener: {
      name: "new",
      spec: { protocol: "UnixDomainSocket", filename: "" },
      rules: [{ action: { route: "route" } }],
      options: {
        track: 1,
        max_sessions: 1,
        local_ratelimit: { token_bucket: { max_tokens: 1, fill_interval: "1s" }, per: ["/a"] },
      },
    },
  },
};

/** Every body that differs from `body` in one place, where it has something of another type. */
function* spoilt(body: Json): Generator<Json> {
  for (const [key, value] of Object.entries(body)) {
    for (const wrong of [null, true, -1, 1e300, "", "x y", "\0", [], [[]], {}, { a: 1 }, "x".repeat(10_000)]) {
      yield Array.isArray(body) ? body.with(Number(key), wrong) : { ...body, [key]: wrong };
    }
    if (typeof value !== "object" || value === null) continue;
    for (const inner of spoilt(value)) {
      yield Array.isArray(body) ? body.with(Number(key), inner) : { ...body, [key]: inner };
    }
  }
}

for (const mode of ["lenient", "strict"]) {
  acceptance("hostile", `no value of another type than is expected is a fault of ours (${mode})`, async (run) => {
    const service = await start(run, mode === "strict" ? ["-s"] : []);
    bodies["/listeners"].listener.spec.filename = run.path("new");
    const before = await config(service);
    const seen = new Map<number, number>();
    for (const [path, body] of Object.entries(bodies)) {
      for (const one of spoilt(body)) {
        const { status, body: answer } = await send(service, "POST", path, JSON.stringify(one));
        seen.set(status, (seen.get(status) ?? 0) + 1);
        const what = `${path} ${JSON.stringify(one).slice(0, 500)}: ${status} ${JSON.stringify(answer).slice(0, 500)}`;
        assert([200, 400, 422].includes(status), what);
        if (status !== 200) continue;
        // What was good enough goes away by what was there before.
        await service.do("POST", "/config", before);
      }
      assertEquals(await config(service), before, path);
    }
    assert(seen.get(400)! + (seen.get(422) ?? 0) > 300, JSON.stringify([...seen]));
  });
}

acceptance("hostile", "names and paths of a language's own change nothing but what they name", async (run) => {
  const service = await start(run);
  const before = await config(service);
  for (
    const name of [
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
      "0",
      "..",
      ".",
      "%2F",
      "a/b",
      "ä".repeat(1000),
    ]
  ) {
    const at = encodeURIComponent(name);
    const text = `{"cluster": {"name": ${JSON.stringify(name)}, "spec": {"protocol": "Echo"}}}`;
    const { status } = await send(service, "POST", "/clusters", text);
    assertEquals(status, 200, name);
    // An URL cannot end in dots: clients take them for steps.
    const isStep = /^\.+$/.test(name);
    assertEquals((await service.get("/clusters")).at(-1).name, name);
    if (!isStep) assertEquals((await service.get(`/clusters/${at}`)).name, name);
    if (isStep) await service.do("POST", "/config", before);
    else await service.do("DELETE", `/clusters/${at}`);
    if (!isStep) assertEquals((await send(service, "GET", `/clusters/${at}`)).status, 400, name);
  }
  assertEquals(await config(service), before);
  for (
    const rule of [
      '{"name": "r", "action": {"rewrite": [{"path": "/__proto__/polluted", "value": 1}], "route": "route"}}',
      '{"name": "r", "__proto__": {"action": 1}, "action": {"route": "route"}}',
      '{"name": "r", "match": {"op": "test", "path": "/constructor/prototype/polluted", "value": 1}, "action": {"route": "route"}}',
    ]
  ) {
    const { status } = await send(service, "POST", "/rulelists/list/rules/0", `{"rule": ${rule}}`);
    assert(status === 200 || status === 400);
    // A session that goes this way.
    await (await connect(run, { unix: run.path("in") })).rest().catch(() => {});
    await service.do("POST", "/config", before);
  }
  assert(!JSON.stringify(await service.get("/config")).includes("polluted"));
  for (
    const path of [
      "/clusters/%zz",
      "/clusters/%",
      "/clusters/%00",
      "/%2e%2e/%2e%2e/etc/passwd",
      "//",
      "/clusters//endpoints",
      "/rulelists/list/rules/-1",
      "/rulelists/list/rules/1e9",
      `/${"x".repeat(7000)}`,
    ]
  ) {
    for (const method of ["GET", "DELETE", "PUT", "PATCH", "POST"]) {
      const { status } = await send(service, method, path);
      assert(status >= 400 && status < 500, `${method} ${path}: ${status}`);
    }
  }
  assertEquals(await config(service), before);
});

acceptance("hostile", "what is no HTTP is refused, and callers that say nothing hold up nobody", async (run) => {
  const service = await start(run);
  await config(service);
  const handles = await openHandles(service.child.pid);
  for (
    const text of [
      "\r\n\r\n\r\nnonsense\r\n\r\n",
      "GET /api/v1/config HTTP/9.9\r\n\r\n",
      "GET /api/v1/config\r\n\r\n",
      "GET /api/v1/config HTTP/1.1\r\n\r\n",
      "GET /api/v1/config HTTP/1.1\r\nHost: evil.example\r\n\r\n",
      "GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
      "POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
      "POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nContent-Length: -2\r\n\r\n{}",
      "POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
      `GET /${"x".repeat(200_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\n${"X-A: b\r\n".repeat(50_000)}\r\n`,
      `GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(200_000)}\r\n\r\n`,
    ]
  ) {
    const head = await raw(run, service, text);
    const status = statusOf(head);
    assert((status >= 400 && status < 500) || status === 505, `${text.slice(0, 100)}: ${head}`);
  }
  const silent: Peer[] = [];
  for (let i = 0; i < 200; i++) {
    const peer = await connect(run, { tcp: Number(new URL(service.url).port) });
    if (i % 2 === 0) await peer.send(encoder.encode("POST /api/v1/clusters HTTP/1.1\r\nHost: localhost\r\nContent-Le"));
    silent.push(peer);
  }
  const asked = performance.now();
  await config(service);
  assert(performance.now() - asked < 5000);
  for (const peer of silent) peer.close();
  await eventually("as many descriptors as before", async () => await openHandles(service.child.pid) <= handles + 1);
});

acceptance("hostile", "of many who add or delete the same at the same time, one has done it", async (run) => {
  const service = await start(run);
  const before = await config(service);
  const handles = await openHandles(service.child.pid);
  const cluster = (name: string) => ({
    cluster: {
      name,
      spec: { protocol: "TCP", port: 1 },
      endpoints: [{ name: `of-${name}`, spec: { address: "127.0.0.1" } }],
    },
  });
  const all = async (count: number, request: (i: number) => Promise<{ status: number }>) => {
    const answers = await Promise.all(Array.from({ length: count }, (_, i) => request(i)));
    for (const { status } of answers) assert([200, 400, 412].includes(status), `${status}`);
    return answers.filter(({ status }) => status === 200).length;
  };
  for (let round = 0; round < 5; round++) {
    assertEquals(await all(50, () => service.request("POST", "/clusters", cluster("same"))), 1);
    assertEquals(await all(50, () => service.request("DELETE", "/clusters/same")), 1);
  }
  // Different ones do not get into each other's way.
  assertEquals(await all(50, (i) => service.request("POST", "/clusters", cluster(`c${i}`))), 50);
  assertEquals(await all(50, (i) => service.request("DELETE", `/clusters/c${i}`)), 50);
  // One port, many listeners: the first has it, the others leave nothing behind. Each of them finds out who has it, for
  // which it looks at every process, after those before it.
  const port = run.port();
  const listener = (i: number) => ({
    listener: {
      name: `l${i}`,
      spec: { protocol: "TCP", address: "127.0.0.1", port },
      rules: [{ action: { route: { destination: { spec: { protocol: "Echo" } } } } }],
    },
  });
  assertEquals(await all(8, (i) => service.request("POST", "/listeners", listener(i))), 1);
  assertEquals((await service.get("/listeners")).length, 2);
  assertEquals((await service.get("/rulelists")).length, 2);
  assertEquals(await all(8, (i) => service.request("DELETE", `/listeners/l${i}?recursive=true`)), 1);
  // Everything at once, and what is left can be read again.
  let state = 1;
  const random = (below: number) => (state = state * 48271 % 2147483647) % below;
  await all(300, (i) => {
    const name = `c${random(10)}`;
    switch (random(5)) {
      case 0:
        return service.request("POST", "/clusters", cluster(name));
      case 1:
        return service.request("DELETE", `/clusters/${name}?recursive=true`);
      case 2:
        return service.request("PUT", `/clusters/${name}`, cluster(name));
      case 3:
        return service.request("POST", "/rulelists/list/rules/0", {
          rule: { action: { route: { destination: name } } },
        });
      default:
        return service.request("DELETE", `/endpoints/of-${name}?recursive=${i % 2 === 0}`);
    }
  });
  const left = await config(service);
  await service.do("POST", "/config", left);
  assertEquals(await config(service), left);
  await service.do("POST", "/config", before);
  assertEquals(await config(service), before);
  await eventually("as many descriptors as before", async () => await openHandles(service.child.pid) <= handles + 1);
});

acceptance("hostile", "a body that says one thing twice is refused where it matters", async (run) => {
  const service = await start(run);
  const before = await config(service);
  const endpoint = { name: "e", spec: { address: "127.0.0.1" } };
  const rule = { name: "twice", action: { route: "route" } };
  for (
    const [path, body] of [
      ["/clusters", { cluster: { name: "up", spec: { protocol: "Echo" } } }],
      ["/clusters", { cluster: { name: "new", spec: { protocol: "TCP", port: 1 }, endpoints: [endpoint, endpoint] } }],
      ["/clusters", {
        cluster: { name: "new", spec: { protocol: "TCP", port: 1 }, endpoints: [{ ...endpoint, name: "endpoint" }] },
      }],
      ["/clusters/up/endpoints", { endpoint: { ...endpoint, name: "endpoint" } }],
      ["/rulelists", { rulelist: { name: "new", rules: [rule, rule] } }],
      ["/rulelists", { rulelist: { name: "new", rules: [{ ...rule, name: "rule" }] } }],
      ["/rules", { rule: { name: "new", action: { route: { name: "route", destination: "up" } } } }],
      ["/routes", { route: { name: "new", destination: { name: "up", spec: { protocol: "Echo" } } } }],
      ["/listeners", { listener: { name: "in", spec: { protocol: "UDP", port: 1 }, rules: [] } }],
    ] as [string, Json][]
  ) {
    const { status, body: answer } = await service.request("POST", path, body);
    assertEquals(status, 400, JSON.stringify(body));
    assert(/already defined/.test(answer.content), answer.content);
    assertEquals(await config(service), before);
  }
});
