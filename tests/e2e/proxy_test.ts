// Acceptance examples: connections through proxies (E61 to E63), and the PROXY protocol.

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { createServer } from "node:net";
import { acceptance, patience, type Run } from "./harness.ts";
import { connect, echo, serveStreams, serveWebSockets } from "./peers.ts";
import { serveHttpProxy, serveSocks4, serveSocks5 } from "./proxies.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
import { descriptors, eventually } from "./wait.ts";

const certificates = makeCertificates();
const noCertificates = certificates === undefined ? noOpenssl : undefined;

/** A TCP server that sends everything back. */
function echoServer(run: Run): number {
  const port = run.port();
  serveStreams(run, { tcp: port }, echo);
  return port;
}

acceptance("E61", "PROXY asks an HTTP proxy with a password", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  const requests = serveHttpProxy(run, { port, login: "u:p" });
  const address = `PROXY:127.0.0.1:127.0.0.1:${target},proxyport=${port},proxyauth=u:p`;
  assertEquals(await run.out(["-", address], { input: "a" }), "a");
  assertEquals(requests.length, 1);
  assertEquals(requests[0]!.login, "Basic dTpw");
  assertMatch(requests[0]!.line!, new RegExp(`^CONNECT 127\\.0\\.0\\.1:${target} HTTP/1\\.[01]$`));
}, { socat: "any" });

acceptance("E61", "a 407 names the options", async (run) => {
  const port = run.port();
  serveHttpProxy(run, { port, login: "u:p" });
  const wanted = new RegExp(
    `E proxy 127\\.0\\.0\\.1:${port}: 407 Proxy Authentication Required \\(CONNECT host:443\\); ` +
      "proxy needs authentication; use proxyauth= or via=http://user:pass@",
  );
  await run.out(["-", `PROXY:127.0.0.1:host:443,proxyport=${port}`], { code: 1, stderr: wanted });
});

acceptance("E62", "SOCKS4A leaves the name to the proxy and tells the user id", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  const requests = serveSocks4(run, { port, route: () => target });
  const address = `SOCKS4A:127.0.0.1:name.example:80,socksport=${port},socksuser=nobody`;
  assertEquals(await run.out(["-", address], { input: "a" }), "a");
  assertEquals(requests, [{ target: "name.example:80", login: "nobody" }]);
}, { socat: "any" });

acceptance("E62", "SOCKS5 leaves the name to the proxy", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  const requests = serveSocks5(run, { port, route: () => target });
  assertEquals(await run.out(["-", `SOCKS5:127.0.0.1:${port}:name.example:80`], { input: "a" }), "a");
  assertEquals(requests, [{ target: "name.example:80", login: "" }]);
}, { socat: "1.8" });

acceptance("E62", "SOCKS4 resolves the name itself, and its user id is that of the environment", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  const requests = serveSocks4(run, { port });
  const address = `SOCKS4:127.0.0.1:localhost:${target},socksport=${port}`;
  assertEquals(await run.out(["-", address], { input: "a", env: { LOGNAME: "somebody" } }), "a");
  assertEquals(requests, [{ target: `127.0.0.1:${target}`, login: "somebody" }]);
}, { socat: "any" });

acceptance("E62", "SOCKS5 logs in", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  const requests = serveSocks5(run, { port, login: "me:secret" });
  const address = (password: string) =>
    `SOCKS5:127.0.0.1:${port}:127.0.0.1:${target},socksuser=me,sockspass=${password}`;
  assertEquals(await run.out(["-", address("secret")], { input: "a" }), "a");
  assertEquals(requests, [{ target: `127.0.0.1:${target}`, login: "me:secret" }]);
  await run.out(["-", address("wrong")], {
    code: 1,
    stderr: /E socks5 127\.0\.0\.1:\d+: login refused \(status 1\); /,
  });
});

acceptance("E63", "--via carries TLS and WebSocket, and the certificate is the server's", async (run) => {
  const [target, port] = [run.port(), run.port()];
  const requests = serveSocks5(run, { port, login: "u:p", route: () => target });
  const cert = `cert=${certificates!.path("server-both.pem")},verify=0`;
  await run.serve([`WSS-LISTEN:127.0.0.1:${target},fork,${cert}`, "ECHO"], { tcp: target }, { stderr: "any" });
  const words = (host: string) => [
    `--via=socks5://u:p@127.0.0.1:${port}`,
    "-",
    `wss://${host}:${target}/,cafile=${certificates!.path("ca.pem")}`,
  ];
  assertEquals(await run.out(words("localhost"), { input: "a\nb\n" }), "a\nb\n");
  // The scripted proxy leads every name to the same server, whose certificate is for localhost.
  const stderr = / E certificate is valid but its name does not match "name\.example"/;
  await run.out(words("name.example"), { code: 1, stderr });
  assertEquals(requests.map(({ target }) => target), [`localhost:${target}`, `name.example:${target}`]);
}, { skip: noCertificates });

acceptance("via", "the proxy itself may be reached by TLS", async (run) => {
  const [target, port, secure] = [echoServer(run), run.port(), run.port()];
  const requests = serveHttpProxy(run, { port, login: "u:p" });
  const cert = `cert=${certificates!.path("server-both.pem")},verify=0`;
  await run.serve([`OPENSSL-LISTEN:${secure},fork,${cert}`, `TCP:127.0.0.1:${port}`], { tcp: secure }, {
    stderr: "any",
  });
  const layered = `httpconnect+tls://u:p@localhost:${secure}/127.0.0.1:${target},cafile=${
    certificates!.path("ca.pem")
  }`;
  assertEquals(await run.out(["-", layered], { input: "a" }), "a");
  const via = `TCP:127.0.0.1:${target},via=https://u:p@localhost:${secure}`;
  assertEquals(await run.out(["-k", "-", via], { input: "b", stderr: / W / }), "b");
  await run.out(["-", via], { code: 1, stderr: / E certificate verify failed for "localhost"/ });
  assertEquals(requests.length, 2);
}, { skip: noCertificates });

acceptance("via", "a chain goes through every proxy in order, and the last one gets the name", async (run) => {
  const target = echoServer(run);
  const [first, second, third] = [run.port(), run.port(), run.port()];
  const http = serveHttpProxy(run, { port: first, login: "u:p w" });
  const socks5 = serveSocks5(run, { port: second });
  const socks4 = serveSocks4(run, { port: third, route: () => target });
  const via = [`http://u:p%20w@127.0.0.1:${first}`, `socks5://127.0.0.1:${second}`, `socks4a://me@127.0.0.1:${third}`];
  const address = ["TCP:name.example:80", ...via.map((url) => `via=${url}`)].join(",");
  assertEquals(await run.out(["-", address], { input: "through three" }), "through three");
  assertEquals(http.map(({ target }) => target), [`127.0.0.1:${second}`]);
  assertEquals(socks5.map(({ target }) => target), [`127.0.0.1:${third}`]);
  assertEquals(socks4, [{ target: "name.example:80", login: "me" }]);
});

acceptance("via", "--via is the default of every outgoing connection; via=none opts out", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  const requests = serveSocks5(run, { port, login: "u:p" });
  const via = `--via=socks5://u:p@127.0.0.1:${port}`;
  assertEquals(await run.out([via, "-", `TCP:127.0.0.1:${target}`], { input: "a" }), "a");
  assertEquals(requests.length, 1);
  assertEquals(await run.out([via, "-", `TCP:127.0.0.1:${target},via=none`], { input: "b" }), "b");
  assertEquals(requests.length, 1);
});

acceptance("via", "proxies of the environment count with --via=env only", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  const requests = serveHttpProxy(run, { port });
  const env = { ALL_PROXY: `127.0.0.1:${port}`, all_proxy: "", NO_PROXY: "*" };
  assertEquals(await run.out(["-", `TCP:127.0.0.1:${target}`], { input: "a", env }), "a");
  assertEquals(requests.length, 0);
  assertEquals(await run.out(["--via=env", "-", `TCP:127.0.0.1:${target}`], { input: "a", env }), "a");
  assertEquals(requests.length, 1);
});

acceptance("via", "a WebSocket runs through a proxy, named as the server was written", async (run) => {
  const [target, port] = [run.port(), run.port()];
  const records = serveWebSockets(run, { port: target });
  const requests = serveSocks5(run, { port, route: () => target });
  const address = `ws://name.example:8080/chat,via=socks5://127.0.0.1:${port}`;
  assertEquals(await run.out([address], { input: "one\ntwo\n" }), "one\ntwo\n");
  assertEquals(requests.map(({ target }) => target), ["name.example:8080"]);
  assertEquals(records[0]!.headers.get("host"), "name.example:8080");
  assertEquals(records[0]!.messages, ["one", "two"]);
});

acceptance("via", "a megabyte passes both ways, and half-close does too", async (run) => {
  const [target, port, listen] = [echoServer(run), run.port(), run.port()];
  serveHttpProxy(run, { port });
  await run.serve([`TCP-L:${listen},fork`, `TCP:127.0.0.1:${target},via=http://127.0.0.1:${port}`], { tcp: listen });
  const peer = await connect(run, { tcp: listen });
  const data = new Uint8Array(1 << 20).map((_, i) => (i * 7) ^ (i >> 8));
  const [answer] = await Promise.all([peer.rest(), peer.send(data).then(() => peer.endWrite())]);
  assertEquals(answer.length, data.length);
  assertEquals(answer.every((byte, i) => byte === data[i]), true);
});

for (
  const [what, address, wanted] of [
    ["HTTP", "TCP:host:443,via=http://", "proxy 127.0.0.1:PORT: 403 Forbidden (CONNECT host:443)"],
    ["SOCKS5", "TCP:host:443,via=socks5://", "socks5 127.0.0.1:PORT: host unreachable (code 4) for host:443"],
    [
      "SOCKS4A",
      "TCP:host:443,via=socks4a://",
      "socks4 127.0.0.1:PORT: request rejected or failed (code 91) for host:443",
    ],
  ] as const
) {
  acceptance("via", `a refusal of a proxy (${what}) ends its session, and the listener lives`, async (run) => {
    const [port, listen] = [run.port(), run.port()];
    const servers = { HTTP: serveHttpProxy, SOCKS5: serveSocks5, SOCKS4A: serveSocks4 };
    const answers = { HTTP: "403 Forbidden", SOCKS5: "4", SOCKS4A: "91" };
    const requests = servers[what](run, { port, route: () => answers[what] });
    const message = wanted.replace("PORT", String(port)).replaceAll(/[.()]/g, "\\$&");
    const stderr = [new RegExp(` E ${message} \\(upstream; `), new RegExp(` E ${message} \\(upstream; `)];
    const relay = await run.serve([`TCP-L:${listen},fork`, `${address}127.0.0.1:${port}`], { tcp: listen }, { stderr });
    for (const count of [1, 2]) {
      const peer = await connect(run, { tcp: listen });
      await peer.rest().catch(() => {});
      assertEquals(requests.length, count);
    }
    await relay.logs(stderr[1]!);
  });
}

/** How a proxy can fail in its handshake, and what is said of it after its name. */
const faults: readonly (readonly [what: string, first: string | undefined, end: "close" | "wait", message: RegExp])[] =
  [
    ["vanishes", undefined, "close", /: connection closed before the answer was complete/],
    ["vanishes within its answer", "\x05", "close", /: connection closed before the answer was complete/],
    ["sends garbage", "SSH-2.0-x\r\n\r\n", "wait", /: (malformed status line|version 83 instead of)/],
    [
      "says nothing",
      undefined,
      "wait",
      /Connection timed out after 0\.5 s \(connect-timeout\), step: (httpconnect|socks\da?)/,
    ],
  ];
for (const scheme of ["http", "socks5", "socks4a"]) {
  for (const [what, first, end, message] of faults) {
    if (first === "\x05" && scheme !== "socks5") continue;
    acceptance("via", `a ${scheme} proxy that ${what} is told`, async (run) => {
      const port = run.port();
      let left = false;
      serveStreams(run, { tcp: port }, async (peer) => {
        await peer.text(2);
        if (first !== undefined) await peer.send(first);
        if (end === "close") return;
        await peer.rest().catch(() => {});
        left = true;
      });
      const address = `TCP:host:80,via=${scheme}://127.0.0.1:${port},connect-timeout=${
        what === "says nothing" ? 0.5 : patience
      }`;
      const child = run.spawn(["-", address], { openInput: true, code: 1, stderr: message });
      await child.end();
      if (end === "wait") await eventually("the end of our connection", () => left);
    });
  }
}

acceptance("via", "a proxy that resets the connection in the handshake is told", async (run) => {
  const port = run.port();
  // The runtime's own sockets cannot reset a connection.
  const server = createServer((socket) => void socket.once("data", () => socket.resetAndDestroy()));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  run.defer(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  const stderr = /E proxy 127\.0\.0\.1:\d+: (read|write)\(AF=2 127\.0\.0\.1:\d+\): Connection reset by peer/;
  await run.spawn(["-", `TCP:host:80,via=http://127.0.0.1:${port}`], { openInput: true, code: 1, stderr }).end();
});

acceptance("via", "sessions that proxies refuse leave nothing behind", async (run) => {
  const [port, listen] = [run.port(), run.port()];
  const requests = serveHttpProxy(run, { port, route: () => "503 Busy" });
  const args = [`TCP-L:${listen},fork`, `TCP:host:80,via=http://127.0.0.1:${port}`];
  const relay = await run.serve(args, { tcp: listen }, { stderr: "any" });
  const call = async () => {
    using peer = await connect(run, { tcp: listen });
    await peer.rest().catch(() => {});
  };
  await call();
  const before = (await descriptors(relay.pid)).length;
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 5 }, call));
  assertEquals(requests.length, 101);
  await eventually("the descriptors as before", async () => (await descriptors(relay.pid)).length <= before);
});

acceptance("via", "a file may hold the proxy's password", async (run) => {
  const [target, port] = [echoServer(run), run.port()];
  serveHttpProxy(run, { port, login: "u:p w" });
  await Deno.writeTextFile(run.path("login"), "u:p w\n");
  const address = (file: string) =>
    `PROXY:127.0.0.1:${port}:127.0.0.1:${target},proxy-authorization-file=${run.path(file)},http-version=1.0`;
  assertEquals(await run.out(["-", address("login")], { input: "a" }), "a");
  const stderr = /E proxy-authorization-file: open\("[^"]*\/nowhere", O_RDONLY\): No such file or directory/;
  await run.out(["-", address("nowhere")], { code: 1, stderr });
});

acceptance("via", "HTTP goes through a proxy as everything does", async (run) => {
  const [target, port] = [run.port(), run.port()];
  const server = Deno.serve({ hostname: "127.0.0.1", port: target, onListen() {} }, (request) => {
    return new Response(`${request.headers.get("host")} ${new URL(request.url).pathname}\n`);
  });
  run.defer(() => server.shutdown());
  const requests = serveSocks4(run, { port, route: () => target });
  const via = `via=socks4a://127.0.0.1:${port}`;
  assertEquals(await run.out(["-U", "-", `http://name.example/file,${via}`]), "name.example /file\n");
  assertEquals(requests.map(({ target }) => target), ["name.example:80"]);
});

acceptance("via", "a proxy that sends one byte a second does not outlive the limit", async (run) => {
  const port = run.port();
  serveStreams(run, { tcp: port }, async (peer) => {
    for (const byte of "HTTP/1.1 200 OK\r\n\r\n") {
      await peer.send(byte);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  });
  const address = `TCP:host:80,via=http://127.0.0.1:${port},connect-timeout=2.5`;
  const stderr = /E connect\(TCP:host:80\): Connection timed out after 2\.5 s \(connect-timeout\), step: httpconnect/;
  await run.spawn(["-", address], { openInput: true, code: 1, stderr }).end();
});

acceptance("via", "a proxy that is not there is refused by address", async (run) => {
  const port = run.port();
  const stderr = new RegExp(`E connect\\(AF=2 127\\.0\\.0\\.1:${port}\\): Connection refused`);
  await run.out(["-", `TCP:host:80,via=socks5://127.0.0.1:${port}`], { code: 1, stderr });
});

acceptance("PROXY protocol", "a listener takes the caller for whom the header speaks", async (run) => {
  const port = run.port();
  const args = [
    `TCP-L:${port},fork,accept-proxy`,
    "SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_PEERPORT $SOCAT_SOCKADDR; cat'",
  ];
  await run.serve(["-t", patience, "--access-log", ...args], { tcp: port }, { stderr: "any" });
  const peer = await connect(run, { tcp: port });
  await peer.send("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nhello");
  await peer.endWrite();
  assertEquals(await peer.restText(), "192.0.2.1 56324 192.0.2.2\nhello");
  const plain = await connect(run, { tcp: port });
  await plain.send("GET /");
  await plain.endWrite();
  assertMatch(await plain.restText(), /^127\.0\.0\.1 \d+ 127\.0\.0\.1\nGET \/$/);
});

acceptance("PROXY protocol", "range means the original client", async (run) => {
  const port = run.port();
  const stderr = [
    / W refusing connection from AF=2 198\.51\.100\.9:1 due to range option/,
    / W refusing connection from AF=2 127\.0\.0\.1:\d+ due to range option/,
  ];
  const args = [`TCP-L:${port},fork,range=192.0.2.0/24,accept-proxy`, "PIPE"];
  const relay = await run.serve(args, { tcp: port }, { stderr });
  const say = async (text: string) => {
    const peer = await connect(run, { tcp: port });
    await peer.send(text);
    await peer.endWrite();
    return await peer.restText().catch(() => "reset");
  };
  assertEquals(await say("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello"), "hello");
  await say("PROXY TCP4 198.51.100.9 192.0.2.2 1 2\r\nhello");
  await relay.logs(stderr[0]!);
  await say("hello");
  await relay.logs(stderr[1]!);
});

acceptance(
  "PROXY protocol",
  "accept-proxy=require refuses callers without a header, and the listener lives",
  async (run) => {
    const port = run.port();
    const stderr = / E accept-proxy from AF=2 127\.0\.0\.1:\d+: the connection does not begin with a PROXY header /;
    const relay = await run.serve([`TCP-L:${port},fork,accept-proxy=require`, "PIPE"], { tcp: port }, { stderr });
    const first = await connect(run, { tcp: port });
    await first.send("hello");
    assertEquals(await first.restText().catch(() => ""), "");
    await relay.logs(stderr);
    const second = await connect(run, { tcp: port });
    await second.send("PROXY UNKNOWN\r\nhello");
    await second.endWrite();
    assertEquals(await second.restText(), "hello");
  },
);

for (const [version, option] of [[1, "proxy-protocol=1"], [2, "proxy-protocol"]] as const) {
  acceptance(
    "PROXY protocol",
    `version ${version} tells the next relay who the client is, through a proxy too`,
    async (run) => {
      const [front, back, port] = [run.port(), run.port(), run.port()];
      const requests = serveSocks5(run, { port });
      await run.serve(
        [
          "-t",
          patience,
          `TCP-L:${back},fork,accept-proxy=require`,
          "SYSTEM:'echo $SOCAT_PEERADDR $SOCAT_PEERPORT; cat'",
        ],
        {
          tcp: back,
        },
      );
      const via = `via=socks5://127.0.0.1:${port}`;
      await run.serve([`TCP-L:${front},fork`, `TCP:127.0.0.1:${back},${option},${via}`], { tcp: front });
      const peer = await connect(run, { tcp: front });
      const own = peer.conn.localAddr as Deno.NetAddr;
      await peer.send("hello");
      await peer.endWrite();
      assertEquals(await peer.restText(), `127.0.0.1 ${own.port}\nhello`);
      assertEquals(requests.map(({ target }) => target), [`127.0.0.1:${back}`]);
    },
  );
}
