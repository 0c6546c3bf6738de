// The steps of the original's tests 20 to 24 that need no network, as changes of a process with its static configuration.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertExists } from "@std/assert";
import type { SpecDocument } from "../../lib/config/document.ts";
import { dumpCluster, dumpEndPoints, dumpListener, dumpRoute, dumpRule, dumpRuleList } from "../../lib/control/dump.ts";
import { controller, Process, refusal } from "./support.ts";

type Json = Record<string, unknown>;

class Api extends Process {
  constructor() {
    super(controller);
  }
  clusters(recursive = false): Json[] {
    return [...this.snapshot.clusters.values()].map((cluster) => dumpCluster(cluster, { recursive }));
  }
  listeners(recursive = false): Json[] {
    return [...this.snapshot.listeners.values()].map((one) => dumpListener(this.snapshot, one, { recursive }));
  }
  routes(recursive = false): Json[] {
    return [...this.snapshot.routes.values()].map((route) => dumpRoute(this.snapshot, route, { recursive }));
  }
  rules(recursive = false): Json[] {
    return [...this.snapshot.rules.values()].map((rule) => dumpRule(this.snapshot, rule, { recursive }));
  }
  ruleLists(recursive = false): Json[] {
    return [...this.snapshot.rulelists.values()].map((list) => dumpRuleList(this.snapshot, list, { recursive }));
  }
  refuses(edit: Parameters<Process["change"]>[0]): void {
    const before = this.snapshot;
    refusal(() => this.change(edit));
    assertEquals(this.snapshot === before, true);
  }
}

const local = ["Stdio", "Echo", "Discard", "Logger", "JSONEncap", "JSONDecap"];
const surplus = { port: 12345, bind: { port: 1, address: "127.0.0.1" } };
const specs: SpecDocument[] = [
  { protocol: "WebSocket", port: 12345 },
  { protocol: "TCP", port: 12345 },
  { protocol: "UnixDomainSocket" },
  ...local.map((protocol) => ({ protocol, ...surplus })),
  { protocol: "Sync", query: "test/test/test", ...surplus },
];
const udp = { protocol: "UDP", port: 16000, bind: { port: 16001, address: "127.0.0.1" } };
const localhost = [{ spec: { address: "127.0.0.1" } }];

Deno.test("20-api-cluster", () => {
  const api = new Api();
  assertEquals(api.listeners()[0]!.name, "controller-listener");
  assertEquals(api.clusters()[0]!.name, "l7mp-controller");
  api.change((draft) => draft.addCluster({ name: "test-cluster", spec: udp, endpoints: localhost }));
  assertEquals(api.clusters()[1], {
    name: "test-cluster",
    spec: udp,
    endpoints: 1,
    loadbalancer: { policy: "Trivial" },
  });
  api.change((draft) => draft.deleteCluster("test-cluster", false));
  const five = ["a", "b", "c", "d", "e"];
  for (const name of five) api.change((draft) => draft.addCluster({ name, spec: udp, endpoints: localhost }));
  assertEquals(api.names("clusters"), ["l7mp-controller", ...five]);
  for (const name of five) api.change((draft) => draft.deleteCluster(name, false));
  assertEquals(api.clusters().length, 1);
  assertEquals((api.clusters(true)[0]!.endpoints as Json[])[0]!.name, "l7mp-controller");
  assertEquals(api.clusters()[0]!.endpoints, 0);
  const endpoints = ["one", "two"].map((name) => ({ name, spec: { address: "127.0.0.1" } }));
  api.change((draft) => draft.addCluster({ name: "test-cluster", spec: udp, endpoints }));
  api.refuses((draft) => draft.addCluster({ name: "test-cluster", spec: udp }));
  api.change((draft) => draft.deleteCluster("test-cluster", false));
  assertEquals(api.endpoints, []);
  api.refuses((draft) => draft.deleteCluster("test-cluster", false));
  for (const spec of specs) {
    api.change((draft) => draft.addCluster({ name: "test-cluster", spec }));
    const { port: _, bind: __, ...shown } = spec;
    if (spec.protocol === "Logger") Object.assign(shown, { log_file: "-", log_prefix: "" });
    assertEquals(api.clusters()[1]!.spec, "bind" in spec ? shown : spec);
    api.change((draft) => draft.deleteCluster("test-cluster", false));
  }
});

Deno.test("20-api-cluster: JSONSocket", () => {
  const api = new Api();
  api.change((draft) =>
    draft.addListener({
      name: "udp-listener",
      spec: { protocol: "UDP", port: 54321 },
      rules: [{
        action: {
          rewrite: [{ path: "/labels", value: { session_id: 1 } }],
          route: { destination: "jsonsocket-cluster" },
        },
      }],
    })
  );
  const spec = {
    protocol: "JSONSocket",
    transport: { protocol: "UDP", port: 16000 },
    header: [
      { path: { from: "/labels/session_id", to: "/labels/session_id" } },
      { set: { key: "/labels/field", value: "value" } },
    ],
  };
  api.change((draft) =>
    draft.addCluster({ name: "jsonsocket-cluster", spec, endpoints: [{ spec: { address: "localhost" } }] })
  );
  assertEquals(api.clusters()[1]!.spec, spec);
  api.change((draft) => draft.deleteCluster("jsonsocket-cluster", false));
  api.change((draft) => draft.deleteListener("udp-listener", true));
  assertEquals(api.all, new Api().all);
});

Deno.test("20-api-endpoint", () => {
  const api = new Api();
  const shown = () => dumpEndPoints(api.snapshot.clusters.get("test-cluster")!);
  api.change((draft) =>
    draft.addCluster({
      name: "test-cluster",
      spec: udp,
      endpoints: [{ name: "Test-e", spec: { address: "127.0.0.1" } }],
    })
  );
  assertEquals(shown().map(({ name }) => name), ["Test-e"]);
  const second = { name: "second", spec: { port: 12346, address: "127.0.0.1" } };
  api.change((draft) => draft.addEndPoint("test-cluster", second));
  assertEquals(shown()[1], { ...second, weight: 1 });
  api.refuses((draft) => draft.addEndPoint("test-cluster", second));
  for (const name of ["Test-e", "second"]) api.change((draft) => draft.deleteEndPoint(name, false));
  for (let port = 1; port <= 5; port++) {
    api.change((draft) => draft.addEndPoint("test-cluster", { spec: { port, address: "127.0.0.1" } }));
  }
  assertEquals(shown().length, 5);
  for (const { name } of shown()) api.change((draft) => draft.deleteEndPoint(name as string, false));
  assertEquals(shown(), []);
  api.refuses((draft) => draft.addEndPoint("test-cluster", {} as never));
  api.refuses((draft) => draft.addEndPoint("unknown", { spec: { address: "127.0.0.1" } }));
  for (
    const [spec, address] of [
      [{ protocol: "WebSocket", port: 1 }, "127.0.0.1"],
      [{ protocol: "TCP", port: 1 }, "127.0.0.1"],
      [{ protocol: "UnixDomainSocket" }, "/tmp/unix-socket"],
      [{ protocol: "JSONSocket", port: 1, transport: { protocol: "UDP", port: 1 } }, "127.0.0.1"],
    ] as const
  ) {
    const process = new Process({ clusters: [{ name: "static", spec }] });
    process.change((draft) => draft.addEndPoint("static", { name: "e", spec: { port: 5, address } }));
    assertEquals(dumpEndPoints(process.snapshot.clusters.get("static")!), [{
      name: "e",
      spec: { port: 5, address },
      weight: 1,
    }]);
    process.change((draft) => draft.deleteEndPoint("e", true));
  }
});

Deno.test("21-listeners-api", () => {
  const api = new Api();
  assertEquals(api.listeners().map(({ spec }) => spec), [{ protocol: "HTTP", port: 1234 }]);
  const listener = {
    name: "test-listener",
    spec: { protocol: "UDP", port: 15000 },
    rules: [{
      action: {
        route: {
          destination: "unknown",
          ingress: [{ name: "Echo", spec: { protocol: "Echo" } }],
          retry: { retry_on: "always" as const, num_retries: 10, timeout: 2000 },
        },
      },
    }],
  };
  api.change((draft) => draft.addListener(listener));
  assertEquals(api.names("listeners"), ["controller-listener", "test-listener"]);
  assertEquals(api.listeners()[1]!.spec, listener.spec);
  api.refuses((draft) => draft.addListener({ ...listener, rules: [] }));
  api.change((draft) => draft.deleteListener("test-listener", false));
  assertEquals(api.names("clusters"), ["l7mp-controller", "Echo"]);
  api.change((draft) => draft.deleteCluster("Echo", false));
  // deno-lint-ignore no-explicit-any
  const [first] = api.listeners(true) as any[];
  assertEquals(first.rules[0].action.route.destination.endpoints.length, 1);
  assertEquals(typeof api.listeners()[0]!.rules, "string");
  const nested = {
    ...listener,
    rules: [{ name: "test-rule", action: { route: { destination: { name: "Echo", spec: { protocol: "Echo" } } } } }],
  };
  const before = api.all;
  api.change((draft) => draft.addListener(nested));
  api.change((draft) => draft.deleteListener("test-listener", true));
  assertEquals(api.all, before);
  for (
    const spec of [
      { protocol: "HTTP", port: 12345 },
      { protocol: "WebSocket", port: 12345 },
      { protocol: "TCP", port: 12345 },
      { protocol: "UnixDomainSocket", filename: "test" },
      { protocol: "JSONSocket", transport: { protocol: "UDP", port: 54321 } },
    ]
  ) {
    api.change((draft) => draft.addListener({ name: "test-listener", spec, rules: [] }));
    assertEquals(api.listeners()[1]!.spec, spec);
    api.change((draft) => draft.deleteListener("test-listener", true));
  }
  for (const name of ["a", "b", "c", "d", "e"]) {
    api.change((draft) => draft.addListener({ ...listener, name, rules: [] }));
  }
  for (const name of ["a", "b", "c", "d", "e"]) api.change((draft) => draft.deleteListener(name, false));
  api.refuses((draft) => draft.addListener({} as never));
  api.refuses((draft) => draft.addListener({ ...listener, rules: [{} as never] }));
  api.refuses((draft) => draft.deleteListener("unknown", true));
});

Deno.test("22-routes-api", () => {
  const api = new Api();
  const retry = { retry_on: "never", num_retries: 1, timeout: 2000 };
  const [first] = api.routes();
  assertExists(first!.name);
  assertEquals([first!.destination, first!.retry], ["l7mp-controller", retry]);
  api.change((draft) => draft.addRoute({ name: "test-route", destination: "l7mp-controller" }));
  assertEquals(api.routes()[1], {
    name: "test-route",
    destination: "l7mp-controller",
    ingress: [],
    egress: [],
    retry,
  });
  api.refuses((draft) => draft.addRoute({ name: "test-route", destination: "l7mp-controller" }));
  api.change((draft) => draft.deleteRoute("test-route", false));
  const jsonSocket = { protocol: "JSONSocket", transport: { protocol: "UDP", port: 1 }, ...surplus };
  for (const spec of [...specs, udp, jsonSocket]) {
    const destination = { name: "test-cluster", spec, ...(specs.indexOf(spec) < 0 && { endpoints: localhost }) };
    api.change((draft) => draft.addRoute({ name: "test-route", destination }));
    assertEquals([api.routes()[1]!.destination, api.routes()[1]!.retry], ["test-cluster", retry]);
    api.change((draft) => draft.deleteRoute("test-route", false));
    assertEquals(api.names("clusters"), ["l7mp-controller", "test-cluster"]);
    api.change((draft) => draft.deleteCluster("test-cluster", false));
  }
  const full = {
    name: "test-route",
    destination: { name: "there", spec: udp },
    ingress: [{ name: "in", spec: { protocol: "Echo" } }],
    egress: [{ name: "out", spec: { protocol: "Echo" } }],
    retry: { retry_on: "always" as const, num_retries: 1, timeout: 1000 },
  };
  api.change((draft) => draft.addRoute(full));
  assertEquals(api.routes()[1], { ...full, destination: "there", ingress: ["in"], egress: ["out"] });
  assertEquals(api.names("clusters"), ["l7mp-controller", "there", "in", "out"]);
  api.change((draft) => draft.deleteRoute("test-route", false));
  assertEquals(api.routes().length, 1);
  api.refuses((draft) => draft.addRoute({ destination: "there" }));
  api.refuses((draft) => draft.addRoute({ name: "test-route" } as never));
});

Deno.test("22-rule-api", () => {
  const api = new Api();
  const rule = {
    name: "test-rule",
    match: { op: "contains", path: "/a/b", value: "x" },
    action: { rewrite: [{ path: "a/b/c", value: "y" }], route: "no-route", apply: "no-list" },
  };
  api.change((draft) => draft.addRule(rule));
  assertEquals(api.rules()[1], rule);
  api.change((draft) => draft.deleteRule("test-rule", false));
  const inline = (name: string) => ({ ...rule, action: { route: { name, destination: "unknown" } } });
  api.change((draft) => draft.addRule(inline("test-route")));
  assertEquals((api.rules()[1]!.action as Json).route, "test-route");
  assertEquals((api.rules(true)[1]!.action as { route: Json }).route.destination, "unknown:<STALE>");
  api.change((draft) => draft.deleteRule("test-rule", false));
  api.change((draft) => draft.addRule(inline("test-route-2")));
  // deno-lint-ignore no-explicit-any
  const { route } = (api.rules(true)[0] as any).action;
  assertEquals(Object.keys(route), ["name", "destination", "ingress", "egress", "retry"]);
  assertEquals(Object.keys(route.destination), ["name", "spec", "endpoints", "loadbalancer"]);
  api.change((draft) => draft.deleteRule("test-rule", true));
  assertEquals(api.rules().length, 1);
  assertEquals(api.names("routes").includes("test-route-2"), false);
  api.refuses((draft) => draft.addRule({ name: "x" } as never));
  api.refuses((draft) => draft.addRule({ ...rule, name: "[object Object]" }));
});

Deno.test("22-rule-list-api", () => {
  const api = new Api();
  const list = "controller-listener-RuleList-0";
  assertEquals(typeof (api.ruleLists()[0]!.rules as unknown[])[0], "string");
  const test = { name: "test", action: { route: { destination: "echo" } } };
  api.change((draft) => draft.addRuleList({ name: "test-rulelist", rules: [test] }));
  assertEquals(api.ruleLists()[1], { name: "test-rulelist", rules: ["test"] });
  api.change((draft) => draft.deleteRuleList("test-rulelist", false));
  assert(api.names("rules").includes("test"));
  for (const name of ["a", "b", "c", "d", "e"]) api.change((draft) => draft.addRuleList({ name, rules: ["test"] }));
  api.refuses((draft) => draft.addRuleList({ name: "a", rules: [] }));
  for (const name of ["a", "b", "c", "d", "e"]) api.change((draft) => draft.deleteRuleList(name, false));
  assertEquals(api.ruleLists().length, 1);
  const rule = (cluster?: string) => ({
    name: "test-rule",
    action: { route: { destination: cluster ? { name: cluster, spec: { protocol: "Echo" } } : "unknown" } },
  });
  api.change((draft) => draft.insertRule(list, 1, rule()));
  const second = api.ruleLists(true)[0]!.rules as Json[];
  assertEquals([second[1]!.name, second[1]!.match], ["test-rule", { match: "*" }]);
  assertEquals(
    (second[0] as { action: { route: { destination: Json } } }).action.route.destination.name,
    "l7mp-controller",
  );
  api.change((draft) => draft.unlinkRule(list, 1, false));
  api.refuses((draft) => draft.insertRule(list, 10, rule()));
  api.refuses((draft) => draft.addRuleList({ name: "x" } as never));
  api.refuses((draft) => draft.deleteRuleList("x", true));
  api.change((draft) => draft.deleteRule("test-rule", false));
  for (const which of [1, "test-rule"]) {
    api.change((draft) => draft.insertRule(list, 1, rule("echo-2")));
    assert(api.names("clusters").includes("echo-2"));
    api.change((draft) => draft.unlinkRule(list, which, true));
    assertEquals((api.ruleLists()[0]!.rules as unknown[]).length, 1);
    assertEquals(api.names("clusters").includes("echo-2"), false);
    assertEquals(api.names("rules").includes("test-rule"), false);
  }
  api.change((draft) => draft.addRuleList({ name: "full", rules: [rule("echo-2")] }));
  api.change((draft) => draft.deleteRuleList("full", true));
  assertEquals(api.names("clusters"), ["l7mp-controller"]);
});

Deno.test("24-api-config", () => {
  const shown = new Api().dump();
  for (const key of ["admin", "listeners", "clusters", "rulelists", "rules", "routes", "sessions"]) {
    assert(key in shown, key);
  }
  assertEquals(Object.keys(shown.admin as Json), ["log_level", "strict", "offload", "version"]);
});

Deno.test("i-23: deleting the controller's listener recursively leaves the API where another rule leads to it", () => {
  const api = new Api();
  api.change((draft) => draft.addRoute({ name: "keep", destination: "l7mp-controller" }));
  api.change((draft) => draft.deleteListener("controller-listener", true));
  assertEquals(api.names("clusters"), ["l7mp-controller"]);
});
