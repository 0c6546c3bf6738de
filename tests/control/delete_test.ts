// What deleting takes along, and what it does to sessions.
// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { Process } from "./support.ts";

const tcp = { protocol: "TCP", port: 80 };
const none = { listeners: [], clusters: [], endpoints: [] };
const empty = { listeners: [], clusters: [], rulelists: [], rules: [], routes: [] };

/** A listener with everything inline; `inner` is the rule's name. */
function nested(name: string) {
  return {
    name,
    spec: tcp,
    rules: [{
      name: `${name}-rule`,
      action: {
        route: {
          destination: { spec: tcp, endpoints: [{ spec: { address: "h" } }] },
          ingress: [{ name: `${name}-echo`, spec: { protocol: "Echo" } }],
        },
      },
    }],
  };
}

Deno.test("a plain delete removes one object and ends nothing; names that lead to it stay", () => {
  const process = new Process();
  process.change((draft) => draft.addListener(nested("web")));
  const before = process.all;
  assertEquals(process.change((draft) => draft.deleteListener("web", false)), none);
  assertEquals(process.all, { ...before, listeners: [] });
  assertEquals(process.change((draft) => draft.deleteCluster("web-echo", false)), none);
  assertEquals([...process.snapshot.routes.values()][0]!.ingress, ["web-echo"]);
});

Deno.test("a recursive delete removes all that was written inline, and says whose sessions end", () => {
  const process = new Process();
  process.change((draft) => draft.addListener(nested("web")));
  const clusters = process.names("clusters");
  const effects = process.change((draft) => draft.deleteListener("web", true));
  assertEquals(process.all, empty);
  assertEquals(effects, { listeners: ["web"], clusters: clusters.sort().reverse(), endpoints: [] });
});

Deno.test("a recursive delete leaves what was defined on its own", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addCluster({ name: "c", spec: tcp });
    draft.addRoute({ name: "t", destination: "c" });
    draft.addRule({ name: "r", action: { route: "t" } });
    draft.addRuleList({ name: "l", rules: ["r"] });
    draft.addListener({ name: "web", spec: tcp, rules: "l" });
  });
  process.change((draft) => draft.deleteListener("web", true));
  assertEquals(process.all, { listeners: [], clusters: ["c"], rulelists: ["l"], rules: ["r"], routes: ["t"] });
});

Deno.test("i-18: a recursive delete of a rule list removes only rules that were written inline, stale names or not", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addRule({ name: "explicit", action: {} });
    draft.addRuleList({ name: "l", rules: ["stale", "explicit", { name: "inline", action: {} }] });
  });
  process.change((draft) => draft.deleteRuleList("l", true));
  assertEquals(process.all, { ...empty, rules: ["explicit"] });
});

Deno.test("i-19: what ends is told by names alone, whatever state sessions are in", () => {
  const process = new Process();
  process.change((draft) =>
    draft.addCluster({ name: "c", spec: tcp, endpoints: [{ name: "e", spec: { address: "h" } }] })
  );
  assertEquals(process.change((draft) => draft.deleteEndPoint("e", true)), { ...none, endpoints: ["e"] });
  assertEquals(process.endpoints, []);
  assertEquals(process.change((draft) => draft.deleteCluster("c", true)), { ...none, clusters: ["c"] });
});

Deno.test("i-22: deleting a rule leaves its name in lists, and does not keep them from being deleted", () => {
  const process = new Process();
  process.change((draft) => draft.addRuleList({ name: "l", rules: [{ name: "r", action: {} }] }));
  process.change((draft) => draft.deleteRule("r", true));
  assertEquals(process.snapshot.rulelists.get("l")!.rules, ["r"]);
  process.change((draft) => draft.deleteRuleList("l", true));
  assertEquals(process.all, empty);
});

Deno.test("i-23: what was written inline for one owner stays while another uses it", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addListener(nested("web"));
    draft.addRoute({ name: "other", destination: "web-echo" });
    draft.addRuleList({ name: "l", rules: ["web-rule"] });
  });
  const effects = process.change((draft) => draft.deleteListener("web", true));
  assertEquals(process.names("rules"), ["web-rule"]);
  assertEquals(process.names("clusters").length, 2);
  assertEquals(effects, { ...none, listeners: ["web"] });
  process.change((draft) => draft.deleteRuleList("l", true));
  assertEquals(process.all, { ...empty, clusters: ["web-echo"], routes: ["other"] });
  process.change((draft) => draft.deleteRoute("other", true));
  assertEquals(process.all, empty);
});

Deno.test("i-23: a generated rule list that a rule elsewhere goes on in stays, and its own rules may apply it", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addListener({ name: "web", spec: tcp, rules: [{ name: "loop", action: { apply: "web-RuleList-0" } }] });
    draft.addRule({ name: "far", action: { apply: "web-RuleList-0" } });
  });
  process.change((draft) => draft.deleteListener("web", true));
  assertEquals(process.all, { ...empty, rulelists: ["web-RuleList-0"], rules: ["loop", "far"] });
  process.change((draft) => draft.deleteRule("far", true));
  assertEquals(process.all, empty);
});

Deno.test("removing a rule from its list by position: the rule goes too where that is wanted, and only then", () => {
  const process = new Process();
  process.change((draft) => {
    draft.addRuleList({ name: "l", rules: [{ name: "r", action: { route: { name: "t", destination: "c" } } }] });
    draft.addRuleList({ name: "m", rules: ["r"] });
  });
  process.change((draft) => draft.unlinkRule("l", 0, false));
  assertEquals(process.all, { ...empty, rulelists: ["l", "m"], rules: ["r"], routes: ["t"] });
  process.change((draft) => draft.unlinkRule("m", 0, true));
  assertEquals(process.all, { ...empty, rulelists: ["l", "m"] });
});

Deno.test("an explicit cluster that stands in several chains is removed once, with its endpoints", () => {
  const process = new Process();
  process.change((draft) => {
    const inline = { name: "c", spec: tcp, endpoints: [{ name: "e", spec: { address: "h" } }] };
    draft.addRoute({ name: "t", destination: inline, ingress: ["c"], egress: ["c"] });
  });
  assertEquals(process.change((draft) => draft.deleteRoute("t", true)), { ...none, clusters: ["c"] });
  assertEquals(process.all, empty);
  process.change((draft) =>
    draft.addCluster({ name: "d", spec: tcp, endpoints: [{ name: "e", spec: { address: "h" } }] })
  );
});
