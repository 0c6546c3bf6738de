// `l7mp ctl` against the REST API of a proxy that opens nothing, over real sockets.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { callerAt, controllerConfig, FakeControl } from "../admin/_fake_control.ts";
import { adminRegistry } from "../admin/_test_registry.ts";
import { createAdmin } from "../admin/app.ts";
import { silentLog } from "../log.ts";
import { makeCertificates, noOpenssl } from "../../tests/support/certificates.ts";
import { closedPort } from "../../tests/support/machine.ts";
import { runCtl } from "./ctl.ts";

interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function ctl(...words: string[]): Promise<Said> {
  let out = "";
  let err = "";
  const standardError = { write: (text: string | Uint8Array) => void (err += text), reopen() {}, close() {} };
  const status = await runCtl(words, { print: (text) => void (out += text), standardError });
  return { status, out, err };
}

type Test = (run: (...words: string[]) => Promise<Said>, control: FakeControl, folder: string) => Promise<void>;

/** Serves the API on a free port, or a UNIX socket, and lets `test` run commands against it. */
async function served(test: Test, overUnix = false): Promise<void> {
  const control = new FakeControl();
  await control.reload(controllerConfig);
  const admin = createAdmin(control, { registry: adminRegistry, log: silentLog() });
  const folder = await Deno.makeTempDir();
  const path = `${folder}/admin.sock`;
  const handler = (request: Request) => admin(request, callerAt(overUnix ? path : undefined));
  const server = overUnix
    ? Deno.serve({ path, onListen() {} }, handler)
    : Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  const address = overUnix ? `unix:${path}` : String((server.addr as Deno.NetAddr).port);
  try {
    await test((...words) => ctl(`--admin=${address}`, ...words), control, folder);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

const clusterFile = `
name: web
spec: {protocol: TCP, port: 80}
endpoints:
  - {name: w1, spec: {address: 192.0.2.1}}
`;

for (const overUnix of [false, true]) {
  Deno.test(`runCtl() adds, lists and deletes over ${overUnix ? "a UNIX socket" : "TCP"}`, () =>
    served(async (run, _, folder) => {
      const file = `${folder}/cluster.yaml`;
      await Deno.writeTextFile(file, clusterFile);
      assertEquals(await run("add", "cluster", "-f", file), { status: 0, out: 'cluster "web" added\n', err: "" });
      assertEquals(
        (await run("get", "clusters")).out,
        "NAME                   PROTOCOL        ENDPOINTS  BALANCER\n" +
          "L7mpControllerCluster  L7mpController  0          None\n" +
          "web                    TCP             1          Trivial\n",
      );
      assertStringIncludes((await run("get", "cluster", "web", "--recursive")).out, "address: 192.0.2.1\n");
      assertEquals(JSON.parse((await run("get", "cluster", "web", "-o", "json")).out).endpoints, 1);
      assertEquals(
        (await run("get", "endpoints")).out,
        "NAME  CLUSTER  ADDRESS    WEIGHT\nw1    web      192.0.2.1  1\n",
      );
      assertEquals((await run("delete", "cluster", "web")).out, 'cluster "web" deleted\n');
      assertEquals(await run("delete", "cluster", "web"), {
        status: 1,
        out: "",
        err: 'l7mp ctl: Cannot delete cluster: Unknown cluster "web"\n',
      });
    }, overUnix));
}

Deno.test("runCtl() lists every kind and shows the configuration, which applies again", () =>
  served(async (run, control, folder) => {
    control.addSession("s-1", { source: { origin: "controller-listener" } });
    for (const kind of ["listeners", "rulelists", "rules", "routes", "sessions"]) {
      const { status, out } = await run("get", kind);
      assertEquals([status, out.split("\n").length], [0, 3], kind);
      const full = await run("get", kind, "-r", "-o", "table");
      assertEquals([full.status, full.out.split("\n").length], [0, 3], kind);
    }
    assertStringIncludes((await run("get", "admin")).out, "log_level: info\n");
    const { out } = await run("get", "config");
    await Deno.writeTextFile(`${folder}/all.yaml`, out);
    const { listeners } = control.snapshot;
    assertEquals((await run("apply", "-f", `${folder}/all.yaml`)).out, "configuration applied\n");
    assertEquals(control.snapshot.listeners, listeners);
  }));

Deno.test("runCtl() applies several files as one configuration, or each object on its own", () =>
  served(async (run, control, folder) => {
    await Deno.writeTextFile(`${folder}/a.yaml`, "clusters:\n  - {name: a, spec: {protocol: Echo}}\n");
    await Deno.writeTextFile(`${folder}/b.json`, '{"clusters": [{"name": "b", "spec": {"protocol": "Echo"}}]}');
    await Deno.writeTextFile(`${folder}/c.yaml`, `cluster: {name: c/d, spec: {protocol: TCP, port: 1}}`);
    const objects = await run("apply", "--object", "-f", `${folder}/a.yaml`, `${folder}/c.yaml`);
    assertEquals(objects, { status: 0, out: 'cluster "a" added\ncluster "c/d" added\n', err: "" });
    assertEquals([...control.snapshot.clusters.keys()], ["L7mpControllerCluster", "a", "c/d"]);
    await Deno.writeTextFile(`${folder}/c.yaml`, `cluster: {name: c/d, spec: {protocol: TCP, port: 2}}`);
    assertEquals((await run("apply", "--object", "-f", `${folder}/c.yaml`)).out, 'cluster "c/d" updated\n');
    assertEquals(control.snapshot.clusters.get("c/d")!.spec.port, 2);
    assertEquals((await run("apply", "-f", `${folder}/a.yaml`, "-f", `${folder}/b.json`)).status, 0);
    assertEquals([...control.snapshot.clusters.keys()], ["a", "b"]);
  }));

Deno.test("runCtl() puts a rule into a list, and takes it out", () =>
  served(async (run, control, folder) => {
    const [list] = control.snapshot.rulelists.keys();
    await Deno.writeTextFile(`${folder}/rule.yaml`, "name: 10-block\naction: {deny: {status: 403}}\n");
    assertEquals((await run("add", "rule", "--list", list!, "-f", `${folder}/rule.yaml`)).status, 0);
    assertEquals(control.snapshot.rulelists.get(list!)!.rules[0], "10-block");
    assertEquals(
      (await run("delete", "rule", "10-block", "--list", list!)).out,
      'rule "10-block" deleted from the list\n',
    );
    assertEquals(control.snapshot.rulelists.get(list!)!.rules.length, 1);
  }));

Deno.test("runCtl() tells who still names what it deleted", () =>
  served(async (run, control) => {
    const { rules: list } = control.snapshot.listeners.get("controller-listener")!;
    const [rule] = control.snapshot.rulelists.get(list)!.rules;
    const { route } = control.snapshot.rules.get(rule!)!.action;
    const deleted = async (kind: string, name: string) => {
      const { status, out, err } = await run("delete", kind, name);
      assertEquals([status, out], [0, `${kind} "${name}" deleted\n`]);
      return err;
    };
    const still = (what: string, user: string) => `l7mp ctl: ${what} is still named by ${user}\n`;
    await control.change((draft) => draft.addRule({ name: "other", action: { apply: list } }));
    assertEquals(
      await deleted("cluster", "L7mpControllerCluster"),
      still('cluster "L7mpControllerCluster"', `route "${route}"`),
    );
    assertEquals(await deleted("route", route!), still(`route "${route}"`, `rule "${rule}"`));
    assertEquals(await deleted("rule", rule!), still(`rule "${rule}"`, `rulelist "${list}"`));
    assertEquals(
      await deleted("rulelist", list),
      still(`rulelist "${list}"`, 'listener "controller-listener", rule "other"'),
    );
    assertEquals(await deleted("rule", "other"), "");
    assertEquals(await deleted("listener", "controller-listener"), "");
  }));

/** As `openssl x509 -req` without `-extfile` made them for a long time. */
const versionOne = `-----BEGIN CERTIFICATE-----
MIIBFzCBvQIUdUL3Az5t9mFae2bjYJTkaF3Iwz4wCgYIKoZIzj0EAwIwDTELMAkG
A1UEAwwCdjEwIBcNMjYxMTIyMDYzNDIzWhgPMjEyNjEwMjkwNjM0MjNaMA0xCzAJ
BgNVBAMMAnYxMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+tVEeCWTLZ0oTlj9
4GHT3O2rOmhGZi17WL+BoLLV/jqCuTe4OKDqeqbJuKm6D4M9sWckG6gLZ1FBfFXK
w2fdXDAKBggqhkjOPQQDAgNJADBGAiEAi66GE56EqTH2wJGM8lMI/QmR3GN0jad+
hAmz+4Hj8Y8CIQCobpSpi6Bz6dIUJqfNwBoQO8VOe9LUjLe8cu0Foqx6MQ==
-----END CERTIFICATE-----
`;
const certificates = makeCertificates();
const needsOpenssl = certificates ? "" : ` (skipped: ${noOpenssl})`;

Deno.test(`runCtl() names the option and the file that TLS does not take${needsOpenssl}`, {
  ignore: !certificates,
}, async () => {
  const folder = await Deno.makeTempDir();
  const none = `${folder}/none.pem`;
  const v1 = `${folder}/v1.pem`;
  const damaged = `${folder}/damaged.pem`;
  await Deno.writeTextFile(none, "nothing");
  await Deno.writeTextFile(v1, versionOne);
  await Deno.writeTextFile(damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const own = (name: string) => certificates!.path(name);
  const wrong: readonly (readonly [words: readonly string[], message: string])[] = [
    [[`--cafile=${none}`], `option --cafile: "${none}": it holds no certificate`],
    [[`--cafile=${damaged}`], `option --cafile: "${damaged}": it is damaged`],
    [[`--cert=${none}`, `--key=${own("client.key")}`], `option --cert: "${none}": it holds no certificate`],
    [[`--cert=${damaged}`, `--key=${own("client.key")}`], `option --cert: "${damaged}": it is damaged`],
    [
      [`--cert=${v1}`, `--key=${own("client.key")}`],
      `option --cert: "${v1}": it is a certificate of X.509 version 1; issue it again as one of version 3`,
    ],
    [
      [`--cert=${own("client.pem")}`, `--key=${own("server.key")}`],
      `option --key: "${own("server.key")}": it is not the key of "${own("client.pem")}"`,
    ],
    [
      [`--cert=${own("client.pem")}`, `--key=${own("encrypted8.key")}`],
      `option --key: "${own("encrypted8.key")}": it holds no key without a passphrase`,
    ],
    [[`--cert=${own("client.pem")}`, `--key=${none}`], `option --key: "${none}": it holds no key`],
  ];
  for (const [words, message] of wrong) {
    const { status, out, err } = await ctl(...words, "get", "listeners");
    assertEquals([status, out], [1, ""], words.join(" "));
    assertStringIncludes(err, `l7mp ctl: ${message}`);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test(`runCtl() says what to do about the certificate of a server${needsOpenssl}`, {
  ignore: !certificates,
}, async () => {
  const said = async (server: string, ...words: string[]) => {
    const cert = certificates!.text(`${server}.pem`);
    const key = certificates!.text(`${server}.key`);
    const serving = Deno.serve({ port: 0, hostname: "127.0.0.1", cert, key, onListen() {} }, () => new Response("{}"));
    try {
      return (await ctl(`--admin=https://127.0.0.1:${serving.addr.port}`, ...words, "get", "admin")).err;
    } finally {
      await serving.shutdown();
    }
  };
  const path = (name: string) => certificates!.path(name);
  assertEquals(await said("server", `--cafile=${path("ca.pem")}`), "");
  assertStringIncludes(await said("server"), "; give the certificate of its issuer with --cafile=FILE\n");
  assertStringIncludes(
    await said("server", `--cafile=${path("otherca.pem")}`),
    `; none of "${path("otherca.pem")}" issued the server's certificate\n`,
  );
  assertStringIncludes(
    await said("selfsigned", `--cafile=${path("selfsigned.pem")}`),
    "if it is self-signed, make it with -addext basicConstraints=critical,CA:FALSE\n",
  );
});

Deno.test("runCtl() prints a line for each change of a session", () =>
  served(async (_run, control) => {
    const admin = createAdmin(control, { registry: adminRegistry, log: silentLog() });
    const stop = new AbortController();
    const answer = await admin(new Request("http://localhost/api/v1/sessions?watch=true"), callerAt());
    control.addSession("s-1");
    control.endSession("s-1");
    // An answer that ends lets the command end.
    let left = 3;
    const some = answer.body!.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(chunk);
          if (--left === 0) controller.terminate();
        },
      }),
    );
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response(some));
    const { out } = await ctl(`--admin=${server.addr.port}`, "watch", "sessions");
    assertEquals(out, "ADDED     s-1  CONNECTED\nDELETED   s-1  CONNECTED\n");
    await server.shutdown();
    stop.abort();
    assertEquals(control.watchers, 0);
  }));

Deno.test("runCtl() says what is wrong with the command", async () => {
  const wrong: readonly (readonly [words: string, message: string])[] = [
    ["", "no command; say one of get, add, apply, delete, watch, or --help"],
    ["toString", 'unknown command "toString"; say one of get, add, apply, delete, watch, or --help'],
    ["get", "get what? Say one of clusters, listeners, rulelists, rules, routes, endpoints, sessions, config, admin"],
    [
      "get listner",
      'get: "listner" is not one of clusters, listeners, rulelists, rules, routes, endpoints, sessions, config, ' +
      "admin; did you mean listener?",
    ],
    ["get listeners a b", '"b" is one word too many; see l7mp ctl --help'],
    ["get listeners --recursiv", 'unknown option "--recursiv"; did you mean --recursive?'],
    ["get listeners -o xml", 'option --output: "xml" is not one of table, yaml, json'],
    [
      "get listeners --admin=ftp://x/?a",
      'option --admin: "ftp://x/?a" is not like 1234, HOST:PORT, unix:/path or https://HOST:PORT',
    ],
    ["add cluster", "add: name a file with -f FILE, or - for standard input"],
    ["add cluster -f /none/such.yaml", 'cannot read "/none/such.yaml": No such file or directory'],
    ["add session -f x", 'add: "session" is not one of clusters, listeners, rulelists, rules, routes, endpoints'],
    ["delete cluster", "delete cluster: say which"],
    ["get listeners --cert=x", "options --cert and --key need each other"],
    ["get listeners --token-file=/none", 'cannot read token file "/none": No such file or directory'],
  ];
  for (const [words, message] of wrong) {
    const { status, out, err } = await ctl(...words.split(" ").filter((word) => word !== ""));
    assertEquals([status, out, err], [1, "", `l7mp ctl: ${message}\n`], words);
  }
});

Deno.test("runCtl() says that nobody answers, and where", async () => {
  const { status, err } = await ctl("--admin=unix:/none/admin.sock", "get", "listeners");
  assertEquals(status, 1);
  assertMatch(
    err,
    /^l7mp ctl: cannot reach the REST API at unix:\/none\/admin\.sock: No such file or directory; is a proxy/,
  );
  const refused = await ctl(`--admin=:${closedPort}`, "get", "listeners");
  const fault = `l7mp ctl: cannot reach the REST API at :${closedPort}: Connection refused; is a proxy`;
  assertStringIncludes(refused.err, fault);
});

Deno.test("runCtl() says that what answers is not the API", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response("<html>"));
  const { err } = await ctl(`--admin=127.0.0.1:${server.addr.port}`, "get", "listeners");
  assertEquals(
    err,
    `l7mp ctl: what answers at 127.0.0.1:${server.addr.port} is not the REST API of l7mp: its answer is no JSON\n`,
  );
  await server.shutdown();
});

Deno.test("runCtl() prints each violation of a schema on a line", () =>
  served(async (run, control, folder) => {
    await control.change((draft) => draft.replaceAdmin({ strict: true }));
    await Deno.writeTextFile(`${folder}/x.yaml`, "name: x y\nspec: {}\n");
    const { status, err } = await run("add", "cluster", "-f", `${folder}/x.yaml`);
    assertEquals(status, 1);
    assertStringIncludes(err, "the request does not fit its schema:\n  .requestBody.cluster");
    assert(err.includes(".requestBody.cluster.name: must match pattern"), err);
  }));

Deno.test("runCtl() --help prints the help, whatever else is said", async () => {
  for (const words of [["--help"], ["get", "-h"]]) {
    const { status, out } = await ctl(...words);
    assertEquals(status, 0);
    assertStringIncludes(out, "Usage:\n  l7mp ctl [options] get KIND [NAME]");
  }
});
