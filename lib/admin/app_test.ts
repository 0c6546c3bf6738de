// What the API answers, operation by operation: the tables of the original's own API tests and of its error texts.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { type Client, type Reply, started } from "./_fake_control.ts";

const okBody = { status: 200, message: "OK" };

function isOk({ status, json }: Reply): void {
  assertEquals({ status, json }, { status: 200, json: okBody });
}

function fails({ status, json }: Reply, expected: number, content: string): void {
  assertEquals({ status, content: json.content }, { status: expected, content });
  assertEquals(json.status, expected);
}

async function names(ask: Client, path: string): Promise<string[]> {
  return (await ask("GET", path)).json.map(({ name }: { name: string }) => name);
}

const five = [1, 2, 3, 4, 5];

for (const strict of [false, true]) {
  const mode = strict ? "strict" : "lenient";
  const startedSo = () => started({ strict });

  Deno.test(`API, ${mode}: clusters are listed, added and deleted as in table 20-api-cluster`, async () => {
    const { ask, control } = await startedSo();
    assertEquals((await ask("GET", "listeners")).json[0].name, "controller-listener");
    assertEquals(await names(ask, "clusters"), ["L7mpControllerCluster"]);

    const cluster = {
      name: "test-cluster",
      spec: { protocol: "UDP", port: 16000, bind: { port: 16001, address: "127.0.0.1" } },
      endpoints: [{ spec: { address: "127.0.0.1" } }],
    };
    isOk(await ask("POST", "clusters", { body: { cluster }, type: "text/x-json" }));
    const second = (await ask("GET", "clusters")).json[1];
    assertEquals(second, { ...cluster, endpoints: 1, loadbalancer: { policy: "Trivial" } });
    fails(
      await ask("POST", "clusters", { body: { cluster } }),
      400,
      'Cannot add cluster: Cluster "test-cluster" already defined',
    );
    isOk(await ask("DELETE", "clusters/test-cluster"));
    fails(
      await ask("DELETE", "clusters/test-cluster"),
      400,
      'Cannot delete cluster: Unknown cluster "test-cluster"',
    );

    const numbered = five.map((i) => ({ ...cluster, name: `test-cluster-${i}` }));
    (await Promise.all(numbered.map((cluster) => ask("POST", "clusters", { body: { cluster } })))).forEach(isOk);
    assertEquals((await names(ask, "clusters")).slice(1).sort(), numbered.map(({ name }) => name));
    (await Promise.all(numbered.map(({ name }) => ask("DELETE", `clusters/${name}`)))).forEach(isOk);
    assertEquals(await names(ask, "clusters"), ["L7mpControllerCluster"]);

    assert((await ask("GET", "clusters?recursive=true")).json[0].endpoints[0].name);
    const one = (await ask("GET", "clusters/L7mpControllerCluster?recursive=true")).json;
    assertEquals(one.endpoints, [{ name: "L7mpControllerCluster", spec: { address: "<VIRTUAL>" } }]);
    assertEquals((await ask("GET", "clusters?recursive=false")).json[0].endpoints, 0);

    const endpoints = ["e1", "e2"].map((name) => ({ name, spec: { address: "127.0.0.1" } }));
    isOk(await ask("POST", "clusters", { body: { cluster: { ...cluster, endpoints } } }));
    isOk(await ask("DELETE", "clusters/test-cluster"));
    for (const { name } of endpoints) assertEquals((await ask("GET", `endpoints/${name}`)).status, 400);
    assertEquals((await ask("GET", "config")).json.endpoints, []);
    assertEquals(control.sessions(), []);
  });

  Deno.test(`API, ${mode}: clusters of every protocol of the table are added, echoed and deleted`, async () => {
    const { ask } = await startedSo();
    const surplus = { port: 16000, bind: { port: 16001, address: "127.0.0.1" } };
    const specs = [
      { protocol: "WebSocket", port: 16000 },
      { protocol: "TCP", port: 16000 },
      { protocol: "UnixDomainSocket" },
      { protocol: "Stdio" },
      { protocol: "Echo" },
      { protocol: "Discard" },
      { protocol: "Logger", log_file: "-", log_prefix: "" },
      { protocol: "JSONEncap" },
      { protocol: "JSONDecap" },
      { protocol: "Sync", query: "test/test/test" },
      { protocol: "Metric" },
      { protocol: "Prometheus" },
      { protocol: "L7mpController" },
      {
        protocol: "JSONSocket",
        transport: { protocol: "UDP", port: 16000 },
        header: [{ path: { from: "/labels/session_id", to: "/labels/session_id" } }, {
          set: { key: "/labels/field", value: "value" },
        }],
      },
    ];
    for (const spec of specs) {
      const connects = "transport" in spec || ["WebSocket", "TCP", "UnixDomainSocket"].includes(spec.protocol);
      const given = { name: "test-cluster", spec: connects ? spec : { ...spec, ...surplus } };
      isOk(await ask("POST", "clusters", { body: { cluster: given }, type: "text/x-json" }));
      assertEquals((await ask("GET", "clusters")).json[1].spec, spec);
      const own = (await ask("GET", "clusters/test-cluster/endpoints")).json;
      assertEquals(own, [], "those that it shows as virtual are none");
      isOk(await ask("DELETE", "clusters/test-cluster"));
    }
  });

  Deno.test(`API, ${mode}: endpoints are added and deleted as in table 20-api-endpoint`, async () => {
    const { ask } = await startedSo();
    const cluster = {
      name: "test-cluster",
      spec: { protocol: "UDP", port: 16000 },
      endpoints: [{ name: "Test-e", spec: { address: "127.0.0.1" } }],
    };
    isOk(await ask("POST", "clusters", { body: { cluster } }));
    assertEquals(await names(ask, "clusters/test-cluster/endpoints"), ["Test-e"]);
    const endpoint = { name: "Test-e2", spec: { port: 15001, address: "127.0.0.1" } };
    isOk(await ask("POST", "clusters/test-cluster/endpoints", { body: { endpoint } }));
    assertEquals((await ask("GET", "clusters/test-cluster/endpoints")).json[1], { ...endpoint, weight: 1 });
    for (const name of ["Test-e", "Test-e2"]) isOk(await ask("DELETE", `endpoints/${name}`));

    const added = await Promise.all(five.map((i) =>
      ask("POST", "clusters/test-cluster/endpoints", {
        body: { endpoint: { name: `e-${i}`, spec: { address: "127.0.0.1", port: 15000 + i } } },
      })
    ));
    added.forEach(isOk);
    assertEquals((await names(ask, "clusters/test-cluster/endpoints")).length, 5);
    (await Promise.all(five.map((i) => ask("DELETE", `endpoints/e-${i}`)))).forEach(isOk);
    assertEquals(await names(ask, "clusters/test-cluster/endpoints"), []);

    const withoutSpec = await ask("POST", "clusters/test-cluster/endpoints", { body: { endpoint: { name: "x" } } });
    if (strict) assertEquals(withoutSpec.status, 422);
    else fails(withoutSpec, 400, "Cannot add endpoint: Property spec is required");
    isOk(await ask("POST", "clusters/test-cluster/endpoints", { body: { endpoint } }));
    fails(
      await ask("POST", "clusters/test-cluster/endpoints", { body: { endpoint } }),
      400,
      'Cannot add endpoint: Endpoint "Test-e2" already defined',
    );
    const { name: _, ...unnamed } = endpoint;
    const stray = await ask("POST", "clusters/nowhere/endpoints", { body: { endpoint: unnamed } });
    assert(stray.status === 400 && stray.json.content.startsWith("Not Found"));
    fails(await ask("DELETE", "clusters/test-cluster/endpoints/x"), 404, "Unknown API operation");
    fails(await ask("GET", "clusters/nowhere/endpoints"), 400, "No such cluster: nowhere");
  });

  Deno.test(`API, ${mode}: listeners are added and deleted as in table 21-listeners-api`, async () => {
    const { ask } = await startedSo();
    const [controller] = (await ask("GET", "listeners")).json;
    assertEquals(controller.spec, { protocol: "HTTP", port: 1234 });
    assertEquals(typeof controller.rules, "string");

    const listener = {
      name: "test-listener",
      spec: { protocol: "UDP", port: 15000 },
      rules: [{
        action: {
          route: {
            destination: "user-websocket-cluster",
            ingress: [{ name: "Echo", spec: { protocol: "Echo" } }],
            retry: { retry_on: "always", num_retries: 10, timeout: 2000 },
          },
        },
      }],
    };
    isOk(await ask("POST", "listeners", { body: { listener } }));
    assertEquals(await names(ask, "listeners"), ["controller-listener", "test-listener"]);
    isOk(await ask("DELETE", "listeners/test-listener"));
    assertEquals(await names(ask, "listeners"), ["controller-listener"]);
    assertEquals(await names(ask, "clusters"), ["L7mpControllerCluster", "Echo"]);
    isOk(await ask("DELETE", "clusters/Echo"));

    for (const path of ["listeners?recursive=true", "listeners/controller-listener?recursive=true"]) {
      const shown = [(await ask("GET", path)).json].flat()[0];
      assertEquals(shown.rules[0].action.route.destination.endpoints[0].spec, { address: "<VIRTUAL>" });
    }
    assertEquals(typeof (await ask("GET", "listeners?recursive=false")).json[0].rules, "string");

    const whole = {
      name: "test-listener",
      spec: { protocol: "UDP", port: 15000 },
      rules: [{
        name: "test-rule",
        action: { route: { destination: { name: "Echo-Test", spec: { protocol: "Echo" } } } },
      }],
    };
    isOk(await ask("POST", "listeners", { body: { listener: whole } }));
    assert((await names(ask, "rules")).includes("test-rule"));
    isOk(await ask("DELETE", "listeners/test-listener?recursive=true"));
    assert(!(await names(ask, "rules")).includes("test-rule"));
    assert(!(await names(ask, "clusters")).includes("Echo-Test"));

    const specs = [
      { protocol: "HTTP", port: 12345 },
      { protocol: "WebSocket", port: 12345 },
      { protocol: "TCP", port: 12345 },
      { protocol: "UnixDomainSocket", filename: "test" },
      { protocol: "JSONSocket", transport: { protocol: "UDP", port: 54321 } },
    ];
    for (const spec of specs) {
      isOk(await ask("POST", "listeners", { body: { listener: { name: "test-listener", spec, rules: [] } } }));
      assertEquals((await ask("GET", "listeners")).json[1].spec, spec);
      isOk(await ask("DELETE", "listeners/test-listener"));
    }

    const numbered = five.map((i) => ({ ...listener, name: `listener-${i}`, rules: [] }));
    (await Promise.all(numbered.map((listener) => ask("POST", "listeners", { body: { listener } })))).forEach(isOk);
    (await Promise.all(numbered.map(({ name }) => ask("DELETE", `listeners/${name}`)))).forEach(isOk);

    fails(
      await ask("POST", "listeners", { body: { listener: { ...controller, rules: [] } } }),
      400,
      'Cannot add listener: Listener "controller-listener" already defined',
    );
    const bad = strict ? 422 : 400;
    assertEquals((await ask("POST", "listeners", { body: { listener: {} } })).status, bad);
    assertEquals((await ask("POST", "listeners", { body: { listener: { ...whole, rules: [{}] } } })).status, bad);
    fails(await ask("DELETE", "listeners/x"), 400, 'Cannot delete listener: Unknown listener "x"');
    assertEquals(await names(ask, "listeners"), ["controller-listener"]);
  });

  Deno.test(`API, ${mode}: routes are added and deleted as in table 22-routes-api`, async () => {
    const { ask } = await startedSo();
    const never = { retry_on: "never", num_retries: 1, timeout: 2000 };
    const [first] = (await ask("GET", "routes")).json;
    assert(first.name);
    assertEquals([first.destination, first.retry], ["L7mpControllerCluster", never]);

    isOk(await ask("POST", "routes", { body: { route: { name: "test-route", destination: "Echo" } } }));
    assertEquals((await ask("GET", "routes")).json[1].retry, never);
    isOk(await ask("DELETE", "routes/test-route"));
    assertEquals((await ask("GET", "routes")).json.length, 1);

    const surplus = { port: 16000, bind: { port: 16001, address: "127.0.0.1" }, query: "/a" };
    const transport = { protocol: "UDP", port: 54321 };
    const endpoints = [{ spec: { address: "127.0.0.1" } }];
    const specs = [
      ...["WebSocket", "UDP", "TCP", "UnixDomainSocket"].map((protocol) => ({ endpoints, spec: { protocol } })),
      { endpoints, spec: { protocol: "JSONSocket", transport } },
      ...["Echo", "Sync", "JSONEncap", "JSONDecap", "Stdio", "Discard", "Logger"].map((protocol) => ({
        spec: { protocol },
      })),
    ];
    for (const cluster of specs) {
      const destination = { name: "test-cluster", ...cluster, spec: { ...cluster.spec, ...surplus } };
      const route = { name: "test-route", destination };
      isOk(await ask("POST", "routes", { body: { route } }));
      assertEquals((await ask("GET", "routes")).json[1].destination, "test-cluster");
      isOk(await ask("DELETE", "routes/test-route"));
      isOk(await ask("DELETE", "clusters/test-cluster"));
    }

    const echo = (name: string) => ({ name, spec: { protocol: "Echo" } });
    const udp = { protocol: "UDP", port: 16000 };
    const retry = { retry_on: "always", num_retries: 1, timeout: 1000 };
    const route = {
      name: "test-route",
      destination: { name: "test-cluster", spec: udp, endpoints: [{ spec: { address: "127.0.0.1" } }] },
      ingress: [echo("in")],
      egress: [echo("out")],
      retry,
    };
    isOk(await ask("POST", "routes", { body: { route } }));
    const shown = (await ask("GET", "routes/test-route")).json;
    assertEquals([shown.ingress, shown.egress, shown.retry], [["in"], ["out"], retry]);
    assertEquals((await names(ask, "clusters")).slice(1), ["test-cluster", "in", "out"]);
    isOk(await ask("DELETE", "routes/test-route"));

    const numbered = five.map((i) => ({ name: `route-${i}`, destination: "Echo" }));
    (await Promise.all(numbered.map((route) => ask("POST", "routes", { body: { route } })))).forEach(isOk);
    assertEquals((await ask("GET", "routes")).json.length, 6);
    (await Promise.all(numbered.map(({ name }) => ask("DELETE", `routes/${name}`)))).forEach(isOk);

    const bad = strict ? 422 : 400;
    assertEquals((await ask("POST", "routes", { body: { route: { destination: "x" } } })).status, bad);
    assertEquals((await ask("POST", "routes", { body: { route: { name: "x" } } })).status, bad);
    fails(
      await ask("POST", "routes", { body: { route: { name: first.name, destination: "x" } } }),
      400,
      `Cannot add route: Route "${first.name}" already defined`,
    );
    fails(await ask("DELETE", "routes/x"), 400, 'Cannot delete Route: Unknown Route "x"');
  });

  Deno.test(`API, ${mode}: rules are added and deleted as in table 22-rule-api`, async () => {
    const { ask } = await startedSo();
    const rule = {
      name: "test-rule",
      match: { op: "contains", path: "/HTTP/url/path", value: "/api/" },
      action: { rewrite: [{ path: "a/b/c", value: "test" }], route: "test-route", apply: "test-list" },
    };
    isOk(await ask("POST", "rules", { body: { rule } }));
    assertEquals((await ask("GET", "rules")).json[1], rule);
    isOk(await ask("DELETE", "rules/test-rule"));
    assertEquals((await ask("GET", "rules")).json.length, 1);

    const inline = (route: string) => ({
      ...rule,
      action: { route: { name: route, destination: "nowhere" } },
    });
    isOk(await ask("POST", "rules", { body: { rule: inline("test-route") } }));
    assertEquals((await ask("GET", "rules/test-rule")).json.action.route, "test-route");
    const stale = (await ask("GET", "rules/test-rule?recursive=true")).json.action.route;
    assertEquals(stale.destination, "nowhere:<STALE>");
    isOk(await ask("DELETE", "rules/test-rule"));
    isOk(await ask("POST", "rules", { body: { rule: inline("test-route-2") } }));

    const { route } = (await ask("GET", "rules?recursive=true")).json[0].action;
    assertEquals([route.ingress, route.egress, route.retry.retry_on], [[], [], "never"]);
    assertEquals(Object.keys(route.destination), ["name", "spec", "endpoints", "loadbalancer"]);
    isOk(await ask("DELETE", "rules/test-rule?recursive=true"));
    assertEquals((await ask("GET", "rules")).json.length, 1);
    assertEquals((await ask("GET", "routes/test-route-2")).status, 400);

    const numbered = five.map((i) => ({ ...rule, name: `rule-${i}` }));
    (await Promise.all(numbered.map((rule) => ask("POST", "rules", { body: { rule } })))).forEach(isOk);
    assertEquals((await ask("GET", "rules")).json.length, 6);
    (await Promise.all(numbered.map(({ name }) => ask("DELETE", `rules/${name}`)))).forEach(isOk);

    const bad = strict ? 422 : 400;
    assertEquals((await ask("POST", "rules", { body: { rule: { name: "x" } } })).status, bad);
    assertEquals((await ask("POST", "rules", { body: { rule: { ...rule, name: "[object Object]" } } })).status, bad);
    assert((await ask("GET", "rules/x")).json.content.startsWith("Not Found"));
    fails(await ask("DELETE", "rules/x"), 400, 'Cannot delete rule: Unknown rule "x"');
  });

  Deno.test(`API, ${mode}: rule lists are added and deleted as in table 22-rule-list-api`, async () => {
    const { ask } = await startedSo();
    const [first] = (await ask("GET", "rulelists")).json;
    assertEquals(typeof first.rules[0], "string");
    const rulelist = { name: "test-rulelist", rules: [{ name: "test", action: { route: { destination: "echo" } } }] };
    isOk(await ask("POST", "rulelists", { body: { rulelist } }));
    assertEquals((await ask("GET", "rulelists/test-rulelist")).json, { name: "test-rulelist", rules: ["test"] });
    isOk(await ask("DELETE", "rulelists/test-rulelist"));
    assertEquals((await ask("GET", "rules/test")).status, 200);

    const numbered = five.map((i) => ({ name: `list-${i}`, rules: ["test"] }));
    (await Promise.all(numbered.map((rulelist) => ask("POST", "rulelists", { body: { rulelist } })))).forEach(isOk);
    assertEquals((await ask("GET", "rulelists")).json.length, 6);
    (await Promise.all(numbered.map(({ name }) => ask("DELETE", `rulelists/${name}`)))).forEach(isOk);

    const list = `rulelists/${first.name}`;
    const rule = { name: "test-rule", action: { route: { destination: "echo" } } };
    isOk(await ask("POST", `${list}/rules/1`, { body: { rule } }));
    const shown = (await ask("GET", `${list}/rules/1`)).json;
    assertEquals([shown.name, shown.match], ["test-rule", { match: "*" }]);
    assert(shown.action.route);
    isOk(await ask("DELETE", `${list}/rules/1`));
    for (const path of ["rulelists?recursive=true", `${list}?recursive=true`]) {
      const [in0] = [(await ask("GET", path)).json].flat()[0].rules;
      assert(in0.name && in0.match);
      assertEquals(in0.action.route.destination.name, "L7mpControllerCluster");
    }

    const whole = {
      name: "test-rulelist-2",
      rules: [{ name: "r2", action: { route: { destination: { name: "echo", spec: { protocol: "Echo" } } } } }],
    };
    isOk(await ask("POST", "rulelists", { body: { rulelist: whole } }));
    const full = (await ask("GET", "rulelists/test-rulelist-2/rules/0?recursive=true")).json;
    assert(full.name === "r2" && full.action.route.name);
    assertEquals(full.action.route.destination.name, "echo");
    isOk(await ask("DELETE", "rulelists/test-rulelist-2?recursive=true"));

    const bad = strict ? 422 : 400;
    assertEquals((await ask("POST", "rulelists", { body: { rulelist: { name: "x" } } })).status, bad);
    fails(
      await ask("POST", "rulelists", { body: { rulelist: { name: first.name, rules: [] } } }),
      400,
      `Cannot add RuleList: RuleList "${first.name}" already defined`,
    );
    fails(await ask("DELETE", "rulelists/x"), 400, 'Cannot delete RuleList: Unknown RuleList "x"');
    fails(
      await ask("POST", `${list}/rules/10`, { body: { rule: "test" } }),
      400,
      "Cannot insert rule at position 10 into rulelist",
    );

    for (const place of ["1", "test-rule"]) {
      await ask("DELETE", "rules/test-rule");
      const action = { route: { destination: { name: "echo-2", spec: { protocol: "Echo" } } } };
      isOk(await ask("POST", `${list}/rules/1`, { body: { rule: { name: "test-rule", action } } }));
      assertEquals((await ask("GET", "clusters/echo-2")).status, 200);
      isOk(await ask("DELETE", `${list}/rules/${place}?recursive=true`));
      assertEquals((await ask("GET", list)).json.rules.length, 1);
      assertEquals((await ask("GET", "clusters/echo-2")).status, 400);
      assertEquals((await ask("GET", "rules/test-rule")).status, 400);
    }
  });

  Deno.test(`API, ${mode}: sessions are shown and ended as in table 23-api-session`, async () => {
    const { ask, control } = await startedSo();
    control.addSession("test-session", { source: { origin: "test-listener", status: "READY" } });
    control.addSession("UDP:10.0.0.7:40123-0.0.0.0:5300-0");
    assertEquals(await names(ask, "sessions"), ["test-session", "UDP:10.0.0.7:40123-0.0.0.0:5300-0"]);
    const shown = (await ask("GET", "sessions/test-session")).json;
    assertEquals([shown.name, shown.metadata, shown.source.status], ["test-session", {}, "READY"]);
    assertEquals((await ask("GET", "sessions/UDP:10.0.0.7:40123-0.0.0.0:5300-0")).status, 200);
    isOk(await ask("DELETE", "sessions/test-session"));
    assertEquals((await ask("GET", "sessions")).json.length, 1);
    fails(await ask("DELETE", "sessions/test-session"), 400, "No such session");
    fails(await ask("GET", "sessions/test-session"), 400, "No such session");
  });

  Deno.test(`API, ${mode}: an endpoint is deleted with its sessions' connections when asked to`, async () => {
    const { ask, control } = await startedSo();
    const cluster = {
      name: "c",
      spec: { protocol: "TCP", port: 1 },
      endpoints: [{ name: "e1", spec: { address: "127.0.0.1" } }, { name: "e2", spec: { address: "127.0.0.1" } }],
    };
    isOk(await ask("POST", "clusters", { body: { cluster } }));
    isOk(await ask("DELETE", "endpoints/e1"));
    assertEquals([...control.effects!.endpoints], []);
    isOk(await ask("DELETE", "endpoints/e2?recursive=true"));
    assertEquals([...control.effects!.endpoints], ["e2"]);
  });

  Deno.test(`API, ${mode}: the configuration and the admin object have the keys of table 24-api-config`, async () => {
    const { ask } = await startedSo();
    const keys = ["admin", "listeners", "clusters", "rulelists", "rules", "routes", "endpoints", "sessions"];
    assertEquals(Object.keys((await ask("GET", "config")).json), keys);
    const admin = (await ask("GET", "admin")).json;
    assertEquals(admin, { log_level: "info", strict: false, offload: false, version: "0.0.0" });
  });
}
