// What the API shows, and that what it shows loads again.
// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { checkConfig } from "../../lib/config/check_config.ts";
import type { ConfigDocument } from "../../lib/config/document.ts";
import {
  dumpAdmin,
  dumpCluster,
  dumpEndPoint,
  dumpEndPoints,
  dumpListener,
  dumpRoute,
  dumpRule,
  dumpRuleList,
} from "../../lib/control/dump.ts";
import { Process } from "./support.ts";

/** The same text: the order of keys is part of what clients see. */
function assertText(actual: unknown, expected: unknown): void {
  assertEquals(JSON.stringify(actual, null, 1), JSON.stringify(expected, null, 1));
}

function gateway(): Process {
  const process = new Process();
  process.change((draft) => draft.addCluster({ name: "counter", spec: { protocol: "Metric" } }));
  process.change((draft) =>
    draft.addListener({
      name: "dns-in",
      spec: { protocol: "UDP", port: 5300 },
      options: { track: 30 },
      rules: [{
        match: { op: "starts", path: "/IP/src_addr", value: "10." },
        action: {
          rewrite: [{ path: "/labels/tenant", value: "blue" }],
          route: {
            destination: {
              spec: { protocol: "TCP", port: 53 },
              endpoints: [{ spec: { address: "192.0.2.1" }, weight: 2 }, { spec: { address: "192.0.2.2" } }],
              loadbalancer: { policy: "ConsistentHash", key: "/IP/src_addr" },
            },
            ingress: ["counter"],
            retry: { retry_on: "connect-failure", num_retries: 2, timeout: 500 },
          },
        },
      }],
    })
  );
  return process;
}

const rule = "dns-in-RuleList-0-Rule-0";
const route = `${rule}-Route-0`;
const cluster = `${route}-Cluster-0`;

const counter = {
  name: "counter",
  spec: { protocol: "Metric" },
  endpoints: [{ name: "counter", spec: { address: "<VIRTUAL>" } }],
  loadbalancer: { policy: "Trivial" },
};
const fullRoute = (ingress: unknown[]) => ({
  name: route,
  destination: {
    name: cluster,
    spec: { protocol: "TCP", port: 53 },
    endpoints: [
      { name: `${cluster}-EndPoint-0`, spec: { address: "192.0.2.1" }, weight: 2 },
      { name: `${cluster}-EndPoint-1`, spec: { address: "192.0.2.2" }, weight: 1 },
    ],
    loadbalancer: { policy: "HashRing", key: "/IP/src_addr" },
  },
  ingress,
  egress: [],
  retry: { retry_on: "connect-failure", num_retries: 2, timeout: 500 },
});

Deno.test("objects are shown as the API's documentation has them", () => {
  const process = gateway();
  const { snapshot } = process;
  assertText(dumpListener(snapshot, snapshot.listeners.get("dns-in")!), {
    name: "dns-in",
    spec: { protocol: "UDP", port: 5300 },
    rules: "dns-in-RuleList-0",
    options: { track: 30 },
  });
  assertText(dumpRule(snapshot, snapshot.rules.get(rule)!), {
    name: rule,
    match: { op: "starts", path: "/IP/src_addr", value: "10." },
    action: { rewrite: [{ path: "/labels/tenant", value: "blue" }], route },
  });
  assertText(dumpRuleList(snapshot, snapshot.rulelists.get("dns-in-RuleList-0")!), {
    name: "dns-in-RuleList-0",
    rules: [rule],
  });
  assertText(dumpRoute(snapshot, snapshot.routes.get(route)!, { recursive: true }), fullRoute([counter]));
  assertText(dumpCluster(snapshot.clusters.get("counter")!), {
    name: "counter",
    spec: { protocol: "Metric" },
    endpoints: 0,
    loadbalancer: { policy: "Trivial" },
  });
  assertText(dumpCluster(snapshot.clusters.get(cluster)!), {
    name: cluster,
    spec: { protocol: "TCP", port: 53 },
    endpoints: 2,
    loadbalancer: { policy: "HashRing", key: "/IP/src_addr" },
  });
});

Deno.test("with recursive a listener shows its rules, without the level of the rule list", () => {
  const { snapshot } = gateway();
  assertText(dumpListener(snapshot, snapshot.listeners.get("dns-in")!, { recursive: true }), {
    name: "dns-in",
    spec: { protocol: "UDP", port: 5300 },
    rules: [{
      name: rule,
      match: { op: "starts", path: "/IP/src_addr", value: "10." },
      action: { rewrite: [{ path: "/labels/tenant", value: "blue" }], route: fullRoute([counter]) },
    }],
    options: { track: 30 },
  });
});

Deno.test("names that lead nowhere are shown as stale", () => {
  const process = gateway();
  process.change((draft) => draft.deleteCluster("counter", false));
  const shown = (name: "listeners" | "routes") => {
    const { snapshot } = process;
    return name === "routes"
      ? dumpRoute(snapshot, snapshot.routes.get(route)!, { recursive: true })
      : dumpListener(snapshot, snapshot.listeners.get("dns-in")!, { recursive: true });
  };
  assertText(shown("routes"), fullRoute(["counter:<STALE>"]));
  process.change((draft) => draft.deleteRoute(route, false));
  assertEquals((shown("listeners").rules as { action: unknown }[])[0]!.action, {
    rewrite: [{ path: "/labels/tenant", value: "blue" }],
    route: `${route}:<STALE>`,
  });
  process.change((draft) => draft.deleteRule(rule, false));
  assertEquals(shown("listeners").rules, [`${rule}:<STALE>`]);
  process.change((draft) => draft.deleteRuleList("dns-in-RuleList-0", false));
  assertEquals(shown("listeners").rules, "dns-in-RuleList-0:<STALE>");
});

Deno.test("rule lists that apply each other are shown, too", () => {
  const process = new Process();
  process.change((draft) => draft.addRuleList({ name: "l", rules: [{ name: "r", action: { apply: "l" } }] }));
  const { snapshot } = process;
  assertText(dumpRuleList(snapshot, snapshot.rulelists.get("l")!, { recursive: true }), {
    name: "l",
    rules: [{ name: "r", match: { match: "*" }, action: { apply: "l" } }],
  });
});

Deno.test("what only ours has is shown where it was set", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addCluster({
      name: "c",
      spec: { protocol: "TCP", port: 1 },
      endpoints: [{ name: "e", spec: { address: "h", port: 5 }, priority: 1 }],
      health_check: { interval: "1s" },
      connect_timeout: 500,
    });
    draft.addRule({ name: "no", action: { deny: { status: 403, reason: "no" } } });
    draft.addRoute({ name: "t", destination: "c", idle_timeout: "2s" });
  });
  const { snapshot } = process;
  assertText(dumpCluster(snapshot.clusters.get("c")!), {
    name: "c",
    spec: { protocol: "TCP", port: 1 },
    endpoints: 1,
    loadbalancer: { policy: "Trivial" },
    health_check: { interval: "1s" },
    connect_timeout: 500,
  });
  assertText(dumpEndPoint(snapshot.clusters.get("c")!.endpoints[0]!), {
    name: "e",
    spec: { address: "h", port: 5 },
    weight: 1,
    priority: 1,
  });
  assertText(dumpRule(snapshot, snapshot.rules.get("no")!).action, { deny: { status: 403, reason: "no" } });
  assertEquals(dumpRoute(snapshot, snapshot.routes.get("t")!).idle_timeout, "2s");
});

Deno.test("the admin object has its defaults, and the version of the program", () => {
  assertText(dumpAdmin({}, { programVersion: "1.2+abc" }), {
    log_level: "info",
    strict: false,
    offload: false,
    version: "1.2+abc",
  });
  assertEquals(dumpAdmin({ log_file: "x", offload: "init" }, { programVersion: "1", offload: true }), {
    log_level: "info",
    log_file: "x",
    strict: false,
    offload: true,
    version: "1",
  });
});

Deno.test("i-21: what GET /config shows loads again as the same objects", () => {
  const process = gateway();
  process.change((draft) => {
    draft.replaceAdmin({ log_level: "warn", access_log_path: "-" });
    draft.addRule({ name: "all", match: "*", action: { route: "nowhere" } });
    draft.addCluster({ name: "random", spec: { protocol: "TCP", port: 1 }, loadbalancer: { policy: "HashRing" } });
    draft.addCluster({ name: "out", spec: { protocol: "Stdio" } });
  });
  const shown = { ...process.dump(), sessions: [{ name: "some" }] };
  assertEquals(Object.keys(shown), [
    "admin",
    "listeners",
    "clusters",
    "rulelists",
    "rules",
    "routes",
    "endpoints",
    "sessions",
  ]);
  const again = new Process(readBack(shown));
  assertEquals(again.dump(), process.dump());
  assertEquals({ ...again.snapshot, admin: {} }, { ...process.snapshot, admin: {} });
  // And it is no change for the process that showed it.
  const before = process.snapshot;
  process.reload(readBack(shown));
  for (const kind of ["listeners", "clusters", "rulelists", "rules", "routes"] as const) {
    assertEquals(process.snapshot[kind] === before[kind], true, kind);
  }
});

Deno.test("a virtual cluster shows no port and no bind, a Logger its defaults, and both load again as no change", () => {
  const surplus = { port: 16000, bind: { port: 16001, address: "127.0.0.1" } };
  const process = new Process();
  process.change((draft) => {
    draft.addCluster({ name: "echo", spec: { protocol: "Echo", ...surplus } });
    draft.addCluster({ name: "log", spec: { protocol: "Logger", ...surplus } });
    draft.addCluster({ name: "named", spec: { protocol: "Logger", log_prefix: "x", log_file: "stderr", time: true } });
    draft.addCluster({ name: "udp", spec: { protocol: "UDP", ...surplus } });
  });
  const shown = process.dump();
  assertText((shown.clusters as { spec: unknown }[]).map(({ spec }) => spec), [
    { protocol: "Echo" },
    { protocol: "Logger", log_file: "-", log_prefix: "" },
    { protocol: "Logger", log_file: "stderr", log_prefix: "x", time: true },
    { protocol: "UDP", ...surplus },
  ]);
  const before = process.snapshot.clusters;
  process.reload(readBack(shown));
  assertEquals(process.snapshot.clusters === before, true);
  assertEquals(new Process(readBack(shown)).dump(), shown);
});

Deno.test("a virtual cluster has no endpoints to list, and shows itself where a dump is recursive", () => {
  const process = new Process();
  process.change((draft) => draft.addCluster({ name: "echo", spec: { protocol: "Echo" } }));
  const cluster = process.snapshot.clusters.get("echo")!;
  assertEquals(dumpEndPoints(cluster), []);
  assertEquals(dumpCluster(cluster, { recursive: true }).endpoints, [{
    name: "echo",
    spec: { address: "<VIRTUAL>" },
  }]);
});

/** Through text, as a file. */
function readBack(shown: unknown): ConfigDocument {
  const document: unknown = JSON.parse(JSON.stringify(shown));
  checkConfig(document);
  return document;
}

const name = fc.stringMatching(/^[a-z]{1,3}[-/.:]?\d?$/);
const endpoint = fc.record(
  {
    spec: fc.record({
      address: fc.constantFrom("127.0.0.1", "localhost", "::1"),
      port: fc.integer({ min: 1, max: 65535 }),
    }, {
      requiredKeys: ["address"],
    }),
    weight: fc.integer({ min: 0, max: 5 }),
    priority: fc.integer({ min: 0, max: 2 }),
  },
  { requiredKeys: ["spec"] },
);
const port = fc.integer({ min: 1, max: 65535 });
const connector = fc.record({
  spec: fc.oneof(
    fc.record({ protocol: fc.constantFrom("TCP", "UDP", "WebSocket", "HTTP"), port }),
    fc.record({ protocol: fc.constant("JSONSocket"), transport: fc.record({ protocol: fc.constant("UDP"), port }) }),
  ),
  endpoints: fc.array(endpoint, { maxLength: 3 }),
  loadbalancer: fc.constantFrom<unknown>(
    { policy: "Trivial" },
    { policy: "ConsistentHash" },
    { policy: "HashRing", key: "/x" },
    { policy: "RoundRobin", sticky: { key: "/y" } },
  ),
}, { requiredKeys: ["spec"] });
const local = fc.record({
  spec: fc.constantFrom(
    { protocol: "Echo" },
    { protocol: "Logger", log_file: "stderr" },
    { protocol: "JSONEncap" },
    { protocol: "Stdio" },
    { protocol: "Sync", query: "/a/b" },
    { protocol: "EXEC", command: "cat" },
  ),
});
const inlineCluster = fc.oneof(connector, local);
const clusterPlace = fc.oneof(name, inlineCluster);
const inlineRoute = fc.record(
  {
    destination: clusterPlace,
    ingress: fc.array(clusterPlace, { maxLength: 2 }),
    egress: fc.array(clusterPlace, { maxLength: 2 }),
    retry: fc.record({ retry_on: fc.constantFrom("always", "never"), num_retries: fc.nat(3) }, { requiredKeys: [] }),
    linger: fc.constantFrom<string | number>("2s", 100),
  },
  { requiredKeys: ["destination"] },
);
const inlineRule = fc.record(
  {
    match: fc.constantFrom<unknown>("*", { match: "*" }, { op: "defined", path: "/a" }, {
      op: "not",
      apply: [{ op: "test", path: "/b", value: null }],
    }),
    action: fc.record(
      {
        rewrite: fc.array(fc.record({ path: fc.constantFrom("/a", "b/c"), value: fc.jsonValue({ maxDepth: 2 }) }), {
          maxLength: 2,
        }),
        route: fc.oneof(name, inlineRoute),
        apply: name,
        deny: fc.record({ status: fc.integer({ min: 400, max: 599 }), reason: fc.string() }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["action"] },
);
const ruleItems = fc.array(fc.oneof(name, inlineRule), { maxLength: 3 });

/** Items with names of their own, each once. */
function named<T extends object>(item: fc.Arbitrary<T>): fc.Arbitrary<(T & { name: string })[]> {
  return fc.uniqueArray(fc.tuple(name, item), { maxLength: 3, selector: ([name]) => name })
    .map((items) => items.map(([name, item]) => ({ ...item, name })));
}

const configuration = fc.record({
  listeners: named(fc.record({
    spec: fc.record({ protocol: fc.constantFrom("TCP", "HTTP", "WebSocket", "UDP"), port }),
    options: fc.record({ track: fc.nat(9), linger: fc.constant("1s") }, { requiredKeys: [] }),
    rules: fc.oneof(name, ruleItems),
  }, { requiredKeys: ["spec", "rules"] })),
  clusters: named(inlineCluster),
  rulelists: named(fc.record({ rules: ruleItems })),
  rules: named(inlineRule),
  routes: named(inlineRoute),
}).map(readBack);

Deno.test("whatever configuration loads, its dump loads again to the same dump, and is no change", () => {
  fc.assert(
    fc.property(configuration, (document) => {
      const process = new Process(document);
      const shown = process.dump();
      const again = new Process(readBack(shown));
      assertEquals(again.dump(), shown);
      assertEquals({ ...again.snapshot, admin: {} }, { ...new Process(readBack(shown)).snapshot, admin: {} });
      const before = process.snapshot;
      process.reload(document);
      assertEquals(process.snapshot === before, true);
    }),
    { numRuns: 150 },
  );
});

Deno.test("whatever is added and deleted recursively leaves nothing behind", () => {
  fc.assert(
    fc.property(configuration, configuration, (document, more) => {
      const process = new Process({});
      const add = (document: ConfigDocument) => {
        process.change((draft) => {
          for (const cluster of document.clusters ?? []) draft.addCluster(cluster);
          for (const listener of document.listeners ?? []) draft.addListener(listener);
          for (const list of document.rulelists ?? []) draft.addRuleList(list);
          for (const rule of document.rules ?? []) draft.addRule(rule);
          for (const route of document.routes ?? []) draft.addRoute(route);
        });
      };
      const prefixed = JSON.parse(JSON.stringify(more), (key, value) => key === "name" ? `x${value}` : value);
      add(document);
      const before = process.all;
      add(prefixed);
      // Explicit objects of `document` may be used by `more`, never the other way round.
      process.change((draft) => {
        for (const { name } of prefixed.listeners) draft.deleteListener(name, true);
        for (const { name } of prefixed.rulelists) draft.deleteRuleList(name, true);
        for (const { name } of prefixed.rules) draft.deleteRule(name, true);
        for (const { name } of prefixed.routes) draft.deleteRoute(name, true);
        for (const { name } of prefixed.clusters) draft.deleteCluster(name, true);
      });
      assertEquals(process.all, before);
    }),
    { numRuns: 100 },
  );
});
