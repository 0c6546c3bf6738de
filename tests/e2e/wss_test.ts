// Acceptance examples: WebSocket over TLS (E58, and what E48 to E56 say, over TLS).

// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { acceptance, eventually, patience, type Run } from "./harness.ts";
import { echo, serveStreams } from "./peers.ts";
import { absent, websocat } from "./programs.ts";
import { within } from "./wait.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";

const certificates = makeCertificates();
const skip = certificates === undefined ? noOpenssl : undefined;
const file = (name: string) => certificates!.path(name);
const cert = () => `cert=${file("server-both.pem")},verify=0`;
const trust = () => `cafile=${file("ca.pem")}`;

const skipWebsocat = skip ?? absent("websocat");

/** A connection with the runtime's own TLS. */
async function connectTls(run: Run, port: number): Promise<Deno.TlsConn> {
  const caCerts = [certificates!.text("ca.pem")];
  const conn = await Deno.connectTls({ hostname: "localhost", port, caCerts });
  let closed = false;
  run.defer(() => {
    if (!closed) conn.close();
    closed = true;
  });
  return conn;
}

/** The answer to an upgrade over TLS, up to the end of the connection or of the head. */
async function upgradeOverTls(run: Run, port: number, path: string): Promise<string> {
  const conn = await connectTls(run, port);
  const lines = [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  await conn.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"));
  let answer = "";
  const buffer = new Uint8Array(4096);
  while (!answer.includes("\r\n\r\n")) {
    const n = await within("the answer", conn.read(buffer));
    if (n === null) break;
    answer += new TextDecoder().decode(buffer.subarray(0, n));
  }
  return answer;
}

acceptance("E48", "lines become text messages and come back as lines, over TLS", async (run) => {
  const port = run.port();
  await run.serve([`WSS-LISTEN:127.0.0.1:${port},fork,${cert()}`, "ECHO"], { tcp: port });
  for (const address of [`wss://localhost:${port}/`, `WSS:localhost:${port}`, `ws+tls://localhost:${port}/x`]) {
    assertEquals(await run.out([`${address},${trust()}`], { input: "a\nb\n" }), "a\nb\n", address);
  }
}, { skip });

acceptance("E48", "the runtime's WebSocket is served over TLS", async (run) => {
  const port = run.port();
  const stderr = / E .*closed by peer, code 4001 \(application\): "enough"/;
  await run.serve([`wss-l:127.0.0.1:${port},fork,${cert()}`, "ECHO"], { tcp: port }, { stderr });
  using client = Deno.createHttpClient({ caCerts: [certificates!.text("ca.pem")] });
  const socket = new WebSocket(`wss://localhost:${port}/`, { client });
  socket.binaryType = "arraybuffer";
  const received: unknown[] = [];
  socket.onmessage = ({ data }) => received.push(data);
  await within("the opening", new Promise((resolve) => socket.onopen = resolve));
  const big = crypto.getRandomValues(new Uint8Array(60_000));
  socket.send("text");
  socket.send(big);
  await eventually("both answers", () => received.length === 2);
  assertEquals([received[0], new Uint8Array(received[1] as ArrayBuffer)], ["text", big]);
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  socket.close(4001, "enough");
  assertEquals((await within("the close", closed)).code, 4001);
}, { skip });

acceptance("interop", "websocat talks to WSS-LISTEN", async (run) => {
  const port = run.port();
  await run.serve([`wss-l:127.0.0.1:${port},fork,${cert()}`, "ECHO"], { tcp: port });
  const client = run.spawn(["-k", "-n", `wss://localhost:${port}/`], { program: websocat, openInput: true });
  await client.write("a\nb\n");
  await client.prints("a\nb\n");
  await client.endInput();
}, { skip: skipWebsocat });

acceptance("interop", "a WebSocket over TLS reaches websocat's server", async (run) => {
  const port = run.port();
  const identity = [`--pkcs12-der=${file("server.p12")}`, "--pkcs12-passwd=secret"];
  const args = ["-t", ...identity, `wss-l:127.0.0.1:${port}`, "mirror:"];
  await run.serve(args, { tcp: port }, { program: websocat, stderr: "any" });
  const client = run.spawn(["-", `wss://localhost:${port}/,${trust()}`], { openInput: true });
  await client.write("a\n");
  await client.prints("a\n");
  await client.endInput();
  await client.end();
}, { skip: skipWebsocat });

acceptance("E58", "headers of the command line reach a server over TLS", async (run) => {
  const port = run.port();
  const seen: Headers[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port,
    cert: certificates!.text("server.pem"),
    key: certificates!.text("server.key"),
    onListen() {},
  }, (request) => {
    seen.push(new Headers(request.headers));
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
  run.defer(() => server.shutdown());
  const url = `wss://localhost:${port}/,${trust()}`;
  const args = ["-H", "Authorization: Bearer t", "-H", "X-Second: 2", "-", url];
  assertEquals(await run.out(args, { input: "x\n" }), "x\n");
  const after = ["-", url, "-H", "Authorization: Bearer t", "--header=X-Second: 2"];
  assertEquals(await run.out(after, { input: "x\n" }), "x\n");
  for (const headers of seen) {
    assertEquals(headers.get("authorization"), "Bearer t");
    assertEquals(headers.get("x-second"), "2");
    assertEquals(headers.get("host"), `localhost:${port}`);
  }
  assertEquals(seen.length, 2);
}, { skip });

acceptance("E52", "with the backend down the upgrade over TLS is refused with 502", async (run) => {
  const port = run.port();
  const stderr = / E .*Connection refused/;
  const args = [`wss-l:127.0.0.1:${port},fork,${cert()}`, `tcp:127.0.0.1:${run.port()}`];
  const relay = await run.serve(args, { tcp: port }, { stderr });
  assertMatch(await upgradeOverTls(run, port, "/"), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  await relay.logs(stderr);
}, { skip });

acceptance("E51", "another path gets 404 over TLS, and the right one a relay to TCP", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  serveStreams(run, { tcp: backendPort }, echo);
  const stderr = / W .*answered 404 Not Found to "GET \/other"/;
  await run.serve([`wss-l:127.0.0.1:${port}/chat,fork,${cert()}`, `tcp:127.0.0.1:${backendPort}`], { tcp: port }, {
    stderr,
  });
  assertMatch(await upgradeOverTls(run, port, "/other"), /^HTTP\/1\.1 404 Not Found\r\n/);
  assertEquals(await run.out([`wss://localhost:${port}/chat,${trust()}`], { input: "a\n" }), "a\n");
}, { skip });

acceptance("E53", "a refused upgrade names the wss URL", async (run) => {
  const port = run.port();
  await run.serve([`wss-l:127.0.0.1:${port}/chat,fork,${cert()}`, "ECHO"], { tcp: port }, { stderr: "any" });
  const stderr = / E .*wss:\/\/localhost:\d+\/nope: server answered 404 Not Found instead of 101/;
  await run.spawn(["-", `wss://localhost:${port}/nope,${trust()}`], { code: 1, stderr }).end();
}, { skip });

acceptance("E43", "a server whose issuer is unknown is not spoken to over wss", async (run) => {
  const port = run.port();
  await run.serve([`wss-l:127.0.0.1:${port},fork,${cert()}`, "ECHO"], { tcp: port }, { stderr: "any" });
  const stderr = / E .*certificate verify failed for "localhost": /;
  await run.spawn(["-", `wss://localhost:${port}/`], { input: "secret\n", code: 1, stderr }).end();
}, { skip });

acceptance("E45", "WSS-LISTEN asks for a client's certificate", async (run) => {
  const port = run.port();
  const listener = `wss-l:127.0.0.1:${port},fork,cert=${file("server-both.pem")},${trust()},verify=1`;
  await run.serve([listener, "ECHO"], { tcp: port }, { stderr: / W .*TLS handshake with .* failed: / });
  const mine = `cert=${file("client.pem")},key=${file("client.key")}`;
  const url = `wss://localhost:${port}/,${trust()}`;
  assertEquals(await run.out([`${url},${mine}`], { input: "a\n" }), "a\n");
  await run.spawn(["-", url], { input: "a\n", code: 1, stderr: / E .*/ }).end();
}, { skip });

acceptance("E60", "a WebSocket runs over TLS over a UNIX socket", async (run) => {
  const path = run.path("s");
  await run.serve([`ws-u:tls:unix-l:${path},fork,${cert()}`, "ECHO"], { unix: path });
  const client = [`ws+tls+unix://${path},snihost=localhost,${trust()}`];
  assertEquals(await run.out(client, { input: "a\n" }), "a\n");
}, { skip });

acceptance("E47", "a caller that says nothing, or no TLS, delays nobody", async (run) => {
  const port = run.port();
  const listen = `wss-l:127.0.0.1:${port},fork,handshake-timeout=${patience},${cert()}`;
  const relay = await run.serve([listen, "ECHO"], { tcp: port }, { stderr: "any" });
  const silent = await Deno.connect({ port });
  const noTls = await Deno.connect({ port });
  const noHttp = await connectTls(run, port);
  try {
    await noTls.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    await noHttp.write(new TextEncoder().encode("GET"));
    assertEquals(await run.out([`wss://localhost:${port}/,${trust()}`], { input: "a\n" }), "a\n");
    await relay.logs(/ W .*TLS handshake with .* failed: /);
  } finally {
    silent.close();
    noTls.close();
  }
}, { skip });

acceptance("E55", "a WebSocket over TLS that breaks off is code 1006", async (run) => {
  const port = run.port();
  const server = await run.serve([`wss-l:127.0.0.1:${port},fork,${cert()}`, "ECHO"], { tcp: port });
  const stderr = / E .*wss:\/\/localhost:\d+\/: closed by peer, code 1006/;
  const client = run.spawn(["-", `wss://localhost:${port}/,${trust()}`], { openInput: true, code: 1, stderr });
  await client.write("a\n");
  await client.prints("a\n");
  server.kill("SIGKILL");
  await client.end();
}, { skip });
