// Interoperation with nginx and curl: HTTP through our relays, WebSocket on a UNIX socket.

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { acceptance, eventually, type Run } from "../e2e/harness.ts";
import { serveWebSockets } from "../e2e/peers.ts";
import { absent, curl, nginx } from "../e2e/programs.ts";
import { openHandles } from "../e2e/wait.ts";

const noNginx = absent("nginx");
const noCurl = absent("curl");
const skip = noNginx ?? noCurl;

/**
 * Starts nginx on a port and on a UNIX socket: `/` answers with a line, `/file` with a file of a megabyte, `/ws` passes
 * WebSockets on to `backendPort`.
 */
async function serveNginx(run: Run, backendPort = 1): Promise<{ port: number; path: string; file: Uint8Array }> {
  const port = run.port();
  const home = run.path("nginx");
  await Deno.mkdir(home);
  const file = new Uint8Array(2 ** 20).map((_, i) => (i * 7 + (i >> 8)) % 251);
  await Deno.writeFile(`${home}/file`, file);
  const path = `${home}/s`;
  await Deno.writeTextFile(
    `${home}/nginx.conf`,
    `daemon off; master_process off; pid ${home}/pid; error_log ${home}/error.log;
    events { worker_connections 256; }
    http {
      access_log off; client_max_body_size 20m;
      client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi;
      uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
      server {
        listen 127.0.0.1:${port}; listen unix:${path};
        location = / { return 200 "hello from nginx\\n"; }
        location = /file { root ${home}; }
        location /ws {
          proxy_pass http://127.0.0.1:${backendPort}; proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
        }
      }
    }`,
  );
  const args = ["-p", home, "-e", `${home}/error.log`, "-c", `${home}/nginx.conf`];
  await run.serve(args, { unix: path }, { program: nginx, stderr: "any" });
  return { port, path, file };
}

acceptance("interop", "curl fetches from nginx through TCP to TCP", async (run) => {
  const server = await serveNginx(run);
  const port = run.port();
  await run.serve([`TCP-L:${port},fork`, `TCP:127.0.0.1:${server.port}`], { tcp: port });
  const url = `http://127.0.0.1:${port}`;
  assertEquals(await run.out([`${url}/`, `${url}/`], { program: curl }), "hello from nginx\n".repeat(2));
  const child = run.spawn([`${url}/file`], { program: curl });
  await child.end();
  assertEquals(child.stdoutBytes, server.file);
}, { skip });

acceptance("interop", "curl fetches from nginx through TCP to UNIX and UNIX to TCP", async (run) => {
  const server = await serveNginx(run);
  const port = run.port();
  const path = run.path("s");
  const inner = await run.serve([`TCP-L:${port},fork`, `UNIX-CONNECT:${server.path}`], { tcp: port });
  const before = await openHandles(inner.pid);
  await run.serve([`UNIX-L:${path},fork`, `TCP:127.0.0.1:${port}`], { unix: path });
  const child = run.spawn(["--unix-socket", path, "http://nginx/file"], { program: curl });
  await child.end();
  assertEquals(child.stdoutBytes, server.file);
  // Otherwise the outer relay's end by a signal would cut the inner one's session.
  await eventually("the end of the session", async () => await openHandles(inner.pid) === before);
}, { skip });

acceptance("interop", "curl asks a WebSocket listener without upgrade and gets 426", async (run) => {
  const port = run.port();
  await run.serve([`ws-l:127.0.0.1:${port}/chat,fork`, "ECHO"], { tcp: port }, { stderr: "any" });
  const args = ["-o", "/dev/null", "-w", "%{http_code}", `http://127.0.0.1:${port}/chat`];
  assertEquals(await run.out(args, { program: curl }), "426");
}, { skip: noCurl });

acceptance("interop", "a raw HTTP request from standard input is answered in full", async (run) => {
  const server = await serveNginx(run);
  const input = "GET / HTTP/1.1\r\nHost: nginx\r\nConnection: close\r\n\r\n";
  const answer = await run.out(["-", `TCP:127.0.0.1:${server.port}`], { input });
  assertMatch(answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhello from nginx\n$/);
}, { skip: noNginx });

acceptance("interop", "WebSocket to nginx on a UNIX socket", async (run) => {
  const backendPort = run.port();
  const records = serveWebSockets(run, { port: backendPort });
  const server = await serveNginx(run, backendPort);
  const out = await run.out([`ws+unix://${server.path},path=/ws/x`], { input: "a\nb\n" });
  assertEquals(out, "a\nb\n");
  assertEquals(records.map((record) => record.messages), [["a", "b"]]);
  assertEquals(new URL(records[0]!.url).pathname, "/ws/x");
}, { skip: noNginx });

acceptance("interop", "nginx passes WebSockets on to our listener", async (run) => {
  const port = run.port();
  await run.serve([`ws-l:127.0.0.1:${port}/ws,fork`, "ECHO"], { tcp: port });
  const server = await serveNginx(run, port);
  assertEquals(await run.out([`ws://127.0.0.1:${server.port}/ws`], { input: "a\nb\n" }), "a\nb\n");
}, { skip: noNginx });
