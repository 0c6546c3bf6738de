// What one change may cost: many endpoints take linear time, names and regular expressions have limits.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ClusterDocument } from "../../lib/config/document.ts";
import { processorMs } from "../support/processor_time.ts";
import { loadError, Process, refusal } from "./support.ts";

function endpoints(count: number, net = 0) {
  return Array.from({ length: count }, (_, i) => ({ spec: { address: `10.${net}.${i >> 8}.${i & 255}` } }));
}

function cluster(name: string, count: number, net = 0): ClusterDocument {
  return { name, spec: { protocol: "TCP", port: 1 }, endpoints: endpoints(count, net) } as unknown as ClusterDocument;
}

/** What the processor spends on what `prepare` gives, in milliseconds. */
function time(prepare: () => () => void): number {
  const run = prepare();
  const start = processorMs();
  run();
  return processorMs() - start;
}

const many: Record<string, (count: number) => () => void> = {
  "a new cluster": (count) => {
    const process = new Process();
    return () => process.change((draft) => draft.addCluster(cluster("c", count)));
  },
  "a cluster inside of a route": (count) => {
    const process = new Process();
    const { name: _, ...destination } = cluster("", count);
    return () => process.change((draft) => draft.addRoute({ name: "r", destination }));
  },
  "a cluster in the place of another": (count) => {
    const process = new Process({ clusters: [cluster("c", count)] });
    return () => process.change((draft) => draft.replaceCluster("c", cluster("c", count, 1)));
  },
  "a list of endpoints on their own": (count) => {
    const process = new Process({ clusters: [cluster("c", 0)] });
    const list = endpoints(count).map((endpoint, i) => ({ ...endpoint, name: `e${i}`, cluster: "c" }));
    return () => process.reload({ clusters: [cluster("c", 0)], endpoints: list });
  },
};

for (const [what, prepare] of Object.entries(many)) {
  Deno.test(`draft: ten times the endpoints take about ten times as long: ${what}`, () => {
    // The shortest of several, taken in turn: a collection of garbage lengthens some, hardly all of one kind. What is
    // compared takes about equally long, so that a busy machine does not spare the short.
    let [few, more] = [Infinity, Infinity];
    for (let i = 0; i < 3; i++) {
      let tenTimes = 0;
      for (let n = 0; n < 10; n++) tenTimes += time(() => prepare(1000));
      few = Math.min(few, tenTimes);
      more = Math.min(more, time(() => prepare(10_000)));
    }
    assert(more < 3 * few, `ten times 1,000: ${few} ms, 10,000: ${more} ms`);
  });
}

Deno.test("draft: endpoints that are given together have different names, which may be those the cluster had", () => {
  const process = new Process();
  const endpoint = (name: string) => ({ name, spec: { address: "127.0.0.1" } });
  const of = (name: string, ...names: string[]) => ({ ...cluster(name, 0), endpoints: names.map(endpoint) });
  const add = (...given: [string, ...string[]]) => process.change((draft) => draft.addCluster(of(...given)));
  assertEquals(refusal(() => add("c", "a", "a")), 'Cannot add endpoint: Endpoint "a" already defined');
  add("c", "a", "b");
  assertEquals(refusal(() => add("d", "x", "b")), 'Cannot add endpoint: Endpoint "b" already defined');
  process.change((draft) => draft.replaceCluster("c", of("c", "b", "c")));
  assertEquals(process.endpoints, ["b", "c"]);
  // A name that would be made next stands further on.
  process.change((draft) =>
    draft.addCluster({ ...of("e"), endpoints: [endpoint("e-EndPoint-0"), { spec: { address: "127.0.0.2" } }] })
  );
  assertEquals(new Set(process.endpoints).size, 4);
});

Deno.test("draft: an endpoint that is added leaves the snapshots taken before as they are", () => {
  const process = new Process({ clusters: [cluster("c", 1)] });
  const first = process.snapshot.clusters.get("c")!;
  process.change((draft) => {
    for (const name of ["x", "y"]) draft.addEndPoint("c", { name, spec: { address: "127.0.0.1" } });
    const between = draft.snapshot.clusters.get("c")!;
    draft.addEndPoint("c", { name: "z", spec: { address: "127.0.0.1" } });
    assertEquals([first, between].map(({ endpoints }) => endpoints.length), [1, 3]);
  });
  assertEquals(process.endpoints.slice(1), ["x", "y", "z"]);
});

Deno.test("draft: endpoints without a name keep theirs, where there are several of one kind and in another order", () => {
  const given = (...addresses: string[]) => ({
    clusters: [{ ...cluster("c", 0), endpoints: addresses.map((address) => ({ spec: { address } })) }],
  });
  const process = new Process(given("a", "b", "a", "c"));
  const [a0, b, a1, c] = process.endpoints;
  process.reload(given("c", "a", "a", "a", "b"));
  assertEquals(process.endpoints.filter((name) => [a0, b, a1, c].includes(name)), [c, a0, a1, b]);
});

Deno.test("draft: names have at most 1,000 characters", () => {
  const process = new Process();
  const [fits, long] = ["ä".repeat(1000), "ä".repeat(1001)];
  const echo = { spec: { protocol: "Echo" } };
  const of = (name: string) => ({ ...cluster(name, 0), endpoints: [{ name: `${name}`, spec: { address: "a" } }] });
  process.change((draft) => draft.addCluster(of(fits)));
  const tooLong = "Property name is longer than 1000 characters";
  for (
    const [kind, run] of [
      ["cluster", () => process.change((draft) => draft.addCluster({ name: long, ...echo }))],
      ["endpoint", () => process.change((draft) => draft.addEndPoint(fits, { name: long, spec: { address: "a" } }))],
      ["route", () => process.change((draft) => draft.addRoute({ name: long, destination: "c" }))],
      ["cluster", () => process.change((draft) => draft.addRoute({ name: "r", destination: { name: long, ...echo } }))],
      ["cluster", () => process.change((draft) => draft.addRoute({ name: "r", destination: "c", ingress: [long] }))],
      ["rule", () => process.change((draft) => draft.addRuleList({ name: "l", rules: [long] }))],
    ] as [string, () => void][]
  ) {
    assertEquals(refusal(run), `Cannot add ${kind}: ${tooLong}`);
  }
  assertEquals(
    refusal(() => process.change((draft) => draft.addRoute({ name: "r", destination: long }))),
    "Cannot add route: Property destination is longer than 1000 characters",
  );
});

Deno.test("draft: names that are made for what has none have at most 1,000 characters too", () => {
  const process = new Process();
  const name = "n".repeat(1000);
  const made = `the name "${"n".repeat(50)}..." made for it is longer than 1000 characters; give it one of its own`;
  const route = { destination: { spec: { protocol: "Echo" } } };
  for (
    const [kind, run] of [
      ["endpoint", () => process.change((draft) => draft.addCluster(cluster(name, 1)))],
      ["cluster", () => process.change((draft) => draft.addRoute({ name, ...route }))],
      ["route", () => process.change((draft) => draft.addRule({ name, action: { route } }))],
    ] as [string, () => void][]
  ) {
    assertEquals(refusal(run), `Cannot add ${kind}: ${made}`);
  }
  assertEquals(process.endpoints, []);
});

function rules(count: number, value: (i: number) => string) {
  const match = (i: number) => ({ op: "matches", path: "/HTTP/url/path", value: value(i) });
  return Array.from({ length: count }, (_, i) => ({ name: `r${i}`, match: match(i), action: { route: "r" } }));
}

const limit = "the regular expressions of one change may have 500000 instructions together";

Deno.test("draft: thousands of ordinary regular expressions are no more than one change may have", () => {
  const process = new Process();
  process.reload({ rules: rules(5000, (i) => `^/api/v[0-9]+/tenants/t${i}/(users|groups)(/.*)?$`) });
  assertEquals(process.names("rules").length, 5000);
});

Deno.test("draft: the regular expressions of one change have a limit together, in rules and in limits of rates", async () => {
  const process = new Process();
  const big = rules(3000, () => "a{1000}");
  const error = refusal(() => process.reload({ rules: big }));
  assertStringIncludes(error, "rules[489].match.value: " + limit);
  const list = refusal(() => process.change((draft) => draft.addRuleList({ name: "l", rules: big })));
  assertStringIncludes(list, "Cannot add rule: rules[489].match.value: " + limit);
  const bucket = { max_tokens: 1, fill_interval: "1s" };
  const conditions = big.map(({ match }) => ({ match, token_bucket: bucket }));
  assertStringIncludes(
    refusal(() =>
      process.change((draft) => draft.addCluster({ ...cluster("c", 0), local_ratelimit: { conditions } } as never))
    ),
    "Cannot add cluster: local_ratelimit.conditions[489].match.value: " + limit,
  );
  const text = JSON.stringify({
    listeners: [{
      name: "l",
      spec: { protocol: "UDP", port: 1 },
      rules: [],
      options: { local_ratelimit: { conditions } },
    }],
  });
  assertStringIncludes(
    await loadError(text),
    `listeners[0].options.local_ratelimit.conditions[489].match.value: ${limit}`,
  );
  // Each change has its own.
  for (const half of [big.slice(0, 400), big.slice(400, 800)]) {
    process.change((draft) => half.forEach((rule) => draft.addRule(rule)));
  }
  assertEquals(process.names("rules").length, 800);
});
