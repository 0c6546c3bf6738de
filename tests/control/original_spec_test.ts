// What the original's spec forms are for the planner.
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { SpecDocument } from "../../lib/config/document.ts";
import { planEndpoint } from "../../lib/config/endpoint_planner.ts";
import { readClusterSpec, readListenerSpec, specForPlanner } from "../../lib/config/original_spec.ts";
import type { Place } from "../../lib/config/stack.ts";
import { registry } from "../../protocols/mod.ts";
import { lenient, load, Process, refusal, strict } from "./support.ts";

function planned(spec: SpecDocument, place: Place = "listener"): SpecDocument {
  return specForPlanner(spec, { place, registry, at: "spec" });
}

Deno.test("a UDP listener's connect restricts whom it serves", () => {
  assertEquals(planned({ protocol: "UDP", port: 15000, connect: { port: 15001 } }), {
    protocol: "UDP",
    port: 15000,
    sourceport: 15001,
  });
  assertEquals(planned({ protocol: "UDP", port: 1, address: "127.0.0.1", connect: { address: "127.0.0.2" } }), {
    protocol: "UDP",
    port: 1,
    address: "127.0.0.1",
    range: ["127.0.0.2"],
  });
  const both = { protocol: "UDP", port: 1, connect: { address: "::1", port: 2 }, options: { mode: "server" } };
  assertEquals(planned(both), { protocol: "UDP", port: 1, range: ["::1"], sourceport: 2 });
});

Deno.test("a UDP listener with a whole peer is a connector that has its session at once, and another after it", () => {
  const wanted: SpecDocument = {
    protocol: "UDP",
    role: "connect",
    address: "127.0.0.1",
    port: 2,
    bind: { address: "0.0.0.0", port: 1 },
    fork: true,
  };
  const connect = { address: "127.0.0.1", port: 2 };
  assertEquals(planned({ protocol: "UDP", port: 1, connect }), wanted);
  assertEquals(planned({ protocol: "UDP", port: 1, connect, options: { mode: "singleton" } }), wanted);
  assertEquals(planned({ protocol: "UDP", port: 1, address: "::1", connect: { address: "::1", port: 2 } }).bind, {
    address: "::1",
    port: 1,
  });
  const use = { registry, at: "spec" };
  const endpoint = planEndpoint(
    readListenerSpec({ protocol: "UDP", port: 1, connect }, use),
    "listener",
    "both",
    registry,
  );
  assertEquals([endpoint.role, endpoint.name, endpoint.connect?.fork], ["connect", "UDP:127.0.0.1:2", true]);
});

Deno.test("what connect and mode cannot say is refused", () => {
  const said = (rest: object) => refusal(() => planned({ protocol: "UDP", port: 1, ...rest }));
  assertEquals(
    said({ options: { mode: "singleton" }, connect: { port: 2 } }),
    "spec.options.mode: singleton needs connect.address and connect.port",
  );
  assertEquals(said({ options: { mode: "both" } }), 'spec.options.mode: "both" is not one of server, singleton');
  assertEquals(said({ options: "server" }), 'spec.options: "server" is not an object');
  assertEquals(said({ connect: 5 }), "spec.connect: 5 is not an object");
  assertEquals(said({ connect: { port: 70000 } }), "spec.connect.port: 70000 is not a port");
  assertEquals(said({ connect: { address: 5 } }), "spec.connect.address: 5 is not a string");
  assertEquals(
    said({ connect: { address: "host.example" } }),
    'spec.connect.address: "host.example" is not an IP address',
  );
});

Deno.test("under a JSONSocket a UDP listener's connect means the same, and older names are known", () => {
  assertEquals(
    planned(
      { protocol: "JSONSocket", transport_spec: { protocol: "UDP", port: 1, connect: { port: 2 } } } as SpecDocument,
    ),
    {
      protocol: "JSONSocket",
      transport: { protocol: "UDP", port: 1, sourceport: 2 },
    },
  );
  assertEquals(
    planned({ protocol: "JSONSocket", port: 9, transport: { protocol: "UDP", port: 1 } }, "destination"),
    { protocol: "JSONSocket", transport: { protocol: "UDP", port: 1 } },
  );
  assertEquals(planned({ protocol: "STDIO-fork", command: "cat" }, "destination"), {
    protocol: "EXEC",
    command: "cat",
  });
});

Deno.test("unknown keys are left out at every depth, and told where that is wanted", () => {
  const spec = {
    protocol: "TLS",
    color: 1,
    transport: { protocol: "TCP", port: 1, taste: 2, bind: { adress: "::1", port: 3 } },
  };
  const told: string[] = [];
  const unknown = (at: string, key: string) => void told.push(`${at}.${key}`);
  assertEquals(specForPlanner(spec, { place: "destination", registry, at: "spec", unknown }), {
    protocol: "TLS",
    transport: { protocol: "TCP", port: 1, bind: { adress: "::1", port: 3 } },
  });
  assertEquals(told.sort(), ["spec.color", "spec.transport.bind.adress", "spec.transport.taste"]);
});

Deno.test("bind may be written in two parts, and an endpoint's port goes before that of its cluster", () => {
  const spec = { protocol: "UDP", port: 16000, bind: { port: 16001, address: "127.0.0.1" } };
  const address = readClusterSpec(spec, { registry, at: "spec" }, { spec: { address: "h", port: 5 }, at: "e" });
  const endpoint = planEndpoint(address, "destination", "both", registry);
  assertEquals(endpoint.name, "UDP:h:5");
  if (!("protocol" in endpoint.source)) throw new Error("not a single address");
  assertEquals((endpoint.source.spec as { bind: unknown }).bind, { host: "127.0.0.1", port: 16001 });
});

Deno.test("a cluster is virtual when what it says, or its kind, needs no address of an endpoint", () => {
  const virtual = (spec: SpecDocument) => lenient.cluster(spec, "spec").virtual;
  for (
    const protocol of ["Echo", "Discard", "Stdio", "Logger", "JSONEncap", "Metric", "L7mpController", "Prometheus"]
  ) {
    assertEquals(virtual({ protocol }), true, protocol);
  }
  assertEquals(virtual({ protocol: "EXEC", command: "cat" }), true);
  assertEquals(virtual({ protocol: "WebSocket", transport: { protocol: "EXEC", command: "cat" } }), true);
  assertEquals(virtual({ protocol: "TCP", address: "h", port: 1 }), true);
  assertEquals(virtual({ protocol: "TCP", role: "listen", port: 1 }), true);
  for (const protocol of ["TCP", "UDP", "WebSocket", "HTTP"]) {
    assertEquals(virtual({ protocol, port: 1 }), false, protocol);
  }
  assertEquals(virtual({ protocol: "UnixDomainSocket" }), false);
  assertEquals(virtual({ protocol: "JSONSocket", transport: { protocol: "UDP", port: 1 } }), false);
  assertEquals(
    virtual({ protocol: "SOCKS5", port: 80, transport: { protocol: "TCP", address: "p", port: 1080 } }),
    false,
  );
});

Deno.test("specs are checked without an endpoint as far as they go", () => {
  const said = (spec: object) => refusal(() => strict.cluster(spec as SpecDocument, "spec"));
  assertEquals(said({ protocol: "TCP", port: 99999 }), "spec.port: 99999 out of range 0..65535");
  assertStringIncludes(said({ protocol: "HTTP", port: 80, basic_auth: "***" }), "the secret is masked");
  assertStringIncludes(
    said({ protocol: "Logger", log_fiel: "x" }),
    'spec.log_fiel: unknown key; did you mean "log_file"?',
  );
  assertEquals(said({ protocol: "EXEC" }), "EXEC: no program given: usage EXEC:<command line>");
  assertEquals(said({ port: 1 }), "spec.protocol: is missing");
  assertEquals(said({ protocol: 5 }), "spec.protocol: is not a string");
  assertStringIncludes(said({ protocol: "Test" }), "own tests");
  assertStringIncludes(said({ protocol: "Metric", byteCounterName: "no-name" }), "spec.byteCounterName");
  // What can only be written is right for sessions that go one way.
  lenient.cluster({ protocol: "Stdio", stream: "stdout" }, "spec");
  lenient.listener({ protocol: "Stdio", stream: "stdin" }, "spec");
});

Deno.test("i-37: items of a JSONSocket's header stay as they were given, and a deleted endpoint is nowhere any more", () => {
  const process = new Process();
  const spec = { protocol: "JSONSocket", transport: { protocol: "UDP", port: 1 }, header: [{ path: "/labels" }] };
  process.change((draft) =>
    draft.addCluster({ name: "c", spec, endpoints: [{ name: "e", spec: { address: "localhost" } }] })
  );
  process.change((draft) => draft.deleteEndPoint("e", false));
  assertEquals(process.snapshot.clusters.get("c")!.spec, {
    protocol: "JSONSocket",
    transport: { protocol: "UDP", port: 1 },
    header: [{ path: "/labels" }],
  });
  assertEquals(process.endpoints, []);
  process.change((draft) => draft.addEndPoint("c", { name: "e", spec: { address: "127.0.0.1" } }));
});

Deno.test("a port may be a text of digits, as templates write it: it is one for the planner, and shown as given", async () => {
  const bind = { address: "127.0.0.1", port: "16001" };
  assertEquals(planned({ protocol: "UDP", port: "16000", bind }, "destination"), {
    protocol: "UDP",
    port: 16000,
    bind: { address: "127.0.0.1", port: 16001 },
  });
  assertEquals(planned({ protocol: "UDP", port: "1", connect: { port: "2" } }), {
    protocol: "UDP",
    port: 1,
    sourceport: 2,
  });
  const transport = { protocol: "TCP", port: "5" };
  assertEquals(planned({ protocol: "TLS", transport }).transport, { protocol: "TCP", port: 5 });
  const use = { registry, at: "spec" };
  const address = readClusterSpec({ protocol: "TCP", port: 1 }, use, { spec: { address: "h", port: "6" }, at: "e" });
  assertEquals(planEndpoint(address, "destination", "both", registry).name, "TCP:h:6");
  const snapshot = await load(`
listeners: [{ name: l, spec: { protocol: TCP, port: "12345" }, rules: [] }]
clusters: [{ name: c, spec: { protocol: TCP, port: "2" }, endpoints: [{ spec: { address: h, port: "3" } }] }]
`);
  assertEquals(snapshot.listeners.get("l")!.spec, { protocol: "TCP", port: "12345" });
  const cluster = snapshot.clusters.get("c")!;
  assertEquals([cluster.spec.port, cluster.endpoints[0]!.spec.port], ["2", "3"]);
  const said = (port: unknown) => refusal(() => strict.cluster({ protocol: "TCP", port }, "spec"));
  assertEquals(said("70000"), "spec.port: 70000 out of range 0..65535");
  assertEquals(said("http"), 'spec.port: "http" is not an integer');
  assertEquals(said("-1"), 'spec.port: "-1" is not an integer');
});

Deno.test("an endpoint may name a port where that means nothing", () => {
  strict.endpoint({ protocol: "UnixDomainSocket" }, { address: "/x", port: 5 }, "spec");
  assertStringIncludes(
    refusal(() => strict.endpoint({ protocol: "UnixDomainSocket" }, { address: "/x", prot: 5 }, "spec")),
    "spec.prot: unknown key",
  );
});

Deno.test("what has no value is refused like every other value that means nothing", () => {
  for (const make of [strict, lenient]) {
    for (
      const [protocol, key] of [["HTTP", "transport"], ["WebSocket", "transport"], ["TCP", "port"], ["UDP", "port"]]
    ) {
      const said = refusal(() => make.cluster({ protocol: protocol!, [key!]: null }, "spec"));
      assertStringIncludes(said, `spec.${key}: null is not `);
    }
  }
});
