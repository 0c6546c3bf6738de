/** Where sessions go: rules, lists of rules, rewrites, denials, chains of transforms near and far. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ClusterDocument, ConfigDocument, RouteDocument, RuleDocument } from "../../lib/config/document.ts";
import { Backend } from "../e2e/carriers.ts";
import { acceptance, type Run } from "../e2e/harness.ts";
import { connect, echo, type Peer } from "../e2e/peers.ts";
import { within } from "../e2e/wait.ts";
import { startService } from "./service.ts";

/** A backend that says its name, then sends everything back. */
function named(run: Run, name: string): Backend {
  return new Backend(run, async (peer) => {
    await peer.send(name);
    await echo(peer);
  });
}

function cluster(name: string, { port }: Backend): ClusterDocument {
  return { name, spec: { protocol: "TCP", port }, endpoints: [{ spec: { address: "127.0.0.1" } }] };
}

function http(
  run: Run,
): { port: number; spec: ConfigDocument["listeners"] extends (infer L)[] | undefined ? L : never } {
  const port = run.port();
  return { port, spec: { name: "in", spec: { protocol: "HTTP", address: "127.0.0.1", port }, rules: "list" } };
}

async function ask(port: number, path: string, init: RequestInit = {}): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: response.status, body: await response.text() };
}

const text = (value: string): RouteDocument => ({ destination: { spec: { protocol: "TEXT", text: value } } });
const path = (op: string, value: string) => ({ op, path: "/HTTP/url/path", value });

acceptance("routing", "the first rule that matches decides, and lists go on in others", async (run) => {
  const { port, spec } = http(run);
  const rules: RuleDocument[] = [
    { match: path("starts", "/a/"), action: { route: text("a") } },
    { match: path("starts", "/apply/"), action: { apply: "other" } },
    {
      match: { op: "and", apply: [path("ends", ".txt"), { op: "test", path: "/HTTP/method", value: "GET" }] },
      action: { route: text("txt") },
    },
    { match: path("matches", "^/[0-9]+$"), action: { route: text("digits") } },
    { match: { op: "defined", path: "/HTTP/headers/x-me" }, action: { route: text("me") } },
    { match: path("test", "/nowhere"), action: {} },
    { match: path("test", "/unknown"), action: { route: "no-such-route" } },
    { match: path("test", "/circle"), action: { apply: "list" } },
  ];
  const other: RuleDocument[] = [{ match: path("contains", "deep"), action: { route: text("deep") } }];
  await startService(run, { listeners: [spec], rulelists: [{ name: "list", rules }, { name: "other", rules: other }] });
  for (
    const [target, status, body] of [
      ["/a/b.txt", 200, "a"],
      ["/apply/deep", 200, "deep"],
      ["/x.txt", 200, "txt"],
      ["/123", 200, "digits"],
      ["/12a", 404, undefined],
      // What matches over there is all there is.
      ["/apply/x.txt", 404, undefined],
      ["/nowhere", 404, undefined],
      ["/unknown", 404, undefined],
      ["/circle", 500, undefined],
    ] as const
  ) {
    const answer = await ask(port, target);
    assertEquals(answer.status, status, `${target}: ${answer.body}`);
    if (body !== undefined) assertEquals(answer.body, body);
    else assertEquals(JSON.parse(answer.body).status, status);
  }
  assertEquals((await ask(port, "/x", { headers: { "X-Me": "1" } })).body, "me");
});

acceptance("routing", "live changes hold for new sessions, old ones stay", async (run) => {
  const [one, two] = [named(run, "one"), named(run, "two")];
  const port = run.port();
  const service = await startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "TCP", address: "127.0.0.1", port },
      rules: [{ name: "all", action: { route: { name: "way", destination: "one" } } }],
    }],
    clusters: [cluster("one", one), cluster("two", two)],
  });
  const before = await connect(run, { tcp: port });
  assertEquals(await before.text(3), "one");
  await service.do("PUT", "/routes/way", { route: { name: "way", destination: "two" } });
  const after = await connect(run, { tcp: port });
  assertEquals(await after.text(3), "two");
  await before.send("still");
  assertEquals(await before.text(5), "still");
  await service.do("DELETE", "/rules/all");
  const refused = await connect(run, { tcp: port });
  assertEquals(await refused.rest().then((rest) => rest.length, () => 0), 0);
});

acceptance("routing", "rewrites reach JSONENCAP, labels and the list of sessions", async (run) => {
  const sink = Promise.withResolvers<string>();
  const backend = new Backend(run, async (peer: Peer) => {
    let line = "";
    while (!line.endsWith("\n")) line += await peer.text(1);
    sink.resolve(line);
  });
  const port = run.port();
  const service = await startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "UDP", address: "127.0.0.1", port },
      rules: [{
        action: {
          rewrite: [{ path: "labels/tenant", value: { name: "blue" } }],
          route: { destination: "up", ingress: [{ spec: { protocol: "JSONEncap" } }] },
        },
      }],
    }],
    clusters: [cluster("up", backend)],
  });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  run.defer(() => socket.close());
  await socket.send(new TextEncoder().encode("hello"), { transport: "udp", hostname: "127.0.0.1", port });
  const [session] = await service.sessions("the session", (all) => all[0]?.status === "CONNECTED");
  assertEquals(session.metadata.labels, { tenant: { name: "blue" } });
  assertEquals(session.ingress.length, 1);
  const { metadata, payload } = JSON.parse(await within("the line", sink.promise));
  assertEquals(metadata.labels, { tenant: { name: "blue" } });
  assertEquals(atob(payload), "hello");
  await service.do("DELETE", `/sessions/${encodeURIComponent(session.name)}`);
});

acceptance("routing", "a chain leads through remote transforms, both ways, in order", async (run) => {
  const upper = new Backend(run, async (peer) => {
    const words = await peer.restText();
    await peer.send(words.toUpperCase());
  });
  const mark = (sign: string) =>
    new Backend(run, async (peer) => {
      const words = await peer.restText();
      await peer.send(`${words}${sign}`);
    });
  const [first, second] = [mark("1"), mark("2")];
  const target = new Backend(run, async (peer) => {
    await peer.send(`<${await peer.restText()}>`);
  });
  const port = run.port();
  await startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "TCP", address: "127.0.0.1", port },
      rules: [{
        action: { route: { destination: "target", ingress: ["upper", "first"], egress: ["second", "first"] } },
      }],
    }],
    clusters: [cluster("upper", upper), cluster("first", first), cluster("second", second), cluster("target", target)],
  });
  const peer = await connect(run, { tcp: port });
  await peer.send("hello");
  await peer.endWrite();
  assertEquals(await peer.restText(), "<HELLO1>21");
});

acceptance("routing", "datagrams keep their boundaries on the way through Echo and back", async (run) => {
  const port = run.port();
  await startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "UDP", address: "127.0.0.1", port },
      rules: [{ action: { route: { destination: "echo", ingress: ["echo"], egress: ["echo"] } } }],
    }],
    clusters: [{ name: "echo", spec: { protocol: "Echo" } }],
  });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  run.defer(() => socket.close());
  for (const word of ["a", "bb", "ccc"]) {
    await socket.send(new TextEncoder().encode(word), { transport: "udp", hostname: "127.0.0.1", port });
  }
  const got: string[] = [];
  while (got.length < 3) got.push(new TextDecoder().decode((await socket.receive())[0]));
  assertEquals(got, ["a", "bb", "ccc"]);
});

acceptance("routing", "a failing remote transform ends the session", async (run) => {
  const target = new Backend(run, echo);
  const port = run.port();
  await startService(run, {
    listeners: [{
      name: "in",
      spec: { protocol: "TCP", address: "127.0.0.1", port },
      rules: [{ action: { route: { destination: "target", ingress: ["gone"] } } }],
    }],
    clusters: [cluster("target", target), { ...cluster("gone", target), spec: { protocol: "TCP", port: run.port() } }],
  });
  const peer = await connect(run, { tcp: port });
  assertEquals(await peer.rest().then((rest) => rest.length, () => 0), 0);
});

acceptance("denial", "is said as the protocol can", async (run) => {
  const { port, spec } = http(run);
  const wsPort = run.port();
  const tcpPort = run.port();
  const deny = [{ action: { deny: { status: 451, reason: "not here" } } }];
  await startService(run, {
    listeners: [
      spec,
      {
        name: "ws",
        spec: { protocol: "WebSocket", address: "127.0.0.1", port: wsPort },
        rules: [{ action: { deny: {} } }],
      },
      { name: "tcp", spec: { protocol: "TCP", address: "127.0.0.1", port: tcpPort }, rules: "list" },
    ],
    rulelists: [{ name: "list", rules: deny }],
  });
  const refused = await ask(port, "/");
  assertEquals(refused.status, 451);
  assertMatch(refused.body, /not here/);
  const upgrade = await ask(wsPort, "/", { headers: {} });
  assert(upgrade.status >= 400);
  const peer = await connect(run, { tcp: tcpPort });
  assertEquals(await peer.rest().then((rest) => rest.length, () => 0), 0);
});

acceptance("i-29", "what fails upstream has a status of its own", async (run) => {
  const { port, spec } = http(run);
  const nobody = run.port();
  const to = (name: string): RuleDocument => ({
    match: path("test", `/${name}`),
    action: { route: { destination: name } },
  });
  await startService(run, {
    listeners: [spec],
    rulelists: [{ name: "list", rules: [to("refused"), to("empty"), to("unknown")] }],
    clusters: [
      { name: "refused", spec: { protocol: "TCP", port: nobody }, endpoints: [{ spec: { address: "127.0.0.1" } }] },
      { name: "empty", spec: { protocol: "TCP", port: nobody } },
    ],
  });
  assertEquals((await ask(port, "/refused")).status, 502);
  assertEquals((await ask(port, "/empty")).status, 503);
  assertEquals((await ask(port, "/unknown")).status, 503);
  assertEquals((await ask(port, "/other")).status, 404);
});

acceptance("limits", "refuse sessions over the rate and over the number", async (run) => {
  const backend = named(run, "ok");
  const { port, spec } = http(run);
  const few = run.port();
  await startService(run, {
    listeners: [
      {
        ...spec,
        options: {
          local_ratelimit: { token_bucket: { max_tokens: 2, fill_interval: "1h" }, per: ["/HTTP/headers/x-user"] },
        },
      },
      {
        name: "few",
        spec: { protocol: "TCP", address: "127.0.0.1", port: few },
        options: { max_sessions: 1 },
        rules: "tcp",
      },
    ],
    rulelists: [
      { name: "list", rules: [{ action: { route: text("fine") } }] },
      { name: "tcp", rules: [{ action: { route: { destination: "up" } } }] },
    ],
    clusters: [cluster("up", backend)],
  });
  const as = (user: string) => ask(port, "/", { headers: { "X-User": user } });
  assertEquals([(await as("a")).status, (await as("a")).status, (await as("a")).status], [200, 200, 429]);
  assertEquals((await as("b")).status, 200);
  const first = await connect(run, { tcp: few });
  assertEquals(await first.text(2), "ok");
  const second = await connect(run, { tcp: few });
  assertEquals(await second.rest().then((rest) => rest.length, () => 0), 0);
  await first.send("x");
  assertEquals(await first.text(1), "x");
});

acceptance("regular expressions", "from a file cannot hang the process", async (run) => {
  const { port, spec } = http(run);
  await startService(run, {
    listeners: [spec],
    rulelists: [{
      name: "list",
      rules: [
        { match: { op: "matches", path: "/HTTP/headers/x", value: "(a+)+$" }, action: { route: text("yes") } },
        { action: { route: text("no") } },
      ],
    }],
  });
  assertEquals((await ask(port, "/", { headers: { X: `${"a".repeat(50)}b` } })).body, "no");
  assertEquals((await ask(port, "/", { headers: { X: "a".repeat(50) } })).body, "yes");
});
