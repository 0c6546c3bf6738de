// Interoperation with proxies: tinyproxy (HTTP CONNECT), Dante (SOCKS4, SOCKS5), HAProxy (PROXY protocol both ways).

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { answered } from "../e2e/answered.ts";
import { acceptance, type Program, type Run } from "../e2e/harness.ts";
import { connect, echo, serveStreams, serveWebSockets } from "../e2e/peers.ts";
import { absent, haproxy } from "../e2e/programs.ts";

const tinyproxy: Program = { name: "tinyproxy", command: ["tinyproxy"] };

const noTinyproxy = absent("tinyproxy");
const noHaproxy = absent("haproxy");
/** Dante asks the system for passwords, so it needs a view of the file system with an account of ours in it. */
const noDanted = absent("danted") ??
  (canMount() ? undefined : "the accounts for danted cannot be made here (mount namespaces needed)");

function canMount(): boolean {
  try {
    const args = ["--mount", "--map-root-user", "sh", "-c", "mount --bind /etc/hosts /etc/passwd"];
    return new Deno.Command("unshare", { args, stdin: "null", stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

function echoServer(run: Run): number {
  const port = run.port();
  serveStreams(run, { tcp: port }, echo);
  return port;
}

async function serveTinyproxy(run: Run): Promise<number> {
  const port = run.port();
  const file = run.path("tinyproxy.conf");
  const lines = [`Port ${port}`, "Listen 127.0.0.1", "Timeout 60", "LogLevel Error", "BasicAuth u secret"];
  await Deno.writeTextFile(file, `${lines.join("\n")}\n`);
  await run.serve(["-d", "-c", file], { tcp: port }, { program: tinyproxy, stderr: "any", code: 0 });
  return port;
}

// tinyproxy drops the connection when one side half-closes, hence shut-none.
acceptance("interop", "PROXY through tinyproxy with a password", async (run) => {
  const [proxy, target] = [await serveTinyproxy(run), echoServer(run)];
  const address = `PROXY:127.0.0.1:127.0.0.1:${target},proxyport=${proxy},proxyauth=u:secret,shut-none`;
  assertEquals(await answered(run, ["-", address], "hello\n"), "hello\n");
}, { skip: noTinyproxy });

acceptance("interop", "tinyproxy's refusals are told: no password, a wrong one, nobody there", async (run) => {
  const [proxy, nobody] = [await serveTinyproxy(run), run.port()];
  const refusals: readonly (readonly [string, RegExp])[] = [
    ["", /E proxy 127\.0\.0\.1:\d+: 407 Proxy Authentication Required .* use proxyauth= or via=http:\/\/user:pass@/],
    ["u:wrong@", /E proxy 127\.0\.0\.1:\d+: 40[17] .* proxy refuses this user and password/],
    ["u:secret@", /E proxy 127\.0\.0\.1:\d+: 50\d .* \(CONNECT 127\.0\.0\.1:\d+\)/],
  ];
  for (const [login, stderr] of refusals) {
    await run.out(["-", `TCP:127.0.0.1:${nobody},via=http://${login}127.0.0.1:${proxy}`], { code: 1, stderr });
  }
}, { skip: noTinyproxy });

acceptance("interop", "a WebSocket through tinyproxy", async (run) => {
  const [proxy, target] = [await serveTinyproxy(run), run.port()];
  const records = serveWebSockets(run, { port: target });
  const via = `--via=http://u:secret@127.0.0.1:${proxy}`;
  assertEquals(await run.out([via, `ws://localhost:${target}/`], { input: "a\nb\n" }), "a\nb\n");
  assertEquals(records.map(({ messages }) => messages), [["a", "b"]]);
}, { skip: noTinyproxy });

/** Starts Dante: SOCKS5 for alice with her password, SOCKS4 for anybody. */
async function serveDante(run: Run): Promise<number> {
  const port = run.port();
  const hash = new Deno.Command("openssl", { args: ["passwd", "-6", "sesame"] }).outputSync().stdout;
  const password = new TextDecoder().decode(hash).trim();
  const files = {
    passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1234:1234::/:/bin/false\n",
    shadow: `root:*:19000:0:99999:7:::\nalice:${password}:19000:0:99999:7:::\n`,
    "danted.conf": `
      logoutput: stderr
      internal: 127.0.0.1 port = ${port}
      external: 127.0.0.1
      clientmethod: none
      socksmethod: username none
      user.privileged: root
      user.unprivileged: root
      client pass {
        from: 127.0.0.0/8 to: 127.0.0.0/8
      }
      socks pass {
        from: 127.0.0.0/8 to: 0.0.0.0/0
        command: connect
        proxyprotocol: socks_v4
        socksmethod: none
      }
      socks pass {
        from: 127.0.0.0/8 to: 0.0.0.0/0
        command: connect
        proxyprotocol: socks_v5
        socksmethod: username
      }`,
  };
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(run.path(name), text);
  const script = 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow && ' +
    'exec danted -f "$1/danted.conf"';
  const danted: Program = {
    name: "danted",
    command: ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"],
  };
  await run.serve([run.dir], { tcp: port }, { program: danted, stderr: "any", code: 0 });
  return port;
}

acceptance("interop", "SOCKS5 through Dante with a password, by address and by name", async (run) => {
  const [proxy, target] = [await serveDante(run), echoServer(run)];
  for (const host of ["127.0.0.1", "localhost"]) {
    const address = `SOCKS5:127.0.0.1:${proxy}:${host}:${target},socksuser=alice,sockspass=sesame`;
    assertEquals(await run.out(["-", address], { input: `to ${host}\n` }), `to ${host}\n`);
  }
  const via = `via=socks5://alice:sesame@127.0.0.1:${proxy}`;
  assertEquals(await run.out(["-", `TCP:localhost:${target},${via}`], { input: "via\n" }), "via\n");
}, { skip: noDanted });

acceptance("interop", "SOCKS4 through Dante", async (run) => {
  const [proxy, target] = [await serveDante(run), echoServer(run)];
  const address = `SOCKS4:127.0.0.1:localhost:${target},socksport=${proxy},socksuser=nobody`;
  assertEquals(await run.out(["-", address], { input: "hello\n" }), "hello\n");
}, { skip: noDanted });

acceptance("interop", "Dante's refusals are told: a wrong password, no password, nobody there", async (run) => {
  const [proxy, nobody] = [await serveDante(run), run.port()];
  const refusals: readonly (readonly [string, RegExp])[] = [
    [`socks5://alice:wrong@`, /E socks5 127\.0\.0\.1:\d+: login refused \(status \d+\)/],
    [`socks5://`, /E socks5 127\.0\.0\.1:\d+: connection not allowed by the rules of the proxy \(code 2\)/],
    [`socks5://alice:sesame@`, /E socks5 127\.0\.0\.1:\d+: connection refused \(code 5\) for 127\.0\.0\.1:\d+/],
    [`socks4://`, /E socks4 127\.0\.0\.1:\d+: request rejected or failed \(code 91\)/],
  ];
  for (const [start, stderr] of refusals) {
    await run.out(["-", `TCP:127.0.0.1:${nobody},via=${start}127.0.0.1:${proxy}`], { code: 1, stderr });
  }
}, { skip: noDanted });

acceptance("interop", "a chain of tinyproxy and Dante", async (run) => {
  const [http, socks, target] = [await serveTinyproxy(run), await serveDante(run), echoServer(run)];
  const via = `via=http://u:secret@127.0.0.1:${http},via=socks5://alice:sesame@127.0.0.1:${socks}`;
  assertEquals(await answered(run, ["-", `TCP:localhost:${target},${via},shut-none`], "both\n"), "both\n");
}, { skip: noTinyproxy ?? noDanted });

async function serveHaproxy(run: Run, port: number, rules: readonly string[]): Promise<void> {
  const file = run.path(`haproxy-${port}.cfg`);
  const head = ["defaults", "  timeout connect 5s", "  timeout client 30s", "  timeout server 30s"];
  await Deno.writeTextFile(file, `${[...head, ...rules].join("\n")}\n`);
  await run.serve(["-f", file], { tcp: port }, { program: haproxy, stderr: "any" });
}

for (const option of ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]) {
  acceptance("interop", `our listener takes the client from HAProxy's ${option}`, async (run) => {
    const [front, back] = [run.port(), run.port()];
    await run.serve([`TCP-L:${back},fork,accept-proxy=require`, "SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_PEERPORT; cat'"], {
      tcp: back,
    });
    await serveHaproxy(run, front, [
      "listen x",
      "  mode tcp",
      `  bind 127.0.0.1:${front}`,
      `  unique-id-format %[uuid]`,
      `  server s 127.0.0.1:${back} ${option}`,
    ]);
    const peer = await connect(run, { tcp: front });
    const own = peer.conn.localAddr as Deno.NetAddr;
    await peer.send("hello");
    await peer.endWrite();
    assertEquals(await peer.restText(), `127.0.0.1 ${own.port}\nhello`);
  }, { skip: noHaproxy });
}

for (const version of [1, 2]) {
  acceptance("interop", `HAProxy takes the client from our proxy-protocol=${version}`, async (run) => {
    const [front, back] = [run.port(), run.port()];
    await serveHaproxy(run, back, [
      "frontend x",
      "  mode http",
      `  bind 127.0.0.1:${back} accept-proxy`,
      '  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst_port]"',
    ]);
    await run.serve([`TCP-L:${front},fork`, `TCP:127.0.0.1:${back},proxy-protocol=${version}`], { tcp: front });
    const peer = await connect(run, { tcp: front });
    const own = peer.conn.localAddr as Deno.NetAddr;
    await peer.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assertMatch(await peer.restText(), new RegExp(`\r\n\r\n127\\.0\\.0\\.1 ${own.port} ${front}$`));
  }, { skip: noHaproxy });
}

acceptance("interop", "HAProxy takes a client without addresses from our proxy-protocol", async (run) => {
  const back = run.port();
  await serveHaproxy(run, back, [
    "frontend x",
    "  mode http",
    `  bind 127.0.0.1:${back} accept-proxy`,
    '  http-request return status 200 content-type text/plain lf-string "%[src] %[dst_port]"',
  ]);
  const input = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  for (const version of [1, 2]) {
    const answer = await run.out(["-", `TCP:127.0.0.1:${back},proxy-protocol=${version}`], { input });
    assertMatch(answer, new RegExp(`\r\n\r\n127\\.0\\.0\\.1 ${back}$`));
  }
}, { skip: noHaproxy });
