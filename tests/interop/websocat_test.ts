// Interoperation with websocat, in both roles.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { answered } from "../e2e/answered.ts";
import { acceptance, eventually } from "../e2e/harness.ts";
import { echo, serveStreams } from "../e2e/peers.ts";
import { absent, websocat } from "../e2e/programs.ts";

const skip = absent("websocat");

acceptance("interop", "websocat sends lines to WS-LISTEN and prints the answers", async (run) => {
  const port = run.port();
  await run.serve([`WS-LISTEN:127.0.0.1:${port},fork`, "ECHO"], { tcp: port });
  const client = run.spawn(["-n", `ws://127.0.0.1:${port}/`], { program: websocat, openInput: true });
  await client.write("a\nb\n");
  await client.prints("a\nb\n");
  await client.endInput();
}, { skip });

acceptance("interop", "websocat sends binary through WS-LISTEN to TCP", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  serveStreams(run, { tcp: backendPort }, echo);
  await run.serve([`ws-l:127.0.0.1:${port},fork`, `tcp:127.0.0.1:${backendPort}`], { tcp: port });
  const data = crypto.getRandomValues(new Uint8Array(50_000));
  const args = ["-b", "-n", `ws://127.0.0.1:${port}/`];
  const client = run.spawn(args, { program: websocat, openInput: true, stderr: "any" });
  await client.write(data);
  await eventually("the answer", () => client.stdoutBytes.length >= data.length, { details: () => client.describe() });
  assertEquals(client.stdoutBytes, data);
}, { skip });

acceptance("interop", "a line goes to websocat's server and its line comes back", async (run) => {
  const port = run.port();
  const server = await run.serve(["-s", `127.0.0.1:${port}`], { tcp: port }, {
    program: websocat,
    openInput: true,
    stderr: "any",
  });
  const client = run.spawn([`ws://127.0.0.1:${port}/`], { openInput: true });
  await client.write("to the server\n");
  await server.prints("to the server\n");
  await server.write("to the client\n");
  await client.prints("to the client\n");
  await client.endInput();
  await client.end();
}, { skip });

acceptance("interop", "websocat's mirror answers each message of a chain of UDP and WebSocket", async (run) => {
  const port = run.port();
  const udp = run.port();
  await run.serve(["-b", `ws-l:127.0.0.1:${port}`, "mirror:"], { tcp: port }, { program: websocat, stderr: "any" });
  await run.serve([`udp-l:${udp},fork`, `ws:127.0.0.1:${port}`], { udp });
  assertEquals(await answered(run, ["-", `UDP:127.0.0.1:${udp}`], "ping"), "ping");
}, { skip });

acceptance("interop", "a close of websocat's server ends the client in order", async (run) => {
  const port = run.port();
  const args = ["-t", `ws-l:127.0.0.1:${port}`, "literal:bye"];
  await run.serve(args, { tcp: port }, { program: websocat, stderr: "any" });
  const client = run.spawn(["-u", `ws://127.0.0.1:${port}/`, "-"]);
  await client.end();
  assert(client.stdout.startsWith("bye"), client.describe());
}, { skip });

acceptance("interop", "literalreply: answers each message, as websocat's does", async (run) => {
  for (const program of [undefined, websocat]) {
    const port = run.port();
    const words = [`ws-l:127.0.0.1:${port}`, 'literalreply:{"status":"OK"}'];
    await run.serve(program ? ["-t", ...words] : words, { tcp: port }, program ? { program, stderr: "any" } : {});
    const client = run.spawn(["-n", `ws://127.0.0.1:${port}/`], { program: websocat, openInput: true, stderr: "any" });
    await client.write("a\n");
    await client.prints('{"status":"OK"}\n');
    await client.write("b\n");
    await client.prints('{"status":"OK"}\n{"status":"OK"}\n');
    await client.endInput();
  }
}, { skip });

acceptance("interop", "websocat's clients talk to --server, and hear what is typed", async (run) => {
  const port = run.port();
  const server = await run.serve(["--server", String(port)], { tcp: port }, { openInput: true });
  const args = ["-n", `ws://127.0.0.1:${port}/`];
  const clients = [1, 2].map(() => run.spawn(args, { program: websocat, openInput: true }));
  for (const [i, client] of clients.entries()) {
    await client.write(`from ${i}\n`);
    await server.prints(`from ${i}\n`);
  }
  await server.write("to all\n");
  for (const client of clients) await client.prints("to all\n");
}, { skip });

acceptance("interop", "a session outlives restarts of websocat's server", async (run) => {
  const port = run.port();
  const serve = () => run.serve(["-t", `ws-l:127.0.0.1:${port}`, "mirror:"], { tcp: port }, { program: websocat });
  let server = await serve();
  const address = `autoreconnect:ws://127.0.0.1:${port}/,interval=0.1`;
  const client = run.spawn(["-", address], { openInput: true, stderr: "any" });
  for (let i = 0; i < 3; i++) {
    await client.write(`${i}\n`);
    await client.prints(`${i}\n`);
    server.kill("SIGKILL");
    await server.end();
    await eventually("the loss", () => client.stderr.match(/ W connection to .* lost /g)?.length === i + 1);
    server = await serve();
  }
  await client.write("last\n");
  await client.prints("last\n");
  assertEquals(client.stdout, "0\n1\n2\nlast\n");
  await client.endInput();
  await client.end();
}, { skip });
