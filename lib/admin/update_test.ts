// Changes of objects that are there: PUT, PATCH, and conditions on them.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { started } from "./_fake_control.ts";

const echo = (name: string) => ({ cluster: { name, spec: { protocol: "Echo" } } });

Deno.test("API: PUT puts a definition in place of another; what refers to it, and its place in the list, stay", async () => {
  const { ask } = await started();
  for (const name of ["a", "b"]) await ask("POST", "clusters", { body: echo(name) });
  const cluster = { spec: { protocol: "TCP", port: 1 }, endpoints: [{ name: "e", spec: { address: "192.0.2.1" } }] };
  assertEquals((await ask("PUT", "clusters/a", { body: { cluster } })).status, 200);
  assertEquals((await ask("GET", "clusters")).json.map(({ name }: { name: string }) => name).slice(1), ["a", "b"]);
  const shown = (await ask("GET", "clusters/a")).json;
  shown.spec.port = 2;
  assertEquals((await ask("PUT", "clusters/a", { body: { cluster: shown } })).status, 200);
  assertEquals((await ask("GET", "clusters/a")).json.spec.port, 2);
  assertEquals((await ask("GET", "clusters/a/endpoints")).json[0].name, "e");
  const renamed = await ask("PUT", "clusters/a", { body: { cluster: { ...cluster, name: "c" } } });
  assertEquals([renamed.status, renamed.json.content], [400, 'Cannot update cluster: "a" cannot be renamed']);
});

Deno.test("API: PATCH changes the members that are given, and takes out those that are null", async () => {
  const { ask } = await started();
  const endpoints = [{ name: "e", spec: { address: "192.0.2.1" } }];
  const cluster = { name: "a", spec: { protocol: "TCP", port: 1, nodelay: true }, endpoints, idle_timeout: "5s" };
  await ask("POST", "clusters", { body: { cluster } });
  const patch = { cluster: { spec: { port: 2, nodelay: null }, idle_timeout: null } };
  assertEquals((await ask("PATCH", "clusters/a", { body: patch, type: "application/merge-patch+json" })).status, 200);
  const shown = (await ask("GET", "clusters/a?recursive=true")).json;
  assertEquals(shown.spec, { protocol: "TCP", port: 2 });
  assertEquals([shown.idle_timeout, shown.endpoints[0].name], [undefined, "e"]);

  const [listener] = (await ask("GET", "listeners")).json;
  const path = `listeners/${listener.name}`;
  assertEquals((await ask("PATCH", path, { body: { listener: { options: { track: 30 } } } })).status, 200);
  assertEquals((await ask("GET", path)).json.options, { ...listener.options, track: 30 });
  const bad = await ask("PATCH", path, { body: { listener: { spec: null } } });
  assertEquals([bad.status, (await ask("GET", path)).json.spec], [400, listener.spec]);
});

Deno.test("API: the admin object is changed by POST and PATCH, replaced by PUT", async () => {
  const { ask, control } = await started();
  const change = (method: string, admin: unknown) => ask(method, "admin", { body: { admin } });
  assertEquals((await change("POST", { log_level: "warn", hosts: ["a"] })).status, 200);
  assertEquals((await change("PATCH", { hosts: null, grace: "2s" })).status, 200);
  assertEquals(control.snapshot.admin, { log_level: "warn", grace: "2s" });
  const { json } = await ask("GET", "admin");
  assertEquals((await change("PUT", { ...json, log_level: "error" })).status, 200);
  assertEquals((await ask("GET", "admin")).json, { ...json, log_level: "error" });
  assertEquals((await change("PUT", { log_level: "loud" })).status, 400);
  assertEquals((await change("PUT", 7)).status, 400);
});

Deno.test("API: If-Match lets a change through only while the object is the one it names", async () => {
  const { ask } = await started();
  const endpoints = [{ name: "e", spec: { address: "192.0.2.1" } }];
  await ask("POST", "clusters", { body: { cluster: { name: "a", spec: { protocol: "TCP", port: 1 }, endpoints } } });
  const tag = async (path: string) => (await ask("GET", path)).headers.get("etag")!;
  for (
    const [path, body] of [["clusters/a", { cluster: { spec: { port: 2 } } }], ["endpoints/e", {
      endpoint: { weight: 2 },
    }], ["admin", { admin: { grace: "1s" } }]] as const
  ) {
    const first = await tag(path);
    const using = (value: string) => ask("PATCH", path, { body, headers: { "if-match": value } });
    assertEquals((await using('"other"')).status, 412);
    assertEquals((await using(`W/${first}`)).status, 412);
    assertEquals((await using(`"x", ${first}`)).status, 200);
    const stale = await using(first);
    assertEquals([stale.status, stale.json.message, stale.headers.get("etag")], [
      412,
      "Precondition Failed",
      await tag(path),
    ]);
    assertEquals((await using("*")).status, 200);
  }
  const before = await tag("clusters/a");
  await ask("PATCH", "endpoints/e", { body: { endpoint: { weight: 9 } } });
  assertEquals((await ask("DELETE", "clusters/a", { headers: { "if-match": before } })).status, 412);
  const put = { body: { cluster: { spec: { protocol: "Echo" } } }, headers: { "if-match": before } };
  assertEquals((await ask("PUT", "clusters/a", put)).status, 412);
  assertEquals((await ask("DELETE", "clusters/a", { headers: { "if-match": await tag("clusters/a") } })).status, 200);
});

Deno.test("API: of two changes made at once from the same state, one fails", async () => {
  const { ask } = await started();
  await ask("POST", "clusters", { body: echo("a") });
  const headers = { "if-match": (await ask("GET", "clusters/a")).headers.get("etag")! };
  const change = (linger: string) => ask("PATCH", "clusters/a", { body: { cluster: { linger } }, headers });
  const statuses = (await Promise.all([change("1s"), change("2s")])).map(({ status }) => status);
  assertEquals(statuses.sort(), [200, 412]);
});

Deno.test("API: a caller that has the object as it is gets 304; what lists or goes deeper has no tag", async () => {
  const { ask } = await started();
  const etag = (await ask("GET", "clusters/L7mpControllerCluster")).headers.get("etag")!;
  const again = await ask("GET", "clusters/L7mpControllerCluster", { headers: { "if-none-match": `W/${etag}` } });
  assertEquals([again.status, again.text, again.headers.get("etag")], [304, "", etag]);
  for (const path of ["clusters", "clusters/L7mpControllerCluster?recursive=true", "config", "sessions"]) {
    assertEquals((await ask("GET", path)).headers.get("etag"), null);
  }
});
