// Interoperation with curl, nginx and HAProxy over HTTP, in both roles.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance, type Child, eventually, type Run, socat } from "../e2e/harness.ts";
import { absent, curl, haproxy, nginx } from "../e2e/programs.ts";
import { makeCertificates } from "../support/certificates.ts";

const noCurl = absent("curl");
const noNginx = noCurl ?? absent("nginx");
const noHaproxy = noCurl ?? absent("haproxy");
const noSocat = absent("socat");

const certificates = makeCertificates();

/** A listener that gives each request's body back. */
async function serveEcho(run: Run, options = ""): Promise<number> {
  const port = run.port();
  await run.serve([`http-l:127.0.0.1:${port}${options}`, "EXEC:cat"], { tcp: port });
  return port;
}

/** `length` bytes that no program mistakes for others. */
function pattern(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 7 + (i >> 8)) % 251);
}

async function fetched(run: Run, args: readonly string[], input?: string | Uint8Array): Promise<Uint8Array> {
  const child = run.spawn(args, { program: curl, input });
  await child.end();
  return child.stdoutBytes;
}

acceptance("interop", "curl posts a body with a length and in chunks, with and without Expect", async (run) => {
  const url = `http://127.0.0.1:${await serveEcho(run)}/`;
  const body = pattern(3_000_000);
  const file = run.path("body");
  await Deno.writeFile(file, body);
  assertEquals(await fetched(run, ["--http1.1", "--data-binary", `@${file}`, url]), body);
  assertEquals(await fetched(run, ["-H", "Expect: 100-continue", "--data-binary", `@${file}`, url]), body);
  assertEquals(await fetched(run, ["-H", "Expect:", "-T", "-", url], body), body);
  assertEquals(await fetched(run, ["-H", "Expect: 100-continue", "-X", "POST", "-T", "-", url], body), body);
}, { skip: noCurl });

acceptance("interop", "curl waits for 100 Continue and gets it", async (run) => {
  const url = `http://127.0.0.1:${await serveEcho(run)}/`;
  const args = ["-v", "--expect100-timeout", "15", "-H", "Expect: 100-continue", "-d", "body", url];
  const child = run.spawn(args, { program: curl, stderr: /< HTTP\/1\.1 100 Continue/ });
  const started = performance.now();
  await child.end();
  assertEquals(child.stdout, "body");
  assert(performance.now() - started < 10_000, "waited in vain");
}, { skip: noCurl });

acceptance("interop", "curl uses one connection for several requests", async (run) => {
  const url = `http://127.0.0.1:${await serveEcho(run)}/`;
  const args = ["-w", " %{num_connects}\n", "-d", "a", url, url, url];
  assertEquals(await run.out(args, { program: curl }), "a 1\na 0\na 0\n");
}, { skip: noCurl });

acceptance("interop", "curl asks with HEAD, with HTTP/1.0, for another path and with another method", async (run) => {
  const port = run.port();
  const stderr = [/ W .*answered 404 to "GET \/b"/, / W .*answered 405 to "TRACE \/a"/];
  await run.serve([`http-l:127.0.0.1:${port}/a`, "SYSTEM:echo hello"], { tcp: port }, { stderr });
  const url = `http://127.0.0.1:${port}/a`;
  assertMatch(await run.out(["--head", url], { program: curl }), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
  assertEquals(await run.out(["--http1.0", url], { program: curl }), "hello\n");
  assertEquals(await run.out(["--http1.0", "-d", "x", url], { program: curl }), "hello\n");
  const code = ["-o", "/dev/null", "-w", "%{http_code}"];
  assertEquals(await run.out([...code, `http://127.0.0.1:${port}/b`], { program: curl }), "404");
  assertEquals(await run.out([...code, "-X", "TRACE", url], { program: curl }), "405");
}, { skip: noCurl });

acceptance("interop", "curl speaks to HTTPS-LISTEN and keeps its connection", async (run) => {
  const port = run.port();
  const cert = `cert=${certificates!.path("server-both.pem")},verify=0`;
  await run.serve([`https-l:127.0.0.1:${port},${cert}`, "EXEC:cat"], { tcp: port });
  const url = `https://localhost:${port}/`;
  const args = ["--http1.1", "--cacert", certificates!.path("ca.pem"), "-w", " %{num_connects}\n", "-d", "a", url, url];
  assertEquals(await run.out(args, { program: curl }), "a 1\na 0\n");
}, { skip: noCurl ?? (certificates === undefined ? "openssl is not installed" : undefined) });

acceptance("interop", "socat's half-close after a request is no end of the answer", async (run) => {
  const port = run.port();
  await run.serve([`http-l:127.0.0.1:${port}`, "SYSTEM:sleep 0.3; echo late"], { tcp: port });
  const args = ["-t5", "-", `TCP:127.0.0.1:${port}`];
  const answer = await run.out(args, { program: socat, input: "GET / HTTP/1.1\r\nHost: h\r\n\r\n" });
  assertMatch(answer, /^HTTP\/1\.1 200 OK\r\n[^]*late\n/);
}, { skip: noSocat });

/** nginx: `/file` and `/upload` by itself, `/back/` passed on to `backendPort`. */
async function serveNginx(run: Run, backendPort: number): Promise<{ port: number; path: string; file: Uint8Array }> {
  const port = run.port();
  const home = run.path("nginx");
  await Deno.mkdir(home);
  const file = pattern(2 ** 20);
  await Deno.writeFile(`${home}/file`, file);
  const path = `${home}/s`;
  await Deno.writeTextFile(
    `${home}/nginx.conf`,
    `daemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
    events { worker_connections 256; }
    http {
      access_log off; client_max_body_size 20m; client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy;
      fastcgi_temp_path ${home}/fastcgi; uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
      gzip on; gzip_types *; gzip_min_length 1;
      upstream back { server 127.0.0.1:${backendPort}; keepalive 4; }
      server {
        listen 127.0.0.1:${port}; listen unix:${path};
        location = /file { root ${home}; }
        location = /moved { return 302 /file; }
        location /upload { root ${home}; dav_methods PUT; client_max_body_size 1k; }
        location /back/ {
          proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
        }
        location /old/ { proxy_pass http://back; proxy_http_version 1.0; }
      }
    }`,
  );
  const args = ["-p", home, "-e", `${home}/error.log`, "-c", `${home}/nginx.conf`];
  await run.serve(args, { unix: path }, { program: nginx, stderr: "any" });
  return { port, path, file };
}

acceptance("interop", "nginx in front of HTTP-LISTEN keeps its connections", async (run) => {
  const log = run.path("access");
  const backend = run.port();
  await run.serve([`--access-log=${log}`, `http-l:127.0.0.1:${backend}`, "EXEC:cat"], { tcp: backend });
  const { port } = await serveNginx(run, backend);
  const body = pattern(300_000);
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 3; i++) assertEquals(await fetched(run, ["--data-binary", "@-", `${url}/back/`], body), body);
  assertEquals(await fetched(run, ["-T", "-", `${url}/back/`], body), body);
  assertEquals(await fetched(run, ["--data-binary", "@-", `${url}/old/`], body), body);
  const sessions = await eventually("five sessions", async () => {
    const lines = (await Deno.readTextFile(log)).trim().split("\n");
    return lines.length === 5 ? lines : undefined;
  });
  const kept = sessions.filter((line) => line.includes(" path=/back/ "));
  const callers = new Set(kept.map((line) => / (\S+:\d+)" /.exec(line)![1]));
  assertEquals([kept.length, callers.size], [4, 1], sessions.join("\n"));
}, { skip: noNginx });

acceptance("interop", "HTTP fetches from nginx and puts to it", async (run) => {
  const server = await serveNginx(run, 1);
  const url = `http://127.0.0.1:${server.port}`;
  const child = run.spawn(["-U", "-", `${url}/file`]);
  await child.end();
  assertEquals(child.stdoutBytes, server.file);
  const overUnix = run.spawn(["-U", "-", `http+unix://${server.path},path=/file`]);
  await overUnix.end();
  assertEquals(overUnix.stdoutBytes, server.file);
  // What was asked for encoded comes encoded.
  const zipped = run.spawn(["-U", "-", `${url}/file`, "-H", "Accept-Encoding: gzip"]);
  await zipped.end();
  assertEquals([...zipped.stdoutBytes.subarray(0, 2)], [0x1f, 0x8b]);
  assertMatch(await run.out(["-U", "-d", "-d", "-", `${url}/moved`], { stderr: "any" }), /302 Found/);
  const stderr = / E .*server answered 413 Request Entity Too Large/;
  const args = ["-", `${url}/upload/x,method=PUT`];
  assertStringIncludes(await run.out(args, { input: "x".repeat(5000), code: 1, stderr }), "413");
}, { skip: noNginx });

/** HAProxy on a port of its own, in front of `backendPort`. */
async function serveHaproxy(run: Run, backendPort: number): Promise<number> {
  const port = run.port();
  const config = run.path("haproxy.cfg");
  await Deno.writeTextFile(
    config,
    `global
      maxconn 100
    defaults
      mode http
      timeout connect 5s
      timeout client 10s
      timeout server 10s
    frontend in
      bind 127.0.0.1:${port}
      default_backend out
    backend out
      http-reuse always
      server one 127.0.0.1:${backendPort}\n`,
  );
  await run.serve(["-db", "-f", config], { tcp: port }, { program: haproxy, stderr: "any" });
  return port;
}

acceptance("interop", "HAProxy in front of HTTP-LISTEN, and behind HTTP", async (run) => {
  const port = await serveHaproxy(run, await serveEcho(run));
  const url = `http://127.0.0.1:${port}/`;
  const body = pattern(300_000);
  for (const args of [["--data-binary", "@-"], ["-T", "-"], ["--http1.0", "--data-binary", "@-"]]) {
    assertEquals(await fetched(run, [...args, url], body), body);
  }
  const client: Child = run.spawn(["-", url], { input: body });
  await client.end();
  assertEquals(client.stdoutBytes, body);
}, { skip: noHaproxy });

acceptance("interop", "HAProxy's 503 is an error with its body", async (run) => {
  const port = await serveHaproxy(run, run.port());
  const stderr = / E .*server answered 503 Service Unavailable/;
  const out = await run.out(["-U", "-", `http://127.0.0.1:${port}/`], { code: 1, stderr });
  assertStringIncludes(out, "No server is available");
}, { skip: noHaproxy });
