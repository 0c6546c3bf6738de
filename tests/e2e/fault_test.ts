// Faults: killed peers, full disks, closed outputs, crowds, and bulk data with bounded memory.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess } from "@std/assert";
import { createHash } from "node:crypto";
import { acceptance, eventually, socat } from "./harness.ts";
import { connect, echo, type Peer, serveStreams } from "./peers.ts";
import { absent } from "./programs.ts";
import { memory, openHandles } from "./wait.ts";

const needsSocat = absent("socat");

/** Reads and writes for as long as it can; counts what came. */
async function saturate(peer: Peer, seen: { bytes: number }): Promise<void> {
  const chunk = new Uint8Array(65_536);
  const writing = (async () => {
    while (true) await peer.send(chunk);
  })().catch(() => {});
  const reading = (async () => {
    const buffer = new Uint8Array(65_536);
    while (true) {
      const n = await peer.conn.read(buffer);
      if (n === null) break;
      seen.bytes += n;
    }
  })().catch(() => {});
  await reading;
  peer.close();
  await writing;
}

acceptance("fault", "upstream killed while both directions run ends only that session", async (run) => {
  const port = run.port();
  const upstreamPort = run.port();
  const serveUpstream = () =>
    run.serve([`TCP-L:${upstreamPort},reuseaddr`, "OPEN:/dev/zero"], { tcp: upstreamPort }, { program: socat });
  const relay = await run.serve([`TCP-L:${port},fork`, `TCP:127.0.0.1:${upstreamPort}`], { tcp: port }, {
    stderr: "any",
  });
  const before = await openHandles(relay.pid);
  for (let round = 0; round < 2; round++) {
    const upstream = await serveUpstream();
    const seen = { bytes: 0 };
    const client = saturate(await connect(run, { tcp: port }), seen);
    await eventually("traffic", () => seen.bytes > 10_000_000, { details: () => relay.describe() });
    upstream.kill("SIGKILL");
    await upstream.end();
    await client;
    await eventually("release of both sockets", async () => await openHandles(relay.pid) === before, {
      details: () => relay.describe(),
    });
  }
  const errors = relay.stderr.split("\n").filter((line) => line !== "");
  assert(errors.length <= 2 && errors.every((line) => line.includes(" E ")), relay.describe());
}, { skip: needsSocat });

acceptance("fault", "client killed while both directions run ends only that session", async (run) => {
  const port = run.port();
  const upstreamPort = run.port();
  let upstreamEnded = 0;
  serveStreams(run, { tcp: upstreamPort }, async (peer) => {
    await saturate(peer, { bytes: 0 });
    upstreamEnded++;
  });
  const relay = await run.serve([`TCP-L:${port},fork`, `TCP:127.0.0.1:${upstreamPort}`], { tcp: port }, {
    stderr: "any",
  });
  const before = await openHandles(relay.pid);
  const client = run.spawn([`TCP:127.0.0.1:${port}`, "OPEN:/dev/zero"], { program: socat });
  await eventually("traffic", async () => /rchar: \d{8}/.test(await Deno.readTextFile(`/proc/${client.pid}/io`)));
  client.kill("SIGKILL");
  await client.end();
  await eventually("end at the upstream", () => upstreamEnded === 1, { details: () => relay.describe() });
  await eventually("release of both sockets", async () => await openHandles(relay.pid) === before, {
    details: () => relay.describe(),
  });
}, { skip: needsSocat });

acceptance("fault", "what a killed program leaves does not look complete", async (run) => {
  const port = run.port();
  const stderr = / E child \d+ exited on signal 9 \(upstream; session cli-1 /;
  await run.serve([`TCP-L:${port},fork`, "SYSTEM:echo half; kill -9 $$"], { tcp: port }, { stderr });
  const peer = await connect(run, { tcp: port });
  const error = await peer.restText().catch((error) => error);
  assert(error instanceof Deno.errors.ConnectionReset, `looks complete: ${error}`);
});

acceptance("fault", "a full disk is an error", async (run) => {
  const options = { input: "x", redirect: ">/dev/full", code: 1, stderr: / E .*No space left on device/ };
  await run.out(["-u", "-", "STDOUT"], options);
  await run.out(["-u", "-", "OPEN:/dev/full,wronly"], { input: "x", code: 1, stderr: options.stderr });
}, { socat: "any" });

acceptance("fault", "a closed standard output ends the session with an error", async (run) => {
  const child = run.spawn(["-u", "OPEN:/dev/zero", "STDOUT"], {
    rawOutput: true,
    code: 1,
    stderr: / E .*Broken pipe/,
  });
  const reader = child.stdoutStream.getReader();
  assert(!(await reader.read()).done);
  await reader.cancel();
  reader.releaseLock();
  await child.end();
});

acceptance("fault", "| head -1 ends the whole pipeline", async (run) => {
  const file = run.path("lines");
  await Deno.writeTextFile(file, "line\n".repeat(200_000));
  const args = ["-u", `OPEN:${file}`, "STDOUT"];
  const child = run.spawn(args, { redirect: `| head -1`, stderr: "any" });
  await child.end();
  assertEquals(child.stdout, "line\n");
}, { socat: "any" });

acceptance("fault", "500 connections at once are each answered", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  serveStreams(run, { tcp: backendPort }, echo);
  await run.serve([`TCP-L:${port},fork`, `TCP:127.0.0.1:${backendPort}`], { tcp: port });
  const answers = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    const client = await connect(run, { tcp: port });
    await client.send(`client ${i}`);
    await client.endWrite();
    const answer = await client.restText();
    client.close();
    return answer;
  }));
  assertEquals(answers, Array.from({ length: 500 }, (_, i) => `client ${i}`));
});

const gibibyte = 2 ** 30;
const block = 2 ** 20;

/** Blocks that differ from each other, so that a lost, repeated or exchanged one changes the checksum. */
async function produce(total: number, write: (bytes: Uint8Array) => Promise<void>): Promise<string> {
  const hash = createHash("sha1");
  const data = new Uint8Array(block);
  for (let i = 0; i < block; i += 65_536) crypto.getRandomValues(data.subarray(i, i + 65_536));
  const view = new DataView(data.buffer);
  for (let sent = 0; sent < total; sent += block) {
    view.setUint32((sent / block) % 1000, sent / block);
    hash.update(data);
    await write(data);
  }
  return hash.digest("hex");
}

/** Reads to the end; gives the checksum and the highest resident memory, looked at every 32 MiB after the first. */
async function consume(
  chunks: AsyncIterable<Uint8Array>,
  look: () => Promise<number>,
): Promise<{ hash: string; bytes: number; first: number; highest: number }> {
  const hash = createHash("sha1");
  let [bytes, next, first, highest] = [0, 2 ** 25, 0, 0];
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes < next || bytes >= gibibyte) continue;
    next += 2 ** 25;
    const now = await look();
    first ||= now;
    highest = Math.max(highest, now);
  }
  return { hash: hash.digest("hex"), bytes, first, highest };
}

for (const [what, args] of [["standard streams", ["-u", "-", "STDOUT"]], ["a program", ["-", "EXEC:cat"]]] as const) {
  acceptance("bulk", `1 GiB through ${what}, unchanged, in bounded memory`, async (run) => {
    const child = run.spawn(args, { openInput: true, rawOutput: true });
    const sending = produce(gibibyte, (bytes) => child.write(bytes)).finally(() => child.endInput());
    const got = await consume(child.stdoutStream, () => memory(child.pid));
    assertEquals(got.bytes, gibibyte);
    assertEquals(got.hash, await sending);
    assertLess(got.highest - got.first, 64 * 2 ** 20, `grew from ${got.first} to ${got.highest}`);
    await child.end();
  });
}

acceptance("bulk", "1 GiB through TCP, unchanged, in bounded memory", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  let sending: Promise<string> | undefined;
  serveStreams(run, { tcp: backendPort }, async (peer) => {
    sending = produce(gibibyte, (bytes) => peer.send(bytes));
    await sending;
  });
  const relay = await run.serve([`TCP-L:${port},fork`, `TCP:127.0.0.1:${backendPort}`], { tcp: port });
  const client = await connect(run, { tcp: port });
  const chunks = async function* () {
    const buffer = new Uint8Array(2 ** 19);
    while (true) {
      const n = await client.conn.read(buffer);
      if (n === null) return;
      yield buffer.subarray(0, n);
    }
  };
  const got = await consume(chunks(), () => memory(relay.pid));
  assertEquals(got.bytes, gibibyte);
  assertEquals(got.hash, await sending);
  assertLess(got.highest - got.first, 64 * 2 ** 20, `grew from ${got.first} to ${got.highest}`);
  client.close();
});

acceptance("bulk", "a reader that stops holds the sender back", async (run) => {
  const port = run.port();
  const backendPort = run.port();
  let sent = 0;
  serveStreams(run, { tcp: backendPort }, async (peer) => {
    const chunk = new Uint8Array(2 ** 20);
    while (sent < 512 * chunk.length) {
      await peer.send(chunk);
      sent += chunk.length;
    }
  });
  const relay = await run.serve([`TCP-L:${port},fork`, `TCP:127.0.0.1:${backendPort}`], { tcp: port }, {
    stderr: "any",
  });
  const before = await memory(relay.pid);
  const client = await connect(run, { tcp: port });
  let last = -1;
  let since = performance.now();
  await eventually("a sender that waits", () => {
    if (sent !== last) {
      last = sent;
      since = performance.now();
    }
    return sent > 0 && performance.now() - since > 500;
  });
  // What the kernel keeps for two connections, and our own buffers: far from the 512 MiB it wants to send.
  assertLess(sent, 64 * 2 ** 20);
  assertLess(await memory(relay.pid) - before, 64 * 2 ** 20);
  client.close();
});
