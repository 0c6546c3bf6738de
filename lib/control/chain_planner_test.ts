// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Gateway } from "../../tests/support/memory_net.ts";
import { readListenerSpec } from "../config/original_spec.ts";
import { ConfigError, ConnectError } from "../errors.ts";
import type { Chain } from "../session/way.ts";
import { planChains } from "./chain_planner.ts";
import type { RouteObject } from "./objects.ts";

const endpoints = [{ spec: { address: "x" } }];

/** Plans a route over clusters `up` (bytes), `messages`, stages `s1` and `s2` (bytes), and transforms `u1` and `u2`. */
async function planning(listener: "MEM" | "MEMD" = "MEM") {
  const gateway = await Gateway.start({
    clusters: [
      ...["up", "s1", "s2"].map((name) => ({ name, spec: { protocol: "MEM", port: 9 }, endpoints })),
      { name: "messages", spec: { protocol: "MEMD", port: 9 }, endpoints },
      ...["u1", "u2"].map((name) => ({ name, spec: { protocol: "UPPER" } })),
    ],
  });
  const { registry } = gateway.net;
  const source = readListenerSpec({ protocol: listener, port: 1 }, { registry, at: "listener" });
  const plan = (route: Partial<RouteObject>, direction: "both" | "ltr" | "rtl" = "both") =>
    planChains(
      { name: "way", destination: "up", ingress: [], egress: [], ...route } as unknown as RouteObject,
      { source, direction, registry, lookup: (name) => gateway.control.clusters.get(name) },
    );
  return { plan, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() };
}

/** `2 s1:1`: two steps beside the caller, then stage s1 with one between it and what is farther from the caller. */
function print({ steps, stages }: Chain): string {
  return [steps.length, ...stages.map(({ upstream, steps }) => `${upstream.name}:${steps.length}`)].join(" ");
}

Deno.test("planChains() puts each transform between the stages where it stands", async () => {
  await using it = await planning();
  for (
    const [names, ingress, egress] of [
      [[], "0", "0"],
      [["u1", "u2"], "2", "2"],
      [["s1"], "0 s1:0", "0 s1:0"],
      // Towards upstream the caller is at the beginning, towards downstream at the end.
      [["u1", "s1"], "1 s1:0", "0 s1:1"],
      [["s1", "u1", "u2"], "0 s1:2", "2 s1:0"],
      [["u1", "s1", "u2", "u1", "s2", "u2"], "1 s1:2 s2:1", "1 s1:1 s2:2"],
      [["s1", "s1"], "0 s1:0 s1:0", "0 s1:0 s1:0"],
    ] as const
  ) {
    const planned = it.plan({ ingress: names, egress: names });
    assertEquals([print(planned.ingress), print(planned.egress)], [ingress, egress], names.join());
    assert(!planned.lost);
  }
});

Deno.test("planChains() leaves out the direction that a session does not have", async () => {
  await using it = await planning();
  const route = { ingress: ["u1", "s1"], egress: ["s2", "u2"] };
  const [forth, back] = [it.plan(route, "ltr"), it.plan(route, "rtl")];
  assertEquals([print(forth.ingress), print(forth.egress)], ["1 s1:0", "0"]);
  assertEquals([print(back.ingress), print(back.egress)], ["0", "1 s2:0"]);
  // What a missing direction names need not exist.
  it.plan({ ingress: ["none"] }, "rtl");
  assertThrows(() => it.plan({ ingress: ["none"] }, "ltr"), ConnectError, 'unknown cluster "none"');
});

Deno.test("planChains() waits for clusters that do not exist, and refuses a transform as destination", async () => {
  await using it = await planning();
  for (const route of [{ destination: "none" }, { ingress: ["none"] }, { egress: ["s1", "none"] }]) {
    assert(assertThrows(() => it.plan(route), ConnectError).retryable);
  }
  assertThrows(() => it.plan({ destination: "u1" }), ConfigError, 'destination "u1" is a transform');
});

Deno.test("planChains() tells where the boundaries of messages are lost, by a destination or by a stage", async () => {
  await using it = await planning("MEMD");
  assert(!it.plan({ destination: "messages" }).lost);
  assert(it.plan({ destination: "up" }).lost);
  assert(it.plan({ destination: "messages", ingress: ["s1"] }).lost);
});

Deno.test("a stage is asked for by its own name for each place it has", async () => {
  await using it = await planning();
  const { ingress, egress } = it.plan({ ingress: ["s1", "s1"], egress: ["s1"] });
  const upstreams = [...ingress.stages, ...egress.stages].map(({ upstream }) => upstream);
  assertEquals(new Set(upstreams).size, 3);
  const picked = upstreams.map((upstream) => upstream.pick({}, []));
  assertEquals(new Set(picked).size, 3);
  assertEquals(picked.map(({ endpoint }) => endpoint.direction), ["both", "both", "both"]);
  for (const choice of picked) choice.release!();
});
