// Putting another definition in the place of an object, and reading a whole configuration again.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import type { ConfigDocument, ListenerDocument, RuleDocument } from "../../lib/config/document.ts";
import { Process, refusal } from "./support.ts";

const tcp = { protocol: "TCP", port: 80 };

const rule = (port: number): RuleDocument => ({
  action: { route: { destination: { spec: { protocol: "TCP", port }, endpoints: [{ spec: { address: "h" } }] } } },
});
const listener = (name: string, ...ports: number[]): ListenerDocument => ({
  name,
  spec: tcp,
  rules: ports.map(rule),
});

Deno.test("replacing keeps the name, the place in the list, and what refers to it", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addCluster({ name: "a", spec: tcp });
    draft.addCluster({ name: "b", spec: tcp });
    draft.addRoute({ name: "t", destination: "a" });
  });
  const before = process.snapshot;
  const effects = process.change((draft) => draft.replaceCluster("a", { spec: { protocol: "UDP", port: 1 } }));
  assertEquals(effects, { listeners: [], clusters: [], endpoints: [] });
  assertEquals(process.names("clusters"), ["a", "b"]);
  assertEquals(process.snapshot.clusters.get("a")!.spec.protocol, "UDP");
  assertStrictEquals(process.snapshot.clusters.get("b"), before.clusters.get("b"));
  assertStrictEquals(process.snapshot.routes, before.routes);
});

Deno.test("replacing something by the same changes nothing at all", () => {
  const process = new Process();
  process.change((draft) => draft.addListener(listener("web", 1, 2)));
  const before = process.snapshot;
  process.change((draft) => draft.replaceListener("web", listener("web", 1, 2)));
  assertStrictEquals(process.snapshot.listeners.get("web"), before.listeners.get("web"));
  assertStrictEquals(process.snapshot, before);
});

class ProcessWith extends Process {
  constructor(...listeners: ListenerDocument[]) {
    super({ listeners });
  }
}

Deno.test("inline definitions of before go with what replaces them, unless somebody else uses them", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addListener(listener("web", 1, 2));
    draft.addRoute({ name: "t", destination: "web-RuleList-0-Rule-0-Route-0-Cluster-0" });
  });
  process.change((draft) => draft.replaceListener("web", { name: "web", spec: tcp, rules: "elsewhere" }));
  assertEquals(process.all, {
    listeners: ["web"],
    clusters: ["web-RuleList-0-Rule-0-Route-0-Cluster-0"],
    rulelists: [],
    rules: [],
    routes: ["t"],
  });
});

Deno.test("i-23: a named inline definition cannot be written again while the old one is in use elsewhere", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addRoute({ name: "t", destination: { name: "c", spec: tcp } });
    draft.addRoute({ name: "u", destination: "c" });
  });
  assertEquals(
    refusal(() => process.change((draft) => draft.replaceRoute("t", { destination: { name: "c", spec: tcp } }))),
    'Cannot add cluster: Cluster "c" already defined',
  );
  assertEquals(process.snapshot.routes.get("t")!.destination, "c");
});

Deno.test("a named inline definition can be written again by its owner", () => {
  const process = new Process();
  const route = (port: number) => ({ destination: { name: "c", spec: { protocol: "TCP", port } } });
  process.change((draft) => draft.addRoute({ name: "t", ...route(1) }));
  process.change((draft) => draft.replaceRoute("t", route(2)));
  assertEquals(process.snapshot.clusters.get("c")!.spec.port, 2);
  assertEquals(process.names("clusters"), ["c"]);
});

Deno.test("a new definition may name what the old one had inline", () => {
  const process = new ProcessWith(listener("web", 1, 2));
  const before = process.snapshot;
  const [first, second] = before.rulelists.get("web-RuleList-0")!.rules as [string, string];
  process.change((draft) => draft.replaceRuleList("web-RuleList-0", { rules: [second, first] }));
  assertEquals(process.snapshot.rulelists.get("web-RuleList-0")!.rules, [second, first]);
  assertStrictEquals(process.snapshot.rules, before.rules);
  assertStrictEquals(process.snapshot.clusters, before.clusters);
  process.change((draft) => draft.replaceRuleList("web-RuleList-0", { rules: [first] }));
  assertEquals(process.names("clusters").length, 1);
});

Deno.test("endpoints of a replaced cluster: those given, or with a number in their place those it has", () => {
  const process = new Process();
  process.change((draft) =>
    draft.addCluster({
      name: "c",
      spec: tcp,
      endpoints: [{ spec: { address: "h" } }, { name: "e", spec: { address: "i" } }],
    })
  );
  const before = process.snapshot.clusters.get("c")!.endpoints;
  process.change((draft) => draft.replaceCluster("c", { spec: { ...tcp, port: 81 }, endpoints: 2 }));
  assertEquals(process.snapshot.clusters.get("c")!.endpoints, before);
  process.change((draft) =>
    draft.replaceCluster("c", {
      spec: tcp,
      endpoints: [{ name: "e", spec: { address: "j" } }, { spec: { address: "h" } }],
    })
  );
  assertEquals(process.endpoints, ["e", "c-EndPoint-0"]);
  process.change((draft) => draft.replaceEndPoint("e", { spec: { address: "k" }, weight: 4 }));
  assertEquals(process.snapshot.clusters.get("c")!.endpoints[0], {
    name: "e",
    spec: { address: "k" },
    weight: 4,
    priority: 0,
  });
  process.change((draft) => draft.replaceCluster("c", { spec: tcp }));
  assertEquals(process.endpoints, []);
});

Deno.test("an object cannot be renamed", () => {
  const process = new Process();
  process.change((draft) => draft.addCluster({ name: "a", spec: tcp }));
  assertStringIncludes(
    refusal(() => process.change((draft) => draft.replaceCluster("a", { name: "b", spec: tcp }))),
    "Property name",
  );
});

Deno.test("adding and deleting again gives the same objects", () => {
  const process = new ProcessWith(listener("web", 1));
  const before = process.snapshot;
  process.change((draft) => draft.addListener(listener("other", 2, 3)));
  process.change((draft) => draft.deleteListener("other", true));
  assertEquals(process.snapshot, before);
  for (const kind of ["listeners", "clusters", "rulelists", "rules", "routes"] as const) {
    for (const [name, object] of before[kind]) assertStrictEquals<unknown>(process.snapshot[kind].get(name), object);
  }
});

Deno.test("reading the same configuration again changes nothing", () => {
  const document = (): ConfigDocument => ({
    admin: { log_level: "info" },
    listeners: [listener("a", 1, 2), listener("b", 3)],
    clusters: [{ name: "c", spec: tcp, endpoints: [{ spec: { address: "x" } }] }],
  });
  const process = new Process(document());
  const before = process.snapshot;
  process.reload(document());
  assertStrictEquals(process.snapshot, before);
});

Deno.test("a listener put before others leaves them and all their parts as they are", () => {
  const process = new Process({ listeners: [listener("a", 1), listener("b", 2, 3)] });
  const before = process.snapshot;
  process.reload({ listeners: [listener("new", 9), listener("a", 1), listener("b", 2, 3)] });
  for (const kind of ["listeners", "clusters", "rulelists", "rules", "routes"] as const) {
    for (const [name, object] of before[kind]) assertStrictEquals<unknown>(process.snapshot[kind].get(name), object);
  }
  assertEquals(process.names("listeners"), ["a", "b", "new"]);
});

Deno.test("a rule put before others leaves them and the clusters they lead to as they are", () => {
  const process = new Process({ listeners: [listener("a", 1, 2)] });
  const before = process.snapshot;
  process.reload({ listeners: [listener("a", 9, 1, 2)] });
  assertStrictEquals(process.snapshot.listeners.get("a"), before.listeners.get("a"));
  for (const [name, object] of before.rules) assertStrictEquals(process.snapshot.rules.get(name), object);
  for (const [name, object] of before.clusters) assertStrictEquals(process.snapshot.clusters.get(name), object);
  const [first, ...others] = process.snapshot.rulelists.get("a-RuleList-0")!.rules;
  assertEquals(others, ["a-RuleList-0-Rule-0", "a-RuleList-0-Rule-1"]);
  assert(/^a-RuleList-0-Rule-\d+$/.test(first!), first);
  assert(
    process.names("routes").every((name) => name.startsWith("a-RuleList-0-Rule-")),
    String(process.names("routes")),
  );
});

Deno.test("a changed part changes no more than itself and keeps its name", () => {
  const process = new Process({ listeners: [listener("a", 1, 2)] });
  const before = process.snapshot;
  process.reload({ listeners: [listener("a", 1, 5)] });
  assertEquals(process.all, { ...new Process({ listeners: [listener("a", 1, 2)] }).all });
  const changed = "a-RuleList-0-Rule-1-Route-1-Cluster-1";
  assertEquals(process.snapshot.clusters.get(changed)!.spec.port, 5);
  assertNotStrictEquals(process.snapshot.clusters.get(changed), before.clusters.get(changed));
  assertStrictEquals(process.snapshot.routes, before.routes);
  assertStrictEquals(process.snapshot.listeners, before.listeners);
  // Its endpoint is the same one.
  assertStrictEquals(
    process.snapshot.clusters.get(changed)!.endpoints[0],
    before.clusters.get(changed)!.endpoints[0],
  );
});

Deno.test("a name that was generated and then written down elsewhere is not given away", () => {
  const process = new Process({ listeners: [listener("a", 1)] });
  const before = "a-RuleList-0-Rule-0-Route-0-Cluster-0";
  process.reload({ listeners: [listener("a", 2)], clusters: [{ name: before, spec: tcp }] });
  assertEquals(process.names("clusters").length, 2);
  assertEquals(process.snapshot.clusters.get(before)!.autogenerated, false);
});

Deno.test("references to generated names by hand hold when the configuration is read again", () => {
  const document = (port: number): ConfigDocument => ({
    listeners: [listener("x", port), listener("a", 1)],
    rules: [{ name: "jump", action: { apply: "a-RuleList-1" } }],
  });
  const process = new Process(document(7));
  const before = process.snapshot;
  process.reload(document(8));
  assertEquals(process.snapshot.rules.get("jump")!.action.apply, "a-RuleList-1");
  assertStrictEquals(process.snapshot.rulelists.get("a-RuleList-1"), before.rulelists.get("a-RuleList-1"));
});
