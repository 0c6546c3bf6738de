// Acceptance examples: ends of WebSockets, pings, reconnection (E55 to E57), and the wrappers around endpoints.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import {
  acceptance,
  type Child,
  eventually,
  heldMemory,
  type Program,
  type Run,
  serveMeasured,
  stays,
} from "./harness.ts";
import { connect, echo, type Peer, serveStreams, serveWebSockets, UdpPeer, upgrade } from "./peers.ts";
import { atSomePace, delay, released, within } from "./wait.ts";

const deno: Program = { name: "deno", command: [Deno.execPath(), "run", "-A"] };

acceptance("E55", "a server's close code decides between error and silence", async (run) => {
  const port = run.port();
  serveWebSockets(run, {
    port,
    open: (socket, connection) => connection === 0 ? socket.close(1008, "no") : socket.close(1000, "bye"),
  });
  const refused = / E .*closed by peer, code 1008 \(policy violation\): "no"/;
  await run.spawn(["-", `ws://127.0.0.1:${port}/`], { openInput: true, code: 1, stderr: refused }).end();
  await run.spawn(["-", `ws://127.0.0.1:${port}/`], { openInput: true }).end();
});

acceptance("E55", "a dropped connection is code 1006", async (run) => {
  const port = run.port();
  const server = await run.serve([`WS-L:127.0.0.1:${port}`, "ECHO"], { tcp: port }, { stderr: "any" });
  const client = run.spawn(["-", `ws://127.0.0.1:${port}/`], { openInput: true, code: 1, stderr: / E .*code 1006 / });
  await client.write("x\n");
  await client.prints("x\n");
  server.kill("SIGKILL");
  await client.end();
});

/** A server to be frozen. */
async function serveFreezing(run: Run): Promise<{ child: Child; port: number }> {
  const port = run.port();
  const child = await run.serve([`WS-L:127.0.0.1:${port}`, "ECHO"], { tcp: port }, { stderr: "any" });
  return { child, port };
}

const noPong = (seconds: number) => ({
  openInput: true,
  code: 1,
  stderr: new RegExp(` E .*no answer to ping for ${seconds} s`),
});

/** Freezes a server while a client talks to it, and waits for the client's end. */
async function freeze(server: Child, client: Child): Promise<void> {
  try {
    await client.write("x\n");
    await eventually("the echo", () => !client.running || client.stdout === "x\n");
    assertEquals(client.stdout, "x\n", "it was too busy to answer before");
    server.poke("SIGSTOP");
    await client.end();
  } finally {
    server.kill("SIGKILL");
    await server.end();
  }
}

acceptance("E56", "a frozen server is noticed by its missing pong", async (run) => {
  await atSomePace(async (limit) => {
    const server = await serveFreezing(run);
    const address = `ws://127.0.0.1:${server.port}/,ping-interval=${limit},ping-timeout=${limit}`;
    await freeze(server.child, run.spawn([address, "-"], noPong(limit)));
  });
});

acceptance("E56", "a ping timeout alone is enough", async (run) => {
  await atSomePace(async (limit) => {
    const server = await serveFreezing(run);
    await freeze(
      server.child,
      run.spawn([`--ping-timeout=${limit}`, `ws://127.0.0.1:${server.port}/`, "-"], noPong(limit)),
    );
  });
});

/** A WebSocket server in a process of its own: tells each connection its number and prints what each one says. */
async function subscriptionServer(run: Run, port: number, name: string) {
  const path = run.path("server.ts");
  await Deno.writeTextFile(
    path,
    `const [port, name] = Deno.args;
    Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen() {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => {
        console.log(JSON.stringify(data));
        socket.send(\`\${name} is up\`);
      };
      return response;
    });`,
  );
  return await run.serve([path, String(port), name], { tcp: port }, { program: deno, stderr: "any" });
}

acceptance("E57", "a subscription survives three restarts of its server", async (run) => {
  const port = run.port();
  let server = await subscriptionServer(run, port, "first");
  const address = `ws://127.0.0.1:${port}/,reconnect,interval=0.1,preamble="{\\"op\\":\\"sub\\"}\\n"`;
  const client = run.spawn(["-dd", "-u", address, "-"], { stderr: "any" });
  await client.prints("first is up\n");
  for (const name of ["second", "third", "fourth"]) {
    server.kill("SIGKILL");
    await server.end();
    assertEquals(server.stdout, `${JSON.stringify('{"op":"sub"}\n')}\n`);
    server = await subscriptionServer(run, port, name);
    await client.prints(`${name} is up\n`);
  }
  assertEquals(client.stdout, "first is up\nsecond is up\nthird is up\nfourth is up\n");
  const name = `ws://127\\.0\\.0\\.1:${port}/`;
  const lost = new RegExp(` W connection to ${name} lost \\(code 1006\\), reconnecting in 0\\.1 s \\(\\d+\\)$`, "gm");
  const restored = new RegExp(` N connection to ${name} restored after [\\d.]+ s$`, "gm");
  assertEquals(client.stderr.match(lost)?.length, 3, client.describe());
  assertEquals(client.stderr.match(restored)?.length, 3, client.describe());
});

acceptance("E58", "every -H takes one header, and the words after it are addresses", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, { port });
  const headers = ["-H", "Authorization: Bearer t", "--header=X-One: 1", "-H", "X-Two: 2"];
  assertEquals(await run.out([...headers, "-", `ws://127.0.0.1:${port}/`], { input: "x\n" }), "x\n");
  const sent = ["authorization", "x-one", "x-two"].map((name) => records[0]!.headers.get(name));
  assertEquals(sent, ["Bearer t", "1", "2"]);
});

acceptance("close", "between two WebSockets ordinary codes pass on as others do", async (run) => {
  const [port, serverPort] = [run.port(), run.port()];
  const codes = [[1000, "bye"], [1001, "moving"], [1008, "no"], [4000, "mine"]] as const;
  serveWebSockets(run, { port: serverPort, open: (socket, i) => socket.close(codes[i]![0], codes[i]![1]) });
  await run.serve([`ws-l:127.0.0.1:${port},fork`, `ws:127.0.0.1:${serverPort}`], { tcp: port }, { stderr: "any" });
  for (const [code, reason] of codes) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const closed = Promise.withResolvers<CloseEvent>();
    socket.onclose = closed.resolve;
    const event = await within(`close with ${code}`, closed.promise);
    assertEquals([event.code, event.reason], [code, reason]);
  }
});

acceptance("reconnect", "a relay keeps what its client says while the server is away", async (run) => {
  const port = run.port();
  const serverPort = run.port();
  const args = [`tcp-l:${port},fork`, `tcp:127.0.0.1:${serverPort},reconnect,interval=0.05`];
  const received: string[] = [];
  const { promise: restarted, resolve: restart } = Promise.withResolvers<void>();
  const first = Deno.listen({ hostname: "127.0.0.1", port: serverPort });
  const relay = await run.serve(args, { tcp: port }, { stderr: / W connection to AF=2 .* lost \(closed by peer\)/ });
  const client = await connect(run, { tcp: port });
  const conn = await first.accept();
  await client.send("before ");
  await conn.read(new Uint8Array(7));
  first.close();
  conn.close();
  await released({ tcp: serverPort });
  await relay.logs(/ lost /);
  await client.send("while ");
  await client.send("away ");
  serveStreams(run, { tcp: serverPort }, async (peer) => {
    received.push(await peer.text(16));
    await peer.send("hello");
    restart();
    await peer.rest();
  });
  await client.send("after");
  await restarted;
  assertEquals(received, ["while away after"]);
  assertEquals(await client.text(5), "hello");
  await client.endWrite();
  assertEquals(await client.restText(), "");
});

const mebibyte = 1 << 20;

/** Offers `length` bytes until the peer takes no more for `quietMs`; says how many it took. */
async function offer(peer: Peer, length: number, quietMs: number): Promise<number> {
  const block = new Uint8Array(mebibyte);
  let taken = 0;
  const sending = (async () => {
    while (taken < length) {
      await peer.send(block);
      taken += block.length;
    }
  })().catch(() => {});
  for (let before = -1; before !== taken && taken < length;) {
    before = taken;
    await delay(quietMs);
  }
  peer.close();
  await sending;
  return taken;
}

acceptance("reconnect", "1 GiB for a dead server is held back, not stored", async (run) => {
  const port = run.port();
  const serverPort = run.port();
  const first = Deno.listen({ hostname: "127.0.0.1", port: serverPort });
  const relay = await serveMeasured(
    run,
    [`tcp-l:${port},fork`, `tcp:127.0.0.1:${serverPort},reconnect,interval=0.2`],
    { tcp: port },
  );
  const client = await connect(run, { tcp: port });
  const conn = await first.accept();
  await client.send("x");
  await conn.read(new Uint8Array(1));
  const before = await heldMemory(run, relay);
  first.close();
  conn.close();
  await released({ tcp: serverPort });
  await relay.logs(/ lost /);
  const taken = await offer(client, 1024 * mebibyte, 1000);
  assertLess(taken, 64 * mebibyte);
  const after = await heldMemory(run, relay);
  assertLess(after.rss - before.rss, 16 * mebibyte, `${before.rss} before, ${after.rss} after`);
});

acceptance("reconnect", "1 GiB of messages for a dead server is dropped and counted, not stored", async (run) => {
  const [port, serverPort] = [run.port(), run.port()];
  const log = run.path("access");
  const server = await run.serve([`WS-L:127.0.0.1:${serverPort}`, "ECHO"], { tcp: serverPort }, { stderr: "any" });
  const args = [`--access-log=${log}`, `tcp-l:${port},fork`, "CHUNKS:65536"];
  const relay = await serveMeasured(
    run,
    [...args, `ws:127.0.0.1:${serverPort},reconnect,interval=0.2`],
    { tcp: port },
  );
  const client = await connect(run, { tcp: port });
  await client.send("x");
  assertEquals(await client.text(1), "x");
  const before = await heldMemory(run, relay);
  server.kill("SIGKILL");
  await relay.logs(/ lost /);
  const taken = await offer(client, 1024 * mebibyte, 1000);
  assertEquals(taken, 1024 * mebibyte);
  const after = await heldMemory(run, relay);
  assertLess(after.rss - before.rss, 16 * mebibyte, `${before.rss} before, ${after.rss} after`);
  const line = await eventually("the end of the session", () => Deno.readTextFile(log).catch(() => ""));
  const dropped = Number(/ dropped=(\d+) /.exec(line)?.[1]);
  assert(dropped >= 1024 * 16 - 20, line);
});

const reconnectIntervalMs = 200;

/** Asserts that between any two of these times there was the interval, the program's clock being a little coarse. */
function assertApart(times: readonly number[]): void {
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  assert(gaps.every((gap) => gap > reconnectIntervalMs - 20), `${gaps} ms between attempts`);
}

acceptance("reconnect", "a server that hangs up at once is asked again no faster than the interval", async (run) => {
  const serverPort = run.port();
  const times: number[] = [];
  serveStreams(run, { tcp: serverPort }, async () => void times.push(performance.now()));
  const client = run.spawn(["-", `tcp:127.0.0.1:${serverPort},reconnect,interval=0.2`], {
    openInput: true,
    stderr: "any",
  });
  await eventually("some connections", () => times.length >= 8);
  assertApart(times);
  client.kill("SIGTERM");
  await client.end();
});

acceptance(
  "reconnect",
  "a server that is away is asked no faster than the interval, and SIGTERM ends it",
  async (run) => {
    const port = run.port();
    const listener = Deno.listen({ hostname: "127.0.0.1", port });
    const client = run.spawn(["-ddd", "-lu", "-", `autoreconnect:tcp:127.0.0.1:${port},interval=0.2`], {
      openInput: true,
      stderr: "any",
    });
    const conn = await listener.accept();
    listener.close();
    conn.close();
    await released({ tcp: port });
    const tries = () =>
      Array.from(client.stderr.matchAll(/^(\S+) (\S+) .*trying again in/gm), ([, day, time]) => `${day} ${time}`);
    await eventually("some attempts", () => tries().length >= 8, { details: () => client.describe() });
    assertApart(tries().map((time) => Date.parse(time.slice(0, 23))));
    client.kill("SIGTERM");
    await client.end();
  },
);

acceptance("--server", "every client hears what is typed, and what they say is printed", async (run) => {
  const port = run.port();
  const server = await run.serve(["--server", `${port}/chat`], { tcp: port }, { openInput: true, stderr: "any" });
  const clients = [];
  for (const name of ["one", "two"]) {
    const client = run.spawn([`ws://127.0.0.1:${port}/chat`], { openInput: true });
    await client.write(`${name}\n`);
    await server.prints(`${name}\n`);
    clients.push(client);
  }
  await server.write("hello\n");
  for (const client of clients) await client.prints("hello\n");
  assertEquals((await upgrade(run, port, "/other")).status, 404);
  await clients[0]!.endInput();
  await clients[0]!.end();
  await server.write("still there\n");
  await clients[1]!.prints("still there\n");
  await clients[1]!.endInput();
  await clients[1]!.end();
  server.kill("SIGTERM");
  await server.end();
});

acceptance("-n", "the session goes on after the local end, until the server closes", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, {
    port,
    message: async (socket) => {
      await delay(1500);
      socket.send("late");
      socket.close();
    },
  });
  const child = run.spawn(["-n", "-", `ws://127.0.0.1:${port}/`], { input: "x\n" });
  await stays("an end before the answer", 1000, () => !child.running);
  await child.end();
  assertEquals(child.stdout, "late\n");
  assertEquals(records[0]!.messages, ["x"]);
});

acceptance("-p", "both preambles come first", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, { port });
  const listener = run.port();
  const args = ["-p", "up", "-P", "down", `tcp-l:${listener},fork`, `ws:127.0.0.1:${port}`];
  await run.serve(args, { tcp: listener });
  const client = await connect(run, { tcp: listener });
  assertEquals(await client.text(6), "downup");
  await client.send("x");
  assertEquals(await client.text(1), "x");
  await client.endWrite();
  assertEquals(await client.restText(), "");
  assertEquals(records[0]!.messages.map((data) => new TextDecoder().decode(data as ArrayBuffer)), ["up", "x"]);
});

acceptance("preamble-file", "a WebSocket gets it as one message", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, { port });
  await Deno.writeTextFile(run.path("p"), "token\nof two lines");
  const out = await run.out(["-", `ws:127.0.0.1:${port},preamble-file=${run.path("p")}`], { input: "x\n" });
  assertEquals(out, "token\nof two lines\nx\n");
  assertEquals(records[0]!.messages, ["token\nof two lines", "x"]);
  const missing = / E preamble-file: open\(".*nope", O_RDONLY\): No such file or directory/;
  await run.spawn(["-", `ws:127.0.0.1:${port},preamble-file=${run.path("nope")}`], { code: 1, stderr: missing }).end();
});

acceptance("log:", "below a WebSocket are its frames, above it its messages", async (run) => {
  const port = run.port();
  const [above, below] = [run.path("above"), run.path("below")];
  await run.serve([`ws-l:127.0.0.1:${port},fork`, "ECHO"], { tcp: port });
  const out = await run.out(["-", `log:ws:127.0.0.1:${port},log-file=${above},prefix=m`], { input: "hi\n" });
  assertEquals(out, "hi\n");
  assertEquals(await Deno.readTextFile(above), "m: hi\nm: hi\n");
  await run.out(["-", `ws-c:log:tcp:127.0.0.1:${port},log-file=${below}`], { input: "hi\n" });
  assertMatch(await Deno.readTextFile(below), /^GET \/ HTTP\/1\.1\r\n[^]*\nHTTP\/1\.1 101 Switching Protocols\r\n/);
});

acceptance("log:", "on a listener it leaves the refusal of a caller as it is", async (run) => {
  const port = run.port();
  await run.serve([`log:ws-l:127.0.0.1:${port},fork`, `tcp:127.0.0.1:${run.port()}`], { tcp: port }, { stderr: "any" });
  assertEquals((await upgrade(run, port, "/")).status, 502);
});

acceptance("waitfordata:", "the server is contacted only for a client that says something", async (run) => {
  const port = run.port();
  const serverPort = run.port();
  const seen = serveStreams(run, { tcp: serverPort }, echo);
  await run.serve([`tcp-l:${port},fork`, `waitfordata:tcp:127.0.0.1:${serverPort}`], { tcp: port });
  const silent = await connect(run, { tcp: port });
  await silent.endWrite();
  assertEquals(await silent.restText(), "");
  assertEquals(seen.connections, 0);
  const client = await connect(run, { tcp: port });
  await client.send("x");
  assertEquals(await client.text(1), "x");
  await client.endWrite();
  assertEquals(await client.restText(), "");
  assertEquals(seen.connections, 1);
});

acceptance("foreachmsg:", "a program is run once for every message, and its output is the answer", async (run) => {
  const port = run.port();
  const script = `read x; echo "$$ $x" >> '${run.path("runs")}'; echo "re $x"`;
  await run.serve([`udp-l:${port},fork`, `foreachmsg:system:${JSON.stringify(script)}`], { udp: port });
  const peer = new UdpPeer(run);
  for (const text of ["a", "b", "c"]) await peer.send(text, port);
  await eventually("three answers", () => peer.texts.length === 3);
  assertEquals(peer.texts, ["re a\n", "re b\n", "re c\n"]);
  const runs = (await Deno.readTextFile(run.path("runs"))).trim().split("\n").map((line) => line.split(" "));
  assertEquals(runs.map(([, text]) => text), ["a", "b", "c"]);
  assertEquals(new Set(runs.map(([pid]) => pid)).size, 3);
});

acceptance("--null", "lines end in NUL on standard input and output", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, { port });
  const out = await run.out(["--null", "-", `ws://127.0.0.1:${port}/`], { input: "a\nb\0c\0" });
  assertEquals(out, "a\nb\0c\0");
  assertEquals(records[0]!.messages, ["a\nb", "c"]);
});

acceptance("--strict", "long and unfinished lines are dropped, and counted in the access log", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, { port });
  const args = ["--strict", "-B", "10", `--access-log=${run.path("a")}`, "-", `ws://127.0.0.1:${port}/`];
  const out = await run.out(args, {
    input: "short\nmuch too long a line\nend",
    stderr: [/ W LINES: line of more/, / W LINES: unfinished/],
  });
  assertEquals(out, "short\n");
  assertEquals(records[0]!.messages, ["short"]);
  assertMatch(await Deno.readTextFile(run.path("a")), / dropped=2 /);
});
