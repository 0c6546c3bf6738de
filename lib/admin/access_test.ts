// Who may use the API.
// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Ask, callerAt, started } from "./_fake_control.ts";

const from = (host: string, headers: Record<string, string> = {}, facts = {}): Ask => ({
  caller: callerAt(host, facts),
  headers,
});

async function withToken(test: (path: string) => Promise<void>, token = "s3cret\n"): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, token);
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("API: callers of this machine are served", async () => {
  const { ask } = await started();
  for (const host of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "/run/l7mp.sock", "/"]) {
    assertEquals((await ask("GET", "config", from(host))).status, 200, host);
  }
});

Deno.test("i-57: callers from elsewhere are refused with a text on how to allow them", async () => {
  const { ask } = await started();
  for (const host of ["192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", "128.0.0.1", "127.0.0.1.evil"]) {
    for (const [method, path] of [["GET", "config"], ["POST", "clusters"], ["GET", "/healthz"], ["GET", "nothing"]]) {
      const { status, json } = await ask(method!, path!, from(host));
      assertEquals([status, json.status, json.message], [403, 403, "Forbidden"]);
      assertStringIncludes(json.content, "--admin-token-file=FILE");
      assertStringIncludes(json.content, "cafile");
    }
  }
});

Deno.test("API: a caller of whom nothing is known is refused", async () => {
  const { ask } = await started();
  assertEquals((await ask("GET", "config", { caller: { protocol: "Stdio", name: "STDIO" } })).status, 403);
});

Deno.test("API: callers from elsewhere that show the bearer token are served", () =>
  withToken(async (tokenFile) => {
    const { ask } = await started({ tokenFile });
    const statusOf = async (authorization: string) =>
      (await ask("GET", "config", from("192.0.2.1", { authorization }))).status;
    assertEquals(await statusOf("Bearer s3cret"), 200);
    assertEquals(await statusOf("bearer s3cret"), 200);
    for (
      const wrong of ["Bearer s3cre", "Bearer s3crets", "Bearer", "Basic s3cret", "s3cret", "Bearer s3cret s3cret"]
    ) {
      assertEquals(await statusOf(wrong), 403, wrong);
    }
    const { json } = await ask("GET", "config", from("192.0.2.1", { authorization: "Bearer x" }));
    assertEquals(json.content, "Callers from other machines are refused: the bearer token is not the right one");
    await Deno.writeTextFile(tokenFile, "other");
    assertEquals([await statusOf("Bearer s3cret"), await statusOf("Bearer other")], [403, 200]);
  }));

Deno.test("API: the token may be named in the configuration, and a file that is empty or gone lets nobody in", () =>
  withToken(async (token_file) => {
    const { ask, control } = await started();
    const authorization = { authorization: "Bearer s3cret" };
    await control.change((draft) => draft.replaceAdmin({ token_file }));
    assertEquals((await ask("GET", "config", from("192.0.2.1", authorization))).status, 200);
    await Deno.writeTextFile(token_file, " \n");
    assertEquals((await ask("GET", "config", from("192.0.2.1", authorization))).status, 403);
    assertEquals((await ask("GET", "config", from("192.0.2.1", { authorization: "Bearer " }))).status, 403);
    await control.change((draft) => draft.replaceAdmin({ token_file: "/none/such" }));
    assertEquals((await ask("GET", "config", from("192.0.2.1", authorization))).status, 403);
  }));

Deno.test("API: callers whose client certificate the listener found good are served", async () => {
  const { ask } = await started();
  const peer = { subject: { CN: "me" }, issuer: {}, names: [], fingerprint: "00" };
  assertEquals((await ask("GET", "config", from("192.0.2.1", {}, { tls: { version: "TLSv1.3", peer } }))).status, 200);
  assertEquals((await ask("GET", "config", from("192.0.2.1", {}, { tls: { version: "TLSv1.3" } }))).status, 403);
});

Deno.test("API: only localhost, addresses and names of admin.hosts are served as Host", async () => {
  const { ask, control } = await started();
  const statusOf = async (host: string) => (await ask("GET", "config", from("127.0.0.1", { host }))).status;
  for (const host of ["localhost", "LOCALHOST:1234", "localhost.", "127.0.0.1:1234", "[::1]:1234", "192.0.2.7"]) {
    assertEquals(await statusOf(host), 200, host);
  }
  for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:1234", "evil.localhost"]) {
    assertEquals(await statusOf(host), 421, host);
  }
  for (const host of ["a b", "localhost/x", "user@localhost", "localhost:x", "[::1"]) {
    assertEquals(await statusOf(host), 400, host);
  }
  const { json } = await ask("DELETE", "listeners/x", from("127.0.0.1", { host: "evil.example" }));
  assertStringIncludes(json.content, "admin.hosts");
  await control.change((draft) => draft.replaceAdmin({ hosts: ["l7mp.example"] }));
  assertEquals([await statusOf("L7mp.example:1234"), await statusOf("evil.example")], [200, 421]);
  assertEquals((await ask("GET", "config", from("/run/l7mp.sock", { host: "anything" }))).status, 200);
});

Deno.test("API: pages of other origins change nothing, and read nothing", async () => {
  const { ask, control } = await started();
  const page = (origin: string) => from("127.0.0.1", { origin, host: "localhost:1234" });
  for (
    const origin of [
      "https://evil.example",
      "null",
      "http://localhost",
      "http://localhost:12345",
      "file://localhost:1234",
    ]
  ) {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      const path = method === "POST" ? "clusters" : "clusters/L7mpControllerCluster";
      const { status, json } = await ask(method, path, { ...page(origin), body: method === "POST" ? {} : undefined });
      assertEquals(status, 403, `${method} ${origin}`);
      assertStringIncludes(json.content, origin);
    }
    const read = await ask("GET", "config", page(origin));
    assertEquals([read.status, read.headers.get("access-control-allow-origin")], [200, null]);
  }
  assertEquals(control.version, 1);
  assertEquals((await ask("DELETE", "clusters/L7mpControllerCluster", page("http://localhost:1234"))).status, 200);
});

Deno.test("API: pages of an allowed origin are served, and may read the answers", async () => {
  const origin = "https://console.example";
  const { ask } = await started({ origins: [origin] });
  const page = (headers = {}) => from("127.0.0.1", { origin, ...headers });
  const preflight = await ask("OPTIONS", "clusters/x", page({ "access-control-request-method": "DELETE" }));
  assertEquals([preflight.status, preflight.headers.get("access-control-allow-origin")], [204, origin]);
  assertStringIncludes(preflight.headers.get("access-control-allow-methods")!, "DELETE");
  assertStringIncludes(preflight.headers.get("access-control-allow-headers")!, "If-Match");
  const read = await ask("GET", "clusters", page());
  assertEquals([read.status, read.headers.get("access-control-allow-origin")], [200, origin]);
  const failed = await ask("DELETE", "clusters/x", page());
  assertEquals([failed.status, failed.headers.get("access-control-allow-origin")], [400, origin]);
  const other = await ask("DELETE", "clusters/x", from("127.0.0.1", { origin: "https://evil.example" }));
  assertEquals([other.status, other.headers.get("access-control-allow-origin")], [403, null]);
});
