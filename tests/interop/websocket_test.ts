// WebSockets between l7mp, websocat, curl and Deno's own, beyond the two-way basics: UNIX sockets, refusals, ends.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { acceptance, eventually } from "../e2e/harness.ts";
import { serveWebSockets, upgrade } from "../e2e/peers.ts";
import { absent, curl, websocat } from "../e2e/programs.ts";

const skipWebsocat = absent("websocat");
const skipCurl = absent("curl");

acceptance("interop", "curl learns that there is no WebSocket at its path", async (run) => {
  const port = run.port();
  const stderr = / W .*answered 404 Not Found to "GET \/other"/;
  await run.serve([`ws-l:127.0.0.1:${port}/chat,fork`, "ECHO"], { tcp: port }, { stderr });
  const answer = await run.out(["-i", `http://127.0.0.1:${port}/other`], { program: curl });
  assertStringIncludes(answer, "HTTP/1.1 404 Not Found\r\n");
  assertStringIncludes(answer, "no WebSocket at this path");
}, { skip: skipCurl });

acceptance("interop", "curl's POST with a body gets its 426 and no reset", async (run) => {
  const port = run.port();
  const stderr = / W .*answered 426 Upgrade Required to "POST \/"/;
  await run.serve([`ws-l:127.0.0.1:${port},fork`, "ECHO"], { tcp: port }, { stderr });
  const body = "x".repeat(200_000);
  const args = ["-i", "-H", "Expect:", "--data-binary", "@-", `http://127.0.0.1:${port}/`];
  const answer = await run.out(args, { program: curl, input: body });
  assertStringIncludes(answer, "HTTP/1.1 426 Upgrade Required\r\n");
}, { skip: skipCurl });

acceptance("E60", "a WebSocket listener on a UNIX socket serves websocat and l7mp", async (run) => {
  const path = run.path("s");
  await run.serve([`ws-u:unix-l:${path},fork`, "ECHO"], { unix: path });
  assertEquals(await run.out([`ws+unix://${path}`], { input: "a\nb\n" }), "a\nb\n");
  if (skipWebsocat) return;
  const client = run.spawn(["-n", "-", `ws-c:unix:${path}`], { program: websocat, openInput: true });
  await client.write("one\n");
  await client.prints("one\n");
  await client.endInput();
});

acceptance("interop", "a relay between WebSockets keeps types and order", async (run) => {
  const port = run.port();
  const serverPort = run.port();
  const records = serveWebSockets(run, { port: serverPort });
  await run.serve([`ws-l:127.0.0.1:${port},fork`, `ws://127.0.0.1:${serverPort}/in`], { tcp: port });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  socket.binaryType = "arraybuffer";
  const received: unknown[] = [];
  socket.onmessage = ({ data }) => received.push(typeof data === "string" ? data : new Uint8Array(data));
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  await new Promise((resolve) => socket.onopen = resolve);
  const sent = ["text", new Uint8Array([1, 2]), "", new Uint8Array(100_000)];
  for (const message of sent) socket.send(message);
  await eventually("all answers", () => received.length === sent.length);
  assertEquals(received, sent);
  socket.close();
  assertEquals((await closed).code, 1005);
  await eventually("the server's close", () => records[0]!.closed);
  assertEquals(new URL(records[0]!.url).pathname, "/in");
});

acceptance("E55", "a close with an error code is an error, with its reason", async (run) => {
  const port = run.port();
  const server = `ws-l:127.0.0.1:${port},fork,close-code=1008,close-reason=no`;
  await run.serve([server, "DISCARD"], { tcp: port });
  const stderr = / E .*closed by peer, code 1008 \(policy violation\): "no"/;
  await run.spawn(["-", `ws://127.0.0.1:${port}/`], { openInput: true, code: 1, stderr }).end();
});

acceptance("E55", "a close with code 1000 is silent", async (run) => {
  const port = run.port();
  await run.serve([`ws-l:127.0.0.1:${port},fork`, "TEXT:bye"], { tcp: port });
  const args = ["-u", `ws://127.0.0.1:${port}/`, "-"];
  assertEquals(await run.out(args), "bye\n");
});

acceptance("E55", "a lost connection is code 1006", async (run) => {
  const port = run.port();
  const server = await run.serve([`ws-l:127.0.0.1:${port},fork`, "ECHO"], { tcp: port });
  const stderr = / E .*closed by peer, code 1006/;
  const client = run.spawn(["-", `ws://127.0.0.1:${port}/`], { openInput: true, code: 1, stderr });
  await client.write("a\n");
  await client.prints("a\n");
  server.kill("SIGKILL");
  await client.end();
});

acceptance("E56", "a frozen server is given up after a ping", async (run) => {
  const port = run.port();
  // Once it goes on, the server may or may not have the time to tell that its client is gone.
  const server = await run.serve([`ws-l:127.0.0.1:${port},fork`, "ECHO"], { tcp: port }, { stderr: "any" });
  const stderr = / E .*ws:\/\/127\.0\.0\.1:\d+\/: no answer to ping for 2 s/;
  const client = run.spawn([`ws://127.0.0.1:${port}/,ping-interval=1,ping-timeout=2`, "-"], {
    openInput: true,
    code: 1,
    stderr,
  });
  const lively = performance.now();
  await client.write("a\n");
  await client.prints("a\n");
  server.poke("SIGSTOP");
  try {
    await client.end();
  } finally {
    server.poke("SIGCONT");
  }
  const seconds = (performance.now() - lively) / 1000;
  assert(seconds >= 2.99, `${seconds} s`);
});

acceptance("interop", "a page from elsewhere is refused with 403", async (run) => {
  const port = run.port();
  const server = `ws-l:127.0.0.1:${port},fork,allow-origin=http://good.example`;
  await run.serve([server, "ECHO"], { tcp: port }, { stderr: / W .*answered 403 Forbidden/ });
  const asking = (origin: string) => upgrade(run, port, "/", [`Origin: ${origin}`]);
  assertEquals((await asking("http://good.example")).status, 101);
  assertEquals((await asking("http://evil.example")).status, 403);
});
