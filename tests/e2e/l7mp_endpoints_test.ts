// Acceptance examples: l7mp's own endpoints, SYNC, broadcast: and JSONSocket (E66 to E68), and JSONSocket's wire.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { acceptance, type Child, eventually, l7mp, patience, type Run, stays } from "./harness.ts";
import { connect, type Peer, serveStreams, serveWebSockets, UdpPeer } from "./peers.ts";
import { absent, websocat } from "./programs.ts";
import { within } from "./wait.ts";

const noWebsocat = absent("websocat");

interface Speaker {
  readonly socket: WebSocket;
  readonly heard: (string | Uint8Array)[];
}

/** A WebSocket client that keeps what it hears. */
async function speaker(run: Run, port: number): Promise<Speaker> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  socket.binaryType = "arraybuffer";
  const heard: (string | Uint8Array)[] = [];
  socket.onmessage = ({ data }) => heard.push(typeof data === "string" ? data : new Uint8Array(data));
  const closed = new Promise((resolve) => socket.onclose = resolve);
  await within("the WebSocket", new Promise((resolve) => socket.onopen = resolve));
  run.defer(async () => {
    socket.close();
    await within("its end", closed);
  });
  return { socket, heard };
}

/** Speakers of one room that are all in it: what the first says before the others are there, they do not hear. */
async function room(run: Run, port: number, count: number): Promise<Speaker[]> {
  const speakers: Speaker[] = [];
  for (let i = 0; i < count; i++) speakers.push(await speaker(run, port));
  const [first, ...others] = speakers;
  await eventually("everybody in the room", () => {
    first!.socket.send("?");
    return others.every(({ heard }) => heard.length > 0);
  });
  first!.socket.send("!");
  await eventually("silence", () => others.every(({ heard }) => heard.at(-1) === "!"));
  for (const { heard } of speakers) heard.length = 0;
  return speakers;
}

acceptance("E66", "SYNC gives to all others what one says, in one order and with its type", async (run) => {
  const port = run.port();
  await run.serve([`WS-L:127.0.0.1:${port},fork`, "SYNC:room"], { tcp: port });
  const [a, b, c] = await room(run, port, 3) as [Speaker, Speaker, Speaker];
  for (let i = 0; i < 50; i++) {
    a.socket.send(`a${i}`);
    b.socket.send(new Uint8Array([i]));
  }
  await eventually("all that was said", () => c.heard.length === 100 && a.heard.length === 50 && b.heard.length === 50);
  const texts = Array.from({ length: 50 }, (_, i) => `a${i}`);
  const bytes = Array.from({ length: 50 }, (_, i) => new Uint8Array([i]));
  assertEquals(b.heard, texts);
  assertEquals(a.heard, bytes);
  assertEquals(c.heard.filter((one) => typeof one === "string"), texts);
  assertEquals(c.heard.filter((one) => typeof one !== "string"), bytes);
  c.socket.send("bye");
  await eventually("the third's word", () => a.heard.at(-1) === "bye" && b.heard.at(-1) === "bye");
  assertEquals(c.heard.length, 100);
});

acceptance("E66", "a client that stops reading loses messages, counted, and slows nobody", async (run) => {
  const port = run.port();
  const log = run.path("access");
  const args = [`--access-log=${log}`, `WS-L:127.0.0.1:${port},fork`, "SYNC:room"];
  const stderr = [/ W SYNC:room: a member reads too slowly and loses messages$/, / E .*closed by peer, code 1006 /];
  await run.serve(args, { tcp: port }, { stderr });
  const slow = await connect(run, { tcp: port });
  const request = ["GET / HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"];
  const keys = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
  await slow.send([...request, ...keys, "", ""].join("\r\n"));
  assertMatch(await slow.text(12), /^HTTP\/1\.1 101$/);
  const [a, b] = await room(run, port, 2) as [Speaker, Speaker];
  const message = new Uint8Array(262_144);
  for (let i = 0; i < 150; i++) {
    a.socket.send(message);
    // One at a time: only the one that does not read may fall behind.
    await eventually(`message ${i}`, () => b.heard.length === i + 1);
  }
  slow.close();
  const line = await eventually("the slow session's line", () => Deno.readTextFile(log).catch(() => ""));
  const dropped = Number(/ dropped=(\d+)/.exec(line)?.[1]);
  assert(dropped > 0 && dropped < 150, line);
});

acceptance("E66", "websocat clients meet in a room", async (run) => {
  const port = run.port();
  // Who leaves may miss a word that was under way, which is a warning.
  await run.serve([`WS-L:127.0.0.1:${port},fork`, "SYNC:room"], { tcp: port }, { stderr: "any" });
  const options = { program: websocat, openInput: true, stderr: "any", code: 0 } as const;
  const listener = run.spawn(["-E", `ws://127.0.0.1:${port}/`], options);
  const talker = run.spawn(["-E", `ws://127.0.0.1:${port}/`], options);
  await eventually("the listener in the room", async () => {
    await talker.write("hello\n");
    return listener.stdout.includes("hello\n");
  });
  assertEquals(talker.stdout, "");
  for (const child of [listener, talker]) {
    await child.endInput();
    await child.end();
  }
}, { skip: noWebsocat });

/** A server whose connections a case speaks on and listens to. */
function upstream(run: Run, port: number): { readonly peers: Peer[]; heard: string } {
  const seen = { peers: [] as Peer[], heard: "" };
  serveStreams(run, { tcp: port }, async (peer) => {
    seen.peers.push(peer);
    while (true) seen.heard += await peer.text(1, 60_000);
  });
  return seen;
}

acceptance("E67", "one upstream connection serves all clients, and survives its restart", async (run) => {
  const [port, upstreamPort] = [run.port(), run.port()];
  const lost = / W connection to .* lost \(.*\), reconnecting in 0\.05 s \(1\)$/;
  const address = `broadcast:autoreconnect:TCP:127.0.0.1:${upstreamPort},interval=0.05`;
  const first = upstream(run, upstreamPort);
  await run.serve([`TCP-L:${port},fork`, address], { tcp: port }, { stderr: [lost] });
  const clients = [];
  for (const i of [0, 1, 2]) {
    const client = await connect(run, { tcp: port });
    await client.send(`from ${i};`);
    clients.push(client);
    await eventually(`client ${i}`, () => first.heard.includes(`from ${i};`));
  }
  assertEquals(first.peers.length, 1);
  await first.peers[0]!.send("to all;");
  for (const client of clients) assertEquals(await client.text(7), "to all;");

  // The connection is lost, and comes back once for all of them.
  first.peers[0]!.close();
  await eventually("the connection again", () => first.peers.length === 2);
  for (const [i, client] of clients.entries()) await client.send(`again ${i};`);
  await eventually("all clients again", () => [0, 1, 2].every((i) => first.heard.includes(`again ${i};`)));
  await first.peers[1]!.send("to all again;");
  for (const client of clients) assertEquals(await client.text(13), "to all again;");
  assertEquals(first.peers.length, 2);
});

for (const overlays of ["broadcast:autoreconnect", "autoreconnect:broadcast"]) {
  acceptance("E67", `${overlays}: comes back once for all, and no client misses a word of the server`, async (run) => {
    const [port, upstreamPort] = [run.port(), run.port()];
    const servers: { readonly peer: Peer; heard: string }[] = [];
    serveStreams(run, { tcp: upstreamPort }, async (peer) => {
      const server = { peer, heard: "" };
      if (servers.push(server) > 1) await peer.send(`greeting ${servers.length};`);
      while (true) server.heard += await peer.text(1, 60_000);
    });
    const address = `${overlays}:TCP:127.0.0.1:${upstreamPort},interval=0.05,preamble=hi;`;
    const proxy = await run.serve([`TCP-L:${port},fork`, address], { tcp: port }, { stderr: "any" });
    const clients: Peer[] = [];
    for (let i = 1; i <= 5; i++) {
      const client = await connect(run, { tcp: port });
      await client.send("x");
      clients.push(client);
      await eventually(`client ${i}`, () => servers[0]?.heard === `hi;${"x".repeat(i)}`);
    }
    for (let number = 2; number <= 6; number++) {
      servers.at(-1)!.peer.close();
      for (const client of clients) assertEquals(await client.text(11), `greeting ${number};`);
      await eventually("the preamble", () => servers[number - 1]?.heard === "hi;");
    }
    assertEquals(servers.length, 6);
    await eventually("the warnings", () => proxy.stderr.match(/ W connection to .* lost \(/g)?.length === 5);
  });
}

acceptance("E67", "what clients say while the upstream is down arrives when it is back", async (run) => {
  const [port, upstreamPort] = [run.port(), run.port()];
  const echo = () =>
    run.serve([`TCP-L:127.0.0.1:${upstreamPort},fork`, "PIPE"], { tcp: upstreamPort }, { stderr: "any" });
  const address = `broadcast:autoreconnect:TCP:127.0.0.1:${upstreamPort},interval=0.05`;
  const server = await echo();
  const proxy = await run.serve([`TCP-L:${port},fork`, address], { tcp: port }, { stderr: "any" });
  const clients = [await connect(run, { tcp: port }), await connect(run, { tcp: port })];
  // A word of each, so that both are there when it matters.
  for (const client of clients) await client.send("1");
  for (const client of clients) assertMatch(await client.text(1), /1/);
  server.kill("SIGKILL");
  await server.end();
  await proxy.logs(/ W connection to .* lost /);
  await clients[0]!.send("a");
  await clients[1]!.send("b");
  await echo();
  for (const client of clients) {
    let heard = "";
    while (!heard.includes("a") || !heard.includes("b")) heard += await client.text(1);
  }
});

acceptance("E67", "the connection ends with its last client, and the next one opens another", async (run) => {
  const [port, upstreamPort] = [run.port(), run.port()];
  const server = upstream(run, upstreamPort);
  await run.serve([`TCP-L:${port},fork`, `broadcast:TCP:127.0.0.1:${upstreamPort}`], { tcp: port }, { stderr: "any" });
  const [a, b] = [await connect(run, { tcp: port }), await connect(run, { tcp: port })];
  await a.send("a");
  await b.send("b");
  await eventually("both", () => server.heard.length === 2);
  a.close();
  await server.peers[0]!.send("x");
  assertEquals(await b.text(1), "x");
  await server.peers[0]!.endWrite();
  assertEquals(await b.restText(), "");
  b.close();
  const c = await connect(run, { tcp: port });
  await c.send("c");
  await eventually("another connection", () => server.peers.length === 2 && server.heard.endsWith("c"));
});

async function serveJsonSocket(run: Run, target = "ECHO", options: { code?: number } = {}): Promise<[number, Child]> {
  const port = run.port();
  const args = ["-dd", `jsonsocket-l:127.0.0.1:${port},fork`, target];
  return [port, await run.serve(args, { udp: port }, { stderr: "any", ...options })];
}

acceptance("E68", "JSONSOCKET carries its header and then datagrams", async (run) => {
  const [port, server] = await serveJsonSocket(run);
  const args = ["-", `JSONSOCKET:127.0.0.1:${port},header={"a":1}`];
  const client = run.spawn(args, { openInput: true });
  await client.write("x");
  await client.prints("x");
  await client.endInput();
  await client.end();
  await server.logs(/ N jsonsocket from AF=2 127\.0\.0\.1:\d+: \{"a":1,"JSONSocketVersion":1\}$/m);
});

const jsonSocketTransports:
  readonly (readonly [string, (run: Run) => [listen: string, connect: string, bound: object]])[] = [
    ["TCP", (run) => {
      const port = run.port();
      return [`jsonsocket:TCP-L:127.0.0.1:${port}`, `jsonsocket:TCP:127.0.0.1:${port}`, { tcp: port }];
    }],
    ["UNIX", (run) => {
      const path = run.path("s");
      return [`jsonsocket:UNIX-L:${path}`, `jsonsocket+unix://${path}`, { unix: path }];
    }],
    ["WebSocket", (run) => {
      const port = run.port();
      return [`jsonsocket:WS-L:127.0.0.1:${port}/p`, `jsonsocket+ws://127.0.0.1:${port}/p`, { tcp: port }];
    }],
  ];

for (const [name, addresses] of jsonSocketTransports) {
  acceptance("E68", `JSONSOCKET over ${name}`, async (run) => {
    const [listen, connect, bound] = addresses(run);
    const serving = run.serve([`${listen},fork`, "ECHO"], bound as { tcp: number });
    await serving;
    const client = run.spawn(["-", `${connect},header={"a":1}`], { openInput: true });
    await client.write("ping\n");
    await client.prints("ping\n");
    await client.endInput();
    await client.end();
  });
}

const ok = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}';

acceptance("(h)", "a JSONSocket server answers 400 and 505, then 200, and payload flows both ways", async (run) => {
  const [port] = await serveJsonSocket(run);
  const ask = async (request: string): Promise<UdpPeer> => {
    const peer = new UdpPeer(run);
    await peer.send(request, port);
    await eventually(`an answer to ${request}`, () => peer.texts.length > 0);
    return peer;
  };
  const requests: [string, number][] = [
    ["dummy", 400],
    ['{"a":1}', 400],
    ['{"JSONSocketVersion":"a"}', 400],
    ['{"JSONSocketVersion":0.4}', 400],
    ['{"JSONSocketVersion":2}', 505],
  ];
  for (const [request, status] of requests) {
    const [answer] = (await ask(request)).texts;
    assertEquals(JSON.parse(answer!).JSONSocketStatus, status, answer);
  }
  const peer = await ask('{"JSONSocketVersion":1,"extra":{"key":"value"}}');
  assertEquals(peer.texts, [ok]);
  await peer.send("payload", port);
  await eventually("the echo", () => peer.texts.length === 2);
  assertEquals(peer.texts[1], "payload");
  // A refused caller may try again from the same port.
  const again = await ask("dummy");
  await again.send('{"JSONSocketVersion":1}', port);
  await eventually("the second answer", () => again.texts.length === 2);
  assertEquals(again.texts[1], ok);
});

acceptance("(h)", "a JSONSocket server says 200 only once there is somebody behind it", async (run) => {
  const closed = run.port();
  const [port] = await serveJsonSocket(run, `TCP:127.0.0.1:${closed}`);
  const peer = new UdpPeer(run);
  await peer.send('{"JSONSocketVersion":1}', port);
  await eventually("an answer", () => peer.texts.length > 0);
  assertEquals(JSON.parse(peer.texts[0]!), {
    JSONSocketVersion: 1,
    JSONSocketStatus: 502,
    JSONSocketMessage: "the server behind this one cannot be reached",
  });
});

acceptance("(h)", "a JSONSocket client sends its header first, and its payload only after a 2xx", async (run) => {
  const server = new UdpPeer(run, { answer: (data) => data[0] === 0x7b ? null : data });
  const args = ["-dd", "-", `JSONSOCKET:127.0.0.1:${server.port},header={"labels":{"a":1}}`];
  const client = run.spawn(args, { openInput: true, stderr: "any" });
  await client.write("payload");
  await eventually("the header", () => server.texts.length > 0);
  assertEquals(JSON.parse(server.texts[0]!), { labels: { a: 1 }, JSONSocketVersion: 1 });
  await stays("payload before the answer", 200, () => server.texts.length > 1);
  await server.send('{"JSONSocketVersion":1,"JSONSocketStatus":201}', server.senders[0]!.port);
  await client.prints("payload");
  assertEquals(server.texts[1], "payload");
  await client.endInput();
  await client.end();
});

acceptance("(h)", "a JSONSocket client fails without a status, without a 2xx, and without an answer", async (run) => {
  const answers: [Uint8Array | null, RegExp][] = [
    [new TextEncoder().encode('{"JSONSocketVersion":1,"Status":200}'), / E .*the response has no JSONSocketStatus/],
    [new TextEncoder().encode(ok.replace("200", "404")), / E .*refused with JSONSocketStatus 404: "OK"/],
    [null, / E .*no complete header within 0\.2 s \(handshake-timeout\)/],
  ];
  for (const [answer, stderr] of answers) {
    const server = new UdpPeer(run, { answer: () => answer });
    const address = `JSONSOCKET:127.0.0.1:${server.port},handshake-timeout=${answer ? patience : 0.2}`;
    await run.spawn(["-", address], { openInput: true, code: 1, stderr }).end();
    await eventually("the header", () => server.texts.length > 0);
    assertEquals(server.texts, ['{"JSONSocketVersion":1}']);
  }
});

acceptance("(h)", "a JSONSocket client is understood by any WebSocket server, as text", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, {
    port,
    message: (socket, data) => {
      if (typeof data === "string" && data.includes("JSONSocketVersion")) socket.send(ok);
      else socket.send(data);
    },
  });
  const address = `jsonsocket+ws://127.0.0.1:${port}/,header={"a":1}`;
  const client = run.spawn(["-", address], { openInput: true, program: l7mp });
  await client.write("hello\n");
  await client.prints("hello\n");
  assertEquals(records[0]!.messages[0], '{"a":1,"JSONSocketVersion":1}');
  await client.endInput();
  await client.end();
});

/** Starts l7mp with a configuration written as YAML. */
async function serveConfig(run: Run, text: string, bound: { tcp: number } | { udp: number }): Promise<Child> {
  const path = run.path("config.yaml");
  await Deno.writeTextFile(path, text);
  return await run.serve(["-c", path], bound, { stderr: "any" });
}

const controllerListener = (port: number) => `
  - name: controller-listener
    spec: {protocol: HTTP, address: 127.0.0.1, port: ${port}}
    rules: [{action: {route: {destination: {name: controller, spec: {protocol: L7mpController}}}}}]`;

acceptance(
  "4.9",
  "CONTROLLER takes bodies, gives statuses, and watches for as long as its caller reads",
  async (run) => {
    const port = run.port();
    await serveConfig(run, `listeners:${controllerListener(port)}\n`, { tcp: port });
    const api = `http://127.0.0.1:${port}/api/v1`;
    const body = "cluster: {name: added, spec: {protocol: Echo}}\n";
    const post = () => fetch(`${api}/clusters`, { method: "POST", headers: { "content-type": "text/x-yaml" }, body });
    const added = await post();
    assertEquals([added.status, (await added.json()).message], [200, "OK"]);
    const twice = await post();
    await twice.body?.cancel();
    assertEquals(twice.status, 400);
    const clusters = await (await fetch(`${api}/clusters`)).json();
    assertEquals(clusters.map(({ name }: { name: string }) => name), ["controller", "added"]);

    const sessions = async (): Promise<{ name: string }[]> => await (await fetch(`${api}/sessions`)).json();
    const abort = new AbortController();
    const watch = await fetch(`${api}/sessions?watch=true`, { signal: abort.signal });
    assertEquals(watch.headers.get("content-type"), "application/x-ndjson");
    const reader = watch.body!.getReader();
    const first = JSON.parse(new TextDecoder().decode((await reader.read()).value).split("\n")[0]!);
    assertEquals(first.type, "ADDED");
    await eventually("its session, and that of who asks", async () => (await sessions()).length === 2);
    abort.abort();
    await reader.read().catch(() => {});
    await eventually("the end of the watch", async () => (await sessions()).length === 1);
  },
);

acceptance("(j)", "a JSONSocket cluster tells of its sessions what its header items say", async (run) => {
  const [port, serverPort] = [run.port(), run.port()];
  const server = new UdpPeer(run, { port: serverPort });
  await serveConfig(
    run,
    `listeners:
  - name: udp
    spec: {protocol: UDP, address: 127.0.0.1, port: ${port}}
    rules:
      - action:
          rewrite: [{path: /labels, value: {session_id: 1}}]
          route: {destination: jsonsocket-cluster}
clusters:
  - name: jsonsocket-cluster
    spec:
      protocol: JSONSocket
      transport: {protocol: UDP, port: ${serverPort}}
      header:
        - {path: {from: /labels/session_id, to: /labels/session_id}}
        - {set: {key: /labels/field, value: value}}
    endpoints: [{spec: {address: localhost}}]
`,
    { udp: port },
  );
  const client = new UdpPeer(run);
  await client.send("hello", port);
  await eventually("the header", () => server.texts.length > 0);
  const header = { labels: { session_id: 1, field: "value" }, JSONSocketVersion: 1 };
  assertEquals(JSON.parse(server.texts[0]!), header);
  await server.send(ok, server.senders[0]!.port);
  await eventually("what the client said", () => server.texts[1] === "hello");
});

acceptance("(h)", "the header of a JSONSocket caller is metadata that rules match", async (run) => {
  const port = run.port();
  await serveConfig(
    run,
    `listeners:
  - name: jsonsocket
    spec: {protocol: JSONSocket, transport: {protocol: UDP, address: 127.0.0.1, port: ${port}}}
    rules:
      - match: {op: test, path: /JSONSocket/user, value: me}
        action: {route: {destination: {spec: {protocol: Echo}}}}
`,
    { udp: port },
  );
  const peer = new UdpPeer(run);
  for (const [i, [user, status]] of ([["other", 404], ["me", 200]] as const).entries()) {
    await peer.send(JSON.stringify({ JSONSocketVersion: 1, user }), port);
    await eventually(`the answer to ${user}`, () => peer.texts.length > i);
    assertEquals(JSON.parse(peer.texts[i]!).JSONSocketStatus, status);
  }
  await peer.send("payload", port);
  await eventually("the echo", () => peer.texts[2] === "payload");
});
