// Acceptance examples: WebSocket over clear text (E48 to E54).

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance, eventually, type Run, stays } from "./harness.ts";
import { echo, serveStreams, serveWebSockets, UdpPeer, upgrade } from "./peers.ts";
import { delay, within } from "./wait.ts";

/** A browser-style client that is open, and what it received. */
async function openWebSocket(run: Run, url: string): Promise<{ socket: WebSocket; received: unknown[] }> {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const received: unknown[] = [];
  socket.onmessage = (event) => received.push(event.data);
  const closed = new Promise<void>((resolve) => socket.onclose = () => resolve());
  run.defer(async () => {
    if (socket.readyState < WebSocket.CLOSING) socket.close();
    await within("close of the WebSocket", closed);
  });
  await within(
    `connection to ${url}`,
    new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = (event) => reject(new Error(`cannot connect to ${url}: ${(event as ErrorEvent).message}`));
    }),
  );
  socket.onerror = null;
  return { socket, received };
}

acceptance("E48", "lines become text messages and come back as lines", async (run) => {
  const port = run.port();
  await run.serve([`WS-LISTEN:127.0.0.1:${port},fork`, "ECHO"], { tcp: port });
  assertEquals(await run.out([`ws://127.0.0.1:${port}/`], { input: "a\nb\n" }), "a\nb\n");
});

acceptance("E48", "two lines are two text messages on the wire", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, { port });
  assertEquals(await run.out([`ws://127.0.0.1:${port}/`], { input: "a\nb\n" }), "a\nb\n");
  assertEquals(records.map((record) => record.messages), [["a", "b"]]);
});

acceptance("E48", "a browser's WebSocket keeps message types through WS-LISTEN and ECHO", async (run) => {
  const port = run.port();
  await run.serve([`WS-LISTEN:127.0.0.1:${port},fork`, "ECHO"], { tcp: port });
  const { socket, received } = await openWebSocket(run, `ws://127.0.0.1:${port}/`);
  socket.send("text");
  socket.send(new Uint8Array([0, 255]));
  socket.send("");
  await eventually("three answers", () => received.length === 3);
  assertEquals(received[0], "text");
  assertEquals(new Uint8Array(received[1] as ArrayBuffer), new Uint8Array([0, 255]));
  assertEquals(received[2], "");
});

acceptance("E49", "binary data comes back identical", async (run) => {
  const port = run.port();
  await run.serve([`WS-LISTEN:127.0.0.1:${port},fork`, "ECHO"], { tcp: port });
  const data = crypto.getRandomValues(new Uint8Array(70_000).subarray(0, 65_536));
  const input = new Uint8Array(70_000);
  input.set(data);
  input.set(data.subarray(0, 70_000 - 65_536), 65_536);
  const child = run.spawn(["--binary", "-", `ws://127.0.0.1:${port}/`], { input });
  await child.end();
  assertEquals(child.stdoutBytes.length, input.length);
  assert(child.stdoutBytes.every((byte, i) => byte === input[i]), "the data differ");
});

acceptance("E50", "each datagram is one binary message on a connection of its sender, and back", async (run) => {
  const port = run.port();
  const serverPort = run.port();
  const records = serveWebSockets(run, {
    port: serverPort,
    message: (socket, data) => {
      const text = new TextDecoder().decode(data as ArrayBuffer);
      socket.send(new TextEncoder().encode(`re ${text}`));
    },
  });
  const relay = await run.serve([`udp-l:${port},fork`, `ws:127.0.0.1:${serverPort}`], { udp: port });
  const peers = [new UdpPeer(run), new UdpPeer(run)];
  for (let i = 0; i < 50; i++) {
    for (const [who, peer] of peers.entries()) await peer.send(`${who}:${i}`, port);
  }
  await eventually("all answers", () => peers.every((peer) => peer.received.length >= 50), {
    details: () => relay.describe(),
  });
  for (const [who, peer] of peers.entries()) {
    assertEquals(peer.texts, Array.from({ length: 50 }, (_, i) => `re ${who}:${i}`));
  }
  assertEquals(records.length, 2);
  for (const record of records) {
    assert(record.messages.every((message) => message instanceof ArrayBuffer), "all messages are binary");
    const texts = record.messages.map((message) => new TextDecoder().decode(message as ArrayBuffer));
    const who = texts[0]!.split(":")[0];
    assertEquals(texts, Array.from({ length: 50 }, (_, i) => `${who}:${i}`));
  }
});

acceptance("E50", "an empty and a large datagram are messages too", async (run) => {
  const port = run.port();
  const serverPort = run.port();
  const records = serveWebSockets(run, { port: serverPort });
  await run.serve([`udp-l:${port},fork`, `ws:127.0.0.1:${serverPort}`], { udp: port });
  const peer = new UdpPeer(run);
  const sizes = [0, 1, 65_507];
  for (const size of sizes) {
    await peer.send(new Uint8Array(size).fill(7), port);
    await eventually(`the answer to ${size} bytes`, () => peer.received.at(-1)?.length === size);
  }
  assertEquals(peer.received.length, 3);
  assertEquals(records[0]!.messages.map((message) => (message as ArrayBuffer).byteLength), sizes);
});

acceptance("E51", "path and subprotocol decide, and the backend hears of no refusal", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  const backend = serveStreams(run, { tcp: backendPort }, echo);
  await run.serve([`ws-l:127.0.0.1:${port}/chat,fork,protocol=v1`, `tcp:127.0.0.1:${backendPort}`], { tcp: port }, {
    stderr: "any",
  });
  assertEquals((await upgrade(run, port, "/other", ["Sec-WebSocket-Protocol: v1"])).status, 404);
  assertEquals((await upgrade(run, port, "/chat", ["Sec-WebSocket-Protocol: v2"])).status, 400);
  const plain = await fetch(`http://127.0.0.1:${port}/chat`);
  await plain.body?.cancel();
  assertEquals(plain.status, 426);
  const good = await upgrade(run, port, "/chat", ["Sec-WebSocket-Protocol: v0, v1"]);
  assertEquals(good.status, 101);
  assertMatch(good.head, /\r\nsec-websocket-protocol: v1\r\n/);
  assertEquals(backend.connections, 1);
});

acceptance("E52", "with the backend down the upgrade is refused with 502", async (run) => {
  const port = run.port();
  const args = [`ws-l:127.0.0.1:${port}/chat,fork,protocol=v1`, `tcp:127.0.0.1:${run.port()}`];
  const stderr = / E .*Connection refused/;
  const relay = await run.serve(args, { tcp: port }, { stderr });
  assertEquals((await upgrade(run, port, "/chat", ["Sec-WebSocket-Protocol: v1"])).status, 502);
  await relay.logs(stderr);
});

acceptance("E53", "a refused upgrade names the server's answer", async (run) => {
  const port = run.port();
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, () => new Response("no", { status: 404 }));
  run.defer(() => server.shutdown());
  const stderr = / E .*server answered 404 Not Found instead of 101/;
  const child = run.spawn(["-", `ws://127.0.0.1:${port}/nope`], { code: 1, stderr });
  await child.end();
  assertStringIncludes(child.stderr, "/nope");
});

acceptance("-1", "of several lines only the first becomes a message", async (run) => {
  assertEquals(await run.out(["-u", "-1", "-,lines", "STDOUT"], { input: "a\nb\nc" }), "a");
  const port = run.port();
  const server = await run.serve([`WS-LISTEN:${port},bind=127.0.0.1`, "ECHO"], { tcp: port });
  assertEquals(await run.out(["-1", "-", `ws://127.0.0.1:${port}/`], { input: "a\nb\nc" }), "a\n");
  await server.end();
});

acceptance("E54", "-n -1 waits for the one answer", async (run) => {
  const port = run.port();
  const records = serveWebSockets(run, {
    port,
    message: async (socket) => {
      await delay(2000);
      socket.send(`{"b":2}`);
    },
  });
  const child = run.spawn(["-n", "-1", "-", `ws://127.0.0.1:${port}/`], { input: `{"a":1}\n` });
  await stays("an end before the answer", 1000, () => !child.running);
  await child.end();
  assertEquals(child.stdout, `{"b":2}\n`);
  assertEquals(records[0]!.messages, [`{"a":1}`]);
});

/** A server that closes with code 1000 when the first message is there, and after that takes no message. */
function serveClosing(run: Run, port: number, last: string): { answered: () => boolean } {
  let answered = false;
  const server = Deno.serve({ port, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    socket.onmessage = () => {
      socket.onmessage = null;
      socket.send(last);
      socket.close(1000);
    };
    socket.onclose = ({ wasClean }) => answered = wasClean;
    return response;
  });
  run.defer(() => server.shutdown());
  return { answered: () => answered };
}

acceptance("ends", "a server that closes while we still send is an error, after its last words", async (run) => {
  const port = run.port();
  serveClosing(run, port, "last words");
  const stderr =
    / E ws:\/\/127\.0\.0\.1:\d+\/: closed by peer, code 1000 \(normal closure\); what is still to be sent is lost \(upstream\)/;
  const child = run.spawn(["-", `ws:127.0.0.1:${port}`], { openInput: true, code: 1, stderr });
  // Deno's server forgets its close frame when a second message comes along with the first.
  await child.write("first\n");
  await eventually("the last words", () => child.stdout !== "");
  while (child.running) {
    await child.write("more\n");
    await delay(20);
  }
  await child.end();
  assertEquals(child.stdout, "last words\n");
});

acceptance("ends", "a server that closes while we have nothing to send is an end", async (run) => {
  const port = run.port();
  const server = serveClosing(run, port, "last words");
  const child = run.spawn(["-", `ws:127.0.0.1:${port}`], { openInput: true });
  await child.write("only\n");
  await child.end();
  assertEquals(child.stdout, "last words\n");
  await eventually("the end of the closing handshake", server.answered);
});

acceptance("ends", "a session whose caller has closed and left ends although its upstream goes on", async (run) => {
  const port = run.port();
  const stderr = / W ws from .*: closed by peer, code 1000 \(normal closure\); what is still to be sent is lost/;
  const listener = await run.serve([`ws-l:127.0.0.1:${port},fork`, "SYSTEM:while echo tick; do sleep 0.05; done"], {
    tcp: port,
  }, { stderr });
  const { peer } = await upgrade(run, port, "/");
  await peer.text(2);
  await peer.send(new Uint8Array([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
  peer.close();
  await listener.logs(stderr);
});
