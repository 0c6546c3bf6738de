// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Gateway } from "../../tests/support/memory_net.ts";
import type { ConfigDocument, RuleDocument } from "../config/document.ts";
import { ConnectError, LimitError } from "../errors.ts";
import type { Way } from "../session/way.ts";
import { Router } from "./router.ts";

const endpoints = [{ spec: { address: "x" } }];

/** A router over the objects of `document`, and the way of metadata that comes by its listener. */
async function routing(document: ConfigDocument) {
  const gateway = await Gateway.start({
    listeners: [{ name: "in", spec: { protocol: "MEM", port: 1 }, rules: "list" }],
    clusters: [{ name: "up", spec: { protocol: "MEM", port: 9 }, endpoints }],
    ...document,
  });
  const { control, net: { registry } } = gateway;
  const router = new Router(() => control, registry);
  const object = control.snapshot.listeners.get("in")!;
  const address = { single: { levels: [{ protocol: registry.protocols[0]!, settings: {} }], role: "listen" } };
  const session = { maxMessageBytes: 1 << 20, direction: "both", oneMessage: false } as const;
  // deno-lint-ignore no-explicit-any
  const listener = { object, address: address as any, session };
  return {
    gateway,
    control,
    router,
    listener,
    way: (metadata: Record<string, unknown> = {}): Way => router.way(listener, { name: "s", ...metadata }),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

const to = (destination: string) => ({ route: { destination } });
const is = (path: string, value: unknown) => ({ op: "test", path, value });

function ruleLists(lists: Record<string, RuleDocument[]>): ConfigDocument {
  return { rulelists: Object.entries(lists).map(([name, rules]) => ({ name, rules })) };
}

Deno.test("Router takes the first rule that matches, and says how it found the way", async () => {
  await using it = await routing(ruleLists({
    list: [
      { name: "one", match: is("/a", 1), action: { route: { name: "r1", destination: "one" } } },
      { name: "two", match: is("/a", 1), action: { route: { name: "r2", destination: "two" } } },
      { name: "rest", action: { route: { name: "r3", destination: "three" } } },
    ],
  }));
  assertEquals(it.way({ a: 1 }).target.name, "one");
  const rest = it.way({ a: 2 });
  assertEquals(rest.target.name, "three");
  assertEquals(rest.found, 'rule list "list", rule "rest", route "r3"');
});

Deno.test("Router goes on in the list that a rule applies, and does not come back", async () => {
  await using it = await routing(ruleLists({
    list: [{ match: is("/a", 1), action: { apply: "other" } }, { action: to("rest") }],
    other: [{ match: is("/b", 1), action: to("deep") }],
  }));
  assertEquals(it.way({ a: 1, b: 1 }).target.name, "deep");
  assertEquals(it.way({ b: 1 }).target.name, "rest");
  const error = assertThrows(() => it.way({ a: 1 }), ConnectError);
  assertEquals([error.status, error.retryable], [404, false]);
});

Deno.test("i-45: rewrites of a rule that applies another list are kept; lists that go in a circle are an error", async () => {
  await using it = await routing(ruleLists({
    list: [{ match: is("/a", 1), action: { apply: "list" } }, {
      action: { apply: "other", rewrite: [{ path: "/x", value: 1 }, { path: "/y", value: 1 }] },
    }],
    // What is matched is the metadata before any rewrite.
    other: [{ match: is("/x", 1), action: to("wrong") }, {
      action: { ...to("up"), rewrite: [{ path: "/y", value: 2 }] },
    }],
  }));
  const metadata = { b: { c: 1 } };
  const way = it.way(metadata);
  assertEquals(way.target.name, "up");
  assertEquals(way.metadata, { name: "s", b: { c: 1 }, x: 1, y: 2 });
  assertEquals(metadata, { b: { c: 1 } });
  const error = assertThrows(() => it.way({ a: 1 }), ConnectError);
  assertMatch(error.message, /apply each other in a circle/);
  assertEquals(error.status, 500);
});

Deno.test("i-22: Router passes over rules that are gone; what leads nowhere is 404, a denial what its rule says", async () => {
  await using it = await routing({
    ...ruleLists({
      list: [
        "gone" as unknown as RuleDocument,
        { match: is("/a", 1), action: {} },
        { match: is("/a", 2), action: { route: "gone" } },
        { match: is("/a", 3), action: { apply: "gone" } },
        { match: is("/a", 4), action: { deny: { status: 451, reason: "not here" } } },
        { name: "no", match: is("/a", 5), action: { deny: {} } },
        { match: is("/a", 6), action: to("up") },
      ],
    }),
  });
  const fault = (a: number) => {
    const { status, message, side } = assertThrows(() => it.way({ a }), ConnectError);
    return [status, message, side];
  };
  assertEquals(fault(0), [404, 'no rule of rule list "list" matches', "local"]);
  assertEquals(fault(1)[0], 404);
  assertEquals(fault(2), [404, 'unknown route "gone"', "local"]);
  assertEquals(fault(3), [404, 'unknown rule list "gone"', "local"]);
  assertEquals(fault(4), [451, "not here", "downstream"]);
  assertEquals(fault(5), [403, 'denied by rule "no"', "downstream"]);
  assertEquals(it.way({ a: 6 }).target.name, "up");
});

Deno.test("a Way finds its clusters when they are asked for, and plans again only what has changed", async () => {
  await using it = await routing(ruleLists({ list: [{ action: to("late") }] }));
  const way = it.way();
  const error = assertThrows(() => way.chains(), ConnectError, 'unknown cluster "late"');
  assertEquals([error.retryable, error.status], [true, 503]);
  assertEquals(way.target.shape, undefined);
  assertThrows(() => way.target.pick({}, []), ConnectError, "unknown cluster");

  const late = { name: "late", spec: { protocol: "MEM", port: 7 }, endpoints };
  await it.control.change((draft) => draft.addCluster(late));
  const chains = way.chains();
  assert(it.way().chains() === chains);
  assertEquals(way.target.pick({}, []).shown!.spec, { address: "x" });
  // Another balancer is no other way.
  await it.control.change((draft) => draft.replaceCluster("late", { ...late, loadbalancer: { policy: "RoundRobin" } }));
  way.chains();
  await it.control.change((draft) => draft.replaceCluster("late", { ...late, spec: { protocol: "MEMD", port: 7 } }));
  assert(way.chains() !== chains);
  await it.control.change((draft) => draft.deleteCluster("late", false));
  assertThrows(() => way.chains(), ConnectError, "unknown cluster");
});

Deno.test("a Way has the times of its route before those of its cluster", async () => {
  const times = { linger: "3s", idle_timeout: "4s", connect_timeout: "5s" };
  await using it = await routing({
    ...ruleLists({
      list: [{ match: is("/a", 1), action: { route: { destination: "up", linger: 0, idle_timeout: -1 } } }, {
        action: to("up"),
      }],
    }),
    clusters: [{ name: "up", spec: { protocol: "MEM", port: 9 }, endpoints, ...times }],
  });
  const timesOf = ({ lingerMs, idleTimeoutMs, target }: Way) => [lingerMs, idleTimeoutMs, target.connectTimeoutMs];
  assertEquals(timesOf(it.way()), [3000, 4000, 5000]);
  const [linger, idle, connect] = timesOf(it.way({ a: 1 }));
  assertEquals([linger, connect], [0, 5000]);
  assert(idle! < 0);
});

Deno.test("Router counts sessions against the rate of their destination", async () => {
  await using it = await routing({
    ...ruleLists({ list: [{ action: to("up") }] }),
    clusters: [{
      name: "up",
      spec: { protocol: "MEM", port: 9 },
      endpoints,
      local_ratelimit: { token_bucket: { max_tokens: 1, fill_interval: "1h" }, per: ["/who"] },
    }],
  });
  it.way({ who: 1 });
  it.way({ who: 2 });
  assertEquals(assertThrows(() => it.way({ who: 1 }), LimitError).status, 429);
});

Deno.test("Router.check() walks lists that apply each other once, and passes over what does not exist", async () => {
  await using it = await routing({
    ...ruleLists({
      list: [{ action: { apply: "other" } }, { action: { route: "bytes" } }],
      other: [{ action: { apply: "list" } }, { action: { route: "missing" } }],
    }),
    routes: [{ name: "bytes", destination: "up", ingress: ["unknown"] }],
  });
  assertEquals(it.router.check(it.listener), []);
});
