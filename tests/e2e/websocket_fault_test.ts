// Faults around WebSockets, in clear text and over TLS: peers that vanish, talk nonsense, take their time or reset.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import net from "node:net";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";
import { frame, sampleKey, textOpcode, upgradeAnswer, upgradeRequest } from "../support/raw_websocket.ts";
import { acceptance, eventually, type Run } from "./harness.ts";
import { connect, type Peer, serveStreams } from "./peers.ts";
import { delay, openHandles, unreadFrom } from "./wait.ts";

const certificates = makeCertificates();

/** A TCP connection that can be reset, after what it is given to write. */
async function resetAfter(port: number, ...writes: readonly Uint8Array[]): Promise<void> {
  const socket = net.connect({ host: "127.0.0.1", port });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await new Promise((resolve) => socket.once("connect", resolve));
  for (const bytes of writes) {
    const answered = new Promise((resolve) => socket.once("data", resolve));
    await new Promise((resolve) => socket.write(bytes, resolve));
    if (bytes !== writes.at(-1)) await answered;
  }
  // What was written has to be read before the reset, which overtakes it.
  await eventually("all to be read", async () => (await unreadFrom(socket.localPort!)).every((count) => count === 0));
  socket.resetAndDestroy();
  await closed;
}

/** Sends `bytes` one at a time, as long as the peer takes them. */
function trickle(run: Run, peer: Peer, bytes: Uint8Array): void {
  let stopped = false;
  const sending = (async () => {
    for (let i = 0; !stopped && i < bytes.length; i++) {
      await peer.send(bytes.subarray(i, i + 1));
      // Whoever had to wait for all of it would be late.
      await delay(1000);
    }
  })().catch(() => {});
  run.defer(async () => {
    stopped = true;
    await sending;
  });
}

acceptance("faults", "WS-LISTEN outlives bad callers, and serves the others meanwhile", async (run) => {
  const port = run.port();
  const relay = await run.serve([`ws-l:127.0.0.1:${port},fork`, "ECHO"], { tcp: port }, { stderr: "any" });
  const serves = async () => assertEquals(await run.out([`ws://127.0.0.1:${port}/`], { input: "a\n" }), "a\n");
  await serves();
  const before = await openHandles(relay.pid);

  const slow = await connect(run, { tcp: port });
  trickle(run, slow, upgradeRequest());
  await serves();

  const gone = await connect(run, { tcp: port });
  await gone.send(upgradeRequest().subarray(0, 40));
  gone.close();
  await relay.logs(/ W .*ws from AF=2 127\.0\.0\.1:\d+: closed before its request was complete/);

  await resetAfter(port, upgradeRequest().subarray(0, 40));
  await relay.logs(/ W .*Connection reset by peer/);

  const nonsense = await connect(run, { tcp: port });
  await nonsense.send(new Uint8Array([0x16, 3, 1, 2, 0, 0x0d, 0x0a, 0x0d, 0x0a]));
  assertMatch(await nonsense.restText(), /^HTTP\/1\.1 400 Bad Request\r\n/);
  nonsense.close();
  await relay.logs(/ W .*answered 400: this is TLS/);

  const message = frame(textOpcode, "x".repeat(1000), { mask: [1, 2, 3, 4] });
  await resetAfter(port, upgradeRequest(), message.subarray(0, 500));
  await relay.logs(/ E .*closed by peer, code 1006 .*Connection reset by peer/);

  await serves();
  slow.close();
  await eventually("release of all connections", async () => await openHandles(relay.pid) <= before, {
    details: () => relay.describe(),
  });
});

acceptance("faults", "WSS-LISTEN outlives bad callers below and above its TLS", async (run) => {
  const port = run.port();
  const cert = `cert=${certificates!.path("server-both.pem")},verify=0`;
  const args = [`wss-l:127.0.0.1:${port},fork,${cert}`, "ECHO"];
  const relay = await run.serve(args, { tcp: port }, { stderr: "any" });
  const url = `wss://localhost:${port}/,cafile=${certificates!.path("ca.pem")}`;
  const serves = async () => assertEquals(await run.out([url], { input: "a\n" }), "a\n");
  const secure = () => Deno.connectTls({ hostname: "localhost", port, caCerts: [certificates!.text("ca.pem")] });
  await serves();
  const before = await openHandles(relay.pid);

  await resetAfter(port, new Uint8Array([0x16, 3, 1, 2, 0]));
  await relay.logs(/ W .*Connection reset by peer/);
  const nonsense = await secure();
  await nonsense.write(new TextEncoder().encode("nonsense\r\n\r\n"));
  await relay.logs(/ W .*malformed request line/);
  nonsense.close();
  const gone = await secure();
  await gone.write(upgradeRequest().subarray(0, 40));
  gone.close();
  await relay.logs(/ W .*closed before its request was complete/);

  await serves();
  await eventually("release of all connections", async () => await openHandles(relay.pid) <= before, {
    details: () => relay.describe(),
  });
}, { skip: certificates === undefined ? noOpenssl : undefined });

for (
  const [what, options, answer, message] of [
    ["closes at once", "", async () => {}, /WebSocket handshake failed: the server closed the connection/],
    [
      "talks nonsense",
      "",
      (peer: Peer) => peer.send("SSH-2.0-x\r\n\r\n"),
      /ws:\/\/127\.0\.0\.1:\d+\/: the server's answer is not HTTP; is it a WebSocket server\?/,
    ],
    [
      "sends a byte now and then",
      ",connect-timeout=1",
      async (peer: Peer) => {
        for (const letter of "HTTP/1.1 101 Switching".padEnd(100, "s")) {
          await peer.send(letter);
          await delay(200);
        }
      },
      /after 1 s \(connect-timeout\)/,
    ],
    [
      "breaks off in a message",
      "",
      async (peer: Peer) => {
        await peer.send(await upgradeAnswer(await requestOf(peer)));
        await peer.send(frame(textOpcode, "Hello").subarray(0, 4));
      },
      /closed by peer, code 1006 /,
    ],
  ] as const
) {
  acceptance("faults", `WS names a server that ${what}`, async (run) => {
    const port = run.port();
    serveStreams(run, { tcp: port }, answer);
    const stderr = new RegExp(` E .*${message.source}`);
    const client = run.spawn(["-", `ws://127.0.0.1:${port}/${options}`], { openInput: true, code: 1, stderr });
    await client.end();
  });
}

async function requestOf(peer: Peer): Promise<string> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) head += await peer.text(1);
  assert(!head.includes(sampleKey));
  return head;
}
