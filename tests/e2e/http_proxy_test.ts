// HTTP to HTTP: a reverse proxy between real clients (curl, websocat) and a real server (nginx), and behind HAProxy.

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertLess, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { acceptance, eventually, type Run } from "./harness.ts";
import { connect, serveStreams } from "./peers.ts";
import { absent, curl, haproxy, nginx, websocat } from "./programs.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
import { patternBytes, settledAt } from "../support/streams.ts";

const noCurl = absent("curl");
const noNginx = noCurl ?? absent("nginx");
const noHaproxy = noNginx ?? absent("haproxy");
const noWebsocat = noNginx ?? absent("websocat");

const certificates = makeCertificates();
const file = patternBytes(5_000_000);

/** nginx with a file, uploads, odd statuses, what it was asked, and WebSockets that go on to `chatPort`. */
async function serveNginx(run: Run, chatPort = 9): Promise<number> {
  const port = run.port();
  const home = run.path("nginx");
  await Deno.mkdir(`${home}/put`, { recursive: true });
  // The worker may be another user.
  await Deno.chmod(run.dir, 0o755);
  await Deno.chmod(`${home}/put`, 0o777);
  await Deno.writeFile(`${home}/file`, file);
  await Deno.writeTextFile(
    `${home}/nginx.conf`,
    `daemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
    events { worker_connections 256; }
    http {
      access_log off; client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy;
      fastcgi_temp_path ${home}/fastcgi; uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
      server {
        listen 127.0.0.1:${port}; root ${home}; client_max_body_size 20m;
        location /asked {
          add_header Set-Cookie a; add_header Set-Cookie b;
          return 200 "$request_method $request_uri $http_host $http_x_forwarded_for $http_x_forwarded_proto";
        }
        location /nothing { return 204; }
        location /teapot { return 418 "short"; }
        location /moved { return 302 /file; }
        location /put/ { dav_methods PUT; }
        location /small/ { dav_methods PUT; client_max_body_size 1k; }
        location /chat {
          proxy_pass http://127.0.0.1:${chatPort}; proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
        }
      }
    }`,
  );
  const args = ["-p", home, "-e", `${home}/error.log`, "-c", `${home}/nginx.conf`];
  await run.serve(args, { tcp: port }, { program: nginx, stderr: "any" });
  return port;
}

/** l7mp in front of it; gives the beginning of URLs. */
async function serveProxy(run: Run, target: string, options: readonly string[] = []): Promise<string> {
  const port = run.port();
  await run.serve([...options, `HTTP-L:127.0.0.1:${port},fork`, target], { tcp: port });
  return `http://127.0.0.1:${port}`;
}

async function fetched(run: Run, args: readonly string[], input?: Uint8Array): Promise<Uint8Array> {
  const child = run.spawn(args, { program: curl, input });
  await child.end();
  return child.stdoutBytes;
}

acceptance("proxy", "request line, Host and who asked reach the server; status and header come back", async (run) => {
  const url = await serveProxy(run, `HTTP:127.0.0.1:${await serveNginx(run)}`);
  const host = url.slice("http://".length);
  const said = await run.out(["-i", `${url}/asked?a=b`], { program: curl });
  assertMatch(said, /^HTTP\/1\.1 200 OK\r\nServer: nginx[^]*\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n/);
  assertStringIncludes(said, `\r\n\r\nGET /asked?a=b ${host} 127.0.0.1 http`);
  const twice = ["-X", "OPTIONS", "-H", "X-Forwarded-For: 10.1.1.1", "-H", "X-Forwarded-Proto: https"];
  const again = await run.out([...twice, `${url}/asked`], { program: curl });
  assertEquals(again, `OPTIONS /asked ${host} 10.1.1.1, 127.0.0.1 https`);
  const status = ["-o", "/dev/null", "-w", "%{http_code} %header{content-length} %{redirect_url}"];
  for (
    const [path, expected] of [
      ["/teapot", "418 5 "],
      ["/nothing", "204  "],
      ["/absent", "404 153 "],
      ["/file", `200 ${file.length} `],
    ]
  ) {
    assertEquals(await run.out([...status, `${url}${path}`], { program: curl }), expected, path);
  }
  assertMatch(await run.out([...status, `${url}/moved`], { program: curl }), /^302 .*\/file$/);
  assertMatch(
    await run.out(["--head", `${url}/file`], { program: curl }),
    new RegExp(`^HTTP/1\\.1 200 OK\\r\\n[^]*Content-Length: ${file.length}\\r\\n`),
  );
  const etag = /ETag: (\S+)/.exec(await run.out(["--head", `${url}/file`], { program: curl }))![1]!;
  assertEquals(
    await run.out([...status, "-H", `If-None-Match: ${etag}`, `${url}/file`], { program: curl }),
    "304  ",
  );
}, { skip: noNginx });

acceptance(
  "proxy",
  "bodies of any size go both ways, with a length and in chunks, with and without Expect",
  async (run) => {
    const url = await serveProxy(run, `HTTP:127.0.0.1:${await serveNginx(run)}`);
    assertEquals(await fetched(run, [`${url}/file`]), file);
    assertEquals(await fetched(run, ["--http1.0", `${url}/file`]), file);
    assertEquals(await fetched(run, ["-r", "100-199", `${url}/file`]), file.subarray(100, 200));
    const input = run.path("input");
    await Deno.writeFile(input, file);
    for (const [i, args] of [["-T", input], ["-T", "-"], ["-H", "Expect:", "-T", "-"]].entries()) {
      await fetched(run, ["--fail", ...args, `${url}/put/${i}`], args.includes("-") ? file : undefined);
      assertEquals(await Deno.readFile(run.path(`nginx/put/${i}`)), file, args.join(" "));
    }
  },
  { skip: noNginx },
);

acceptance("proxy", "an upload that the server refuses early gets the server's answer", async (run) => {
  const port = run.port();
  const target = `HTTP:127.0.0.1:${await serveNginx(run)}`;
  await run.serve([`HTTP-L:127.0.0.1:${port},fork`, target], { tcp: port }, { stderr: "any" });
  for (
    const args of [["-T", "-"], ["-H", "Expect:", "-T", "-"], ["-H", "Expect:", "--data-binary", "@-", "-X", "PUT"]]
  ) {
    const child = run.spawn(["-w", "%{http_code}", "-o", "/dev/null", ...args, `http://127.0.0.1:${port}/small/x`], {
      program: curl,
      input: file,
    });
    await child.end();
    assertEquals(child.stdout, "413", args.join(" "));
  }
}, { skip: noNginx });

acceptance("proxy", "many requests share the caller's connection", async (run) => {
  const url = await serveProxy(run, `HTTP:127.0.0.1:${await serveNginx(run)}`);
  const urls = Array.from({ length: 50 }, (_, i) => `${url}/${i % 2 ? "asked" : "absent"}?${i}`);
  const said = await run.out(["-w", "%{num_connects}\n", "-o", "/dev/null", ...urls], { program: curl });
  // Only the first is thrown away by -o; the numbers stand between the others' bodies.
  assertEquals(said.match(/^\d+$|\d+(?=\n)/gm)?.filter((count) => count !== "0").length, 1, said);
}, { skip: noNginx });

acceptance(
  "proxy",
  "path, host and method of the connector, and the address in place of the caller's Host",
  async (run) => {
    const back = await serveNginx(run);
    const host = `127.0.0.1:${back}`;
    for (
      const [target, asked, expected] of [
        [`HTTP:${host}/asked`, "/", `GET /asked HOST 127.0.0.1 http`],
        [`http://${host}/asked`, "/x?y", `GET /asked/x?y HOST 127.0.0.1 http`],
        [`HTTP:${host},path=/asked?fixed`, "/x", `GET /asked?fixed HOST 127.0.0.1 http`],
        [`HTTP:${host},keep-host=0`, "/asked", `GET /asked ${host} 127.0.0.1 http`],
        [`HTTP:${host},host=inside`, "/asked", `GET /asked inside 127.0.0.1 http`],
        [`HTTP:${host},method=POST,forwarded=off`, "/asked", `POST /asked HOST  `],
        [`HTTP:${host},header="X-Forwarded-For: me"`, "/asked", `GET /asked HOST me http`],
      ] as const
    ) {
      const url = await serveProxy(run, target);
      const got = await run.out([`${url}${asked}`], { program: curl });
      assertEquals(got, expected.replace("HOST", url.slice("http://".length)), target);
    }
  },
  { skip: noNginx },
);

acceptance("proxy", "over TLS on either side, callers of a TLS listener asked for https", async (run) => {
  const [port, middle] = [run.port(), run.port()];
  const cert = `cert=${certificates!.path("server-both.pem")},verify=0`;
  await run.serve([`HTTPS-L:127.0.0.1:${middle},${cert}`, `HTTP:127.0.0.1:${await serveNginx(run)}`], { tcp: middle });
  const trust = `cafile=${certificates!.path("ca.pem")},snihost=localhost,commonname=localhost`;
  await run.serve([`HTTP-L:127.0.0.1:${port}`, `HTTPS:127.0.0.1:${middle},forwarded=off,${trust}`], { tcp: port });
  const got = await run.out([`http://127.0.0.1:${port}/asked`], { program: curl });
  assertEquals(got, `GET /asked 127.0.0.1:${port} 127.0.0.1 https`);
  assertEquals(await fetched(run, [`http://127.0.0.1:${port}/file`]), file);
}, { skip: noNginx ?? (certificates === undefined ? noOpenssl : undefined) });

acceptance("proxy", "behind HAProxy", async (run) => {
  const url = await serveProxy(run, `HTTP:127.0.0.1:${await serveNginx(run)}`);
  const port = run.port();
  const config = run.path("haproxy.cfg");
  await Deno.writeTextFile(
    config,
    `global
      maxconn 100
    defaults
      mode http
      option forwardfor
      timeout connect 50s
      timeout client 50s
      timeout server 50s
    frontend in
      bind 127.0.0.1:${port}
      default_backend out
    backend out
      http-reuse always
      server one ${url.slice("http://".length)}\n`,
  );
  await run.serve(["-db", "-f", config], { tcp: port }, { program: haproxy, stderr: "any" });
  const front = `http://127.0.0.1:${port}`;
  const asked = await run.out([`${front}/asked`], { program: curl });
  assertEquals(asked, `GET /asked 127.0.0.1:${port} 127.0.0.1, 127.0.0.1 http`);
  for (let i = 0; i < 3; i++) assertEquals(await fetched(run, [`${front}/file`]), file);
  await fetched(run, ["--fail", "-T", "-", `${front}/put/behind`], file);
  assertEquals(await Deno.readFile(run.path("nginx/put/behind")), file);
}, { skip: noHaproxy });

acceptance("proxy", "a WebSocket passes through to nginx and websocat, messages as they were", async (run) => {
  const chat = run.port();
  await run.serve(["-b", "-E", `ws-l:127.0.0.1:${chat}`, "mirror:"], { tcp: chat }, {
    program: websocat,
    stderr: "any",
  });
  const url = await serveProxy(run, `HTTP:127.0.0.1:${await serveNginx(run, chat)}`);
  const chatUrl = `${url.replace("http:", "ws:")}/chat`;
  const socket = new WebSocket(chatUrl);
  socket.binaryType = "arraybuffer";
  const next = () =>
    new Promise<Uint8Array>((resolve) => socket.onmessage = ({ data }) => resolve(new Uint8Array(data)));
  await new Promise((resolve, reject) => [socket.onopen, socket.onerror] = [resolve, reject]);
  for (const message of [patternBytes(5), patternBytes(60_000)]) {
    socket.send(message);
    assertEquals(await next(), message);
  }
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close(1000);
  await closed;
  const client = run.spawn(["-E", chatUrl], { program: websocat, openInput: true });
  await client.write("line\n");
  await eventually("the echo", () => client.stdout.includes("line\n"));
  await client.endInput();
  await client.end();
}, { skip: noWebsocat });

acceptance("proxy", "a WebSocket that the server refuses gets the server's answer", async (run) => {
  const url = await serveProxy(run, `HTTP:127.0.0.1:${await serveNginx(run)}`);
  const wish = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-w", "%{http_code} %{num_connects}\n"];
  const said = await run.out([...wish, "-o", "/dev/null", `${url}/absent`, "-o", "/dev/null", `${url}/asked`], {
    program: curl,
  });
  assertEquals(said, "404 1\n200 0\n");
}, { skip: noNginx });

acceptance("proxy", "no server is 502, a silent one 504, one that cuts its answer is a cut", async (run) => {
  const [port, silent, cut] = [run.port(), run.port(), run.port()];
  const code = ["-o", "/dev/null", "-w", "%{http_code}"];
  const refused = / E .*Connection refused/;
  await run.serve([`HTTP-L:127.0.0.1:${port},fork`, `HTTP:127.0.0.1:${run.port()}`], { tcp: port }, {
    stderr: refused,
  });
  assertEquals(await run.out([...code, `http://127.0.0.1:${port}/`], { program: curl }), "502");
  serveStreams(run, { tcp: silent }, async (peer) => void await peer.rest().catch(() => {}));
  const late = run.port();
  await run.serve(["-t0.3", `HTTP-L:127.0.0.1:${late},fork`, `HTTP:127.0.0.1:${silent}`], { tcp: late }, {
    stderr: / E .*no answer for 0\.3 s/,
  });
  assertEquals(await run.out([...code, `http://127.0.0.1:${late}/`], { program: curl }), "504");
  serveStreams(run, { tcp: cut }, async (peer) => {
    await peer.text(10);
    await peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  });
  const cutting = run.port();
  await run.serve([`HTTP-L:127.0.0.1:${cutting},fork`, `HTTP:127.0.0.1:${cut}`], { tcp: cutting }, {
    stderr: / E .*(the last chunk is missing|reset by peer)/,
  });
  const peer = await connect(run, { tcp: cutting });
  await peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await assertRejects(() => peer.rest(), Deno.errors.ConnectionReset);
}, { skip: noCurl });

/** Starts l7mp with a configuration. */
async function serveConfig(run: Run, port: number, yaml: string): Promise<void> {
  const path = run.path("l7mp.yaml");
  await Deno.writeTextFile(path, yaml);
  await run.serve(["-c", path], { tcp: port }, { stderr: "any" });
}

acceptance("i-33", "clusters of HTTP: rewritten requests, and the statuses of what goes wrong (i-29)", async (run) => {
  const port = run.port();
  const back = await serveNginx(run);
  const rule = (path: string, action: string) =>
    `\n      - {match: {op: starts, path: /HTTP/url/path, value: ${path}}, action: ${action}}`;
  const endpoint = "endpoints: [{spec: {address: 127.0.0.1}}]";
  await serveConfig(
    run,
    port,
    `listeners:
  - name: web
    spec: {protocol: HTTP, address: 127.0.0.1, port: ${port}}
    rules:` +
      rule("/deny", "{deny: {status: 403, reason: not for you}}") +
      rule("/lost", "{route: nowhere}") +
      rule("/dead", `{route: {destination: {spec: {protocol: HTTP, port: ${run.port()}}, ${endpoint}}}}`) +
      rule("/empty", `{route: {destination: {spec: {protocol: HTTP, port: ${back}}}}}`) +
      rule(
        "/old",
        `{rewrite: [{path: /HTTP/url/path, value: "asked?new"}, {path: /HTTP/headers/host, value: inside},
          {path: /HTTP/headers/x-forwarded-for, value: 9.9.9.9}], route: {destination: back}}`,
      ) +
      rule("/asked", `{route: {destination: back, retry: {retry_on: always, num_retries: 3, timeout: 15000}}}`) +
      `
clusters:
  - {name: back, spec: {protocol: HTTP, port: ${back}}, ${endpoint}}
`,
  );
  const url = `http://127.0.0.1:${port}`;
  const code = ["-w", " %{http_code}"];
  for (
    const [path, expected] of [
      ["/deny", /"content":"not for you"\}\n 403$/],
      ["/lost", / 404$/],
      ["/nothing-matches", / 404$/],
      ["/dead", / 502$/],
      ["/empty", / 503$/],
      ["/old", /^GET \/asked\?new inside 9\.9\.9\.9, 127\.0\.0\.1 http 200$/],
      ["/asked", /^GET \/asked 127\.0\.0\.1:\d+ 127\.0\.0\.1 http 200$/],
    ] as const
  ) {
    assertMatch(await run.out([...code, `${url}${path}`], { program: curl }), expected, path);
  }
}, { skip: noNginx });

acceptance(
  "i-31",
  "a cluster of WebSockets is asked for the caller's path, and a path gets 404 where it should",
  async (run) => {
    const [port, back] = [run.port(), run.port()];
    const heads: string[] = [];
    serveStreams(run, { tcp: back }, async (peer) => {
      let head = "";
      while (!head.endsWith("\r\n\r\n")) head += await peer.text(1);
      heads.push(head);
      await peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    await serveConfig(
      run,
      port,
      `listeners:
  - name: chat
    spec: {protocol: WebSocket, address: 127.0.0.1, port: ${port}, path: /chat}
    rules:
      - action: {route: {destination: {spec: {protocol: WebSocket, port: ${back}}, endpoints: [{spec: {address: 127.0.0.1}}]}}}
`,
    );
    const wish = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"];
    const key = ["-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-H", "X-Team: blue"];
    const code = ["-o", "/dev/null", "-w", "%{http_code}"];
    const asked = async (path: string) =>
      await run.out([...wish, ...key, ...code, `http://127.0.0.1:${port}${path}`], { program: curl });
    assertEquals(await asked("/other"), "404");
    assertEquals(heads.length, 0);
    assertEquals(await asked("/chat?room=1"), "502");
    assertMatch(heads[0]!, /^GET \/chat\?room=1 HTTP\/1\.1\r\n/);
    assertMatch(heads[0]!, new RegExp(`^Host: 127\\.0\\.0\\.1:${back}\r$`, "m"));
    assertMatch(heads[0]!, /^x-team: blue\r$/im);
  },
  { skip: noCurl },
);

acceptance("i-33", "a listener with a path answers others with 404", async (run) => {
  const port = run.port();
  await run.serve([`HTTP-L:127.0.0.1:${port}/asked,fork`, `HTTP:127.0.0.1:${await serveNginx(run)}`], { tcp: port }, {
    stderr: / W .*answered 404 to "GET \/file"/,
  });
  const code = ["-o", "/dev/null", "-w", "%{http_code}"];
  assertEquals(await run.out([...code, `http://127.0.0.1:${port}/asked?x`], { program: curl }), "200");
  assertEquals(await run.out([...code, `http://127.0.0.1:${port}/file`], { program: curl }), "404");
}, { skip: noNginx });

acceptance("proxy", "requests that could be read in two ways do not reach the server", async (run) => {
  const back = run.port();
  let calls = 0;
  serveStreams(run, { tcp: back }, async (peer) => {
    calls++;
    await peer.rest().catch(() => {});
  });
  const port = run.port();
  await run.serve([`HTTP-L:127.0.0.1:${port},fork`, `HTTP:127.0.0.1:${back}`], { tcp: port }, { stderr: "any" });
  for (
    const [lines, status] of [
      ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
      ["Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400],
      ["Content-Length: +5\r\n\r\nhello", 400],
      ["Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400],
      ["Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400],
      ["Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400],
      ["X: a\r\n b\r\n\r\n", 400],
      ["Host: other\r\n\r\n", 400],
    ] as const
  ) {
    const peer = await connect(run, { tcp: port });
    await peer.send(`POST / HTTP/1.1\r\nHost: h\r\n${lines}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n`);
    await peer.endWrite();
    assertMatch(await peer.restText(), new RegExp(`^HTTP/1\\.1 ${status} (?![^]*HTTP/1)`), lines);
    peer.close();
  }
  assertEquals(calls, 0);
});

acceptance("proxy", "a slow reader and a slow server hold the other side back", async (run) => {
  const back = run.port();
  let sent = 0;
  const release = Promise.withResolvers<void>();
  run.defer(() => release.resolve());
  const block = patternBytes(65_536);
  serveStreams(run, { tcp: back }, async (peer) => {
    const head = await peer.text(4);
    if (head.startsWith("PUT")) return await release.promise;
    await peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${2 ** 33}\r\n\r\n`);
    for (;;) {
      await peer.send(block);
      sent += block.length;
    }
  });
  const port = run.port();
  await run.serve([`HTTP-L:127.0.0.1:${port},fork`, `HTTP:127.0.0.1:${back}`], { tcp: port }, { stderr: "any" });
  const reader = await connect(run, { tcp: port });
  await reader.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const writer = await connect(run, { tcp: port });
  await writer.send(`PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: ${2 ** 33}\r\n\r\n`);
  let written = 0;
  const writing = (async () => {
    for (;;) {
      await writer.send(block);
      written += block.length;
    }
  })().catch(() => {});
  await eventually("both to begin", () => sent > 0 && written > 0);
  await settledAt(() => sent + written, 300);
  // The kernel's buffers on the way take some megabytes.
  assertLess(Math.max(sent, written), 32 * 2 ** 20);
  release.resolve();
  await writing;
  reader.close();
  writer.close();
});
