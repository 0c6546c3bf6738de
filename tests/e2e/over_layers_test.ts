// The acceptance examples again, over every way to carry a session: a table of cases and carriers.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import net from "node:net";
import {
  Backend,
  type Carrier,
  carriers,
  newPlace,
  type Place,
  startExit,
  startTunnel,
  type Tunnel,
} from "./carriers.ts";
import { eventually, l7mp, patience, Run, stays } from "./harness.ts";
import { connect, echo, Peer, UdpPeer } from "./peers.ts";
import { TunnelWatch } from "./tunnel_watch.ts";
import { atSomePace, delay, released, within } from "./wait.ts";
import { makeCertificates, noOpenssl } from "../support/certificates.ts";

/** A cell in progress. The tunnel is shared by all cells of a carrier, and stays as it is. */
interface Cell {
  readonly run: Run;
  readonly carrier: Carrier;
  readonly backend: Backend;
  readonly tunnel: Tunnel;
  /** Where the tunnel's carrier listens. */
  readonly place: Place;
  /** What the tunnel's ends must have logged at the end of the cell, in this order; nothing unless said. */
  expect(end: "entry" | "exit", ...lines: RegExp[]): void;
}

interface Case {
  readonly name: string;
  /** Why it makes no sense over this carrier. */
  skip?(carrier: Carrier): string | undefined;
  run(cell: Cell): Promise<void>;
}

const client = ({ run, tunnel }: Cell): Promise<Peer> => connect(run, { tcp: tunnel.port });

async function ask(cell: Cell, text: string): Promise<string> {
  const peer = await client(cell);
  await peer.send(text);
  await peer.endWrite();
  const answer = await peer.restText();
  peer.close();
  return answer;
}

const bytes = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => (i * 7) ^ (i >> 8));

/** A connection that can be reset, once it has read something. */
async function netClient(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket.on("error", () => {});
}

/** Resets every connection that has sent `bytes`. */
async function netServer(port: number, bytes: number): Promise<net.Server> {
  const server = net.createServer((socket) => {
    let seen = 0;
    socket.on("error", () => {});
    socket.write("half a mess");
    socket.on("data", ({ length }) => (seen += length) >= bytes && socket.resetAndDestroy());
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

const blockBytes = 2 ** 20;

/** Sends blocks that differ from each other and gives their checksum. */
async function pour(peer: Peer, total: number, seed: number): Promise<string> {
  const hash = createHash("sha1");
  const block = bytes(blockBytes);
  const view = new DataView(block.buffer);
  for (let sent = 0; sent < total; sent += blockBytes) {
    view.setUint32((sent / blockBytes) * 4, sent + seed);
    hash.update(block);
    await peer.send(block);
  }
  await peer.endWrite();
  return hash.digest("hex");
}

async function drain(peer: Peer): Promise<string> {
  const hash = createHash("sha1");
  const buffer = new Uint8Array(2 ** 19);
  for (let n = await peer.conn.read(buffer); n !== null; n = await peer.conn.read(buffer)) {
    hash.update(buffer.subarray(0, n));
  }
  return hash.digest("hex");
}

/** Sends until the peer is gone. */
async function sendForEver(peer: Peer): Promise<void> {
  const block = new Uint8Array(10_000);
  while (true) {
    await peer.send(block);
    await delay(1);
  }
}

const nonsense = "\0\x01 nonsense\r\n\r\n";

/** Reads until an error; an end is none. */
async function readUntilError(peer: Peer, seen: (bytes: number) => void = () => {}): Promise<Error> {
  const buffer = new Uint8Array(65_536);
  for (let all = 0;;) {
    try {
      const n = await peer.conn.read(buffer);
      if (n === null) return new Error(`a clean end after ${all} bytes`);
      seen(all += n);
    } catch (error) {
      return error as Error;
    }
  }
}

const isReset = (error: Error) => assert(error instanceof Deno.errors.ConnectionReset, `${error}`);
const noCutToTell = ({ tellsCuts }: Carrier) => tellsCuts ? undefined : "the system ends it like any other connection";
const noReset = ({ resets }: Carrier) => resets ? undefined : "it cannot be reset";

const cases: readonly Case[] = [
  {
    name: "E14 one line and its echo, listener without fork",
    async run({ run, carrier }) {
      const place = newPlace(run);
      carrier.prepare?.(run, place);
      const listener = await run.serve([`${carrier.listener(place)},${carrier.once}`, "ECHO"], carrier.bound(place));
      assertEquals(await run.out(["-", carrier.connector(place)], { input: "a\n" }), "a\n");
      await listener.end();
    },
  },
  {
    name: "E15 two clients at once",
    async run(cell) {
      const [a, b] = [await client(cell), await client(cell)];
      for (const [peer, text] of [[b, "from b"], [a, "from a"], [b, "b again"]] as const) {
        await peer.send(text);
        assertEquals(await peer.text(text.length), text);
      }
      for (const peer of [a, b]) {
        await peer.endWrite();
        assertEquals(await peer.restText(), "");
        peer.close();
      }
    },
  },
  {
    name: "E17 half-close, then the answer",
    async run(cell) {
      cell.backend.handle = async (peer) => {
        const lines = new TextDecoder().decode(await peer.rest()).trimEnd().split("\n");
        await peer.send(lines.sort().join("\n"));
        await peer.endWrite();
      };
      assertEquals(await ask(cell, "2\n1\n"), "1\n2");
    },
  },
  {
    name: "E18 the relay waits for a late answer",
    skip: ({ datagrams }) => datagrams ? "beside messages the linger is 0.5 s" : undefined,
    async run(cell) {
      cell.backend.handle = async (peer) => {
        await peer.rest();
        await delay(900);
        await peer.send("answer");
        await peer.endWrite();
      };
      assertEquals(await ask(cell, "question"), "answer");
    },
  },
  {
    name: "E19 every byte restarts the linger clock",
    async run({ run, carrier, backend }) {
      await atSomePace(async (lingerSeconds) => {
        const linger = ["-t", String(lingerSeconds)];
        // Not the common exit, for beside messages that has a linger of its own.
        const place = newPlace(run);
        carrier.prepare?.(run, place);
        await startExit(run, carrier, place, `tcp:127.0.0.1:${backend.port}`, (run, args, bound) => {
          return run.serve([...linger, ...args], bound, { stderr: "any" });
        });
        backend.handle = async (peer) => {
          await peer.rest();
          for (let i = 0; i < 3; i++) {
            await delay(lingerSeconds * 600);
            await peer.send(`line ${i}\n`);
          }
        };
        const out = await run.out([...linger, "-", carrier.connector(place)], { input: "x" });
        assertEquals(out, "line 0\nline 1\nline 2\n");
      });
    },
  },
  {
    name: "E20 inactivity ends the session with status 0",
    async run({ run, carrier, backend }) {
      const place = newPlace(run);
      carrier.prepare?.(run, place);
      await startExit(run, carrier, place, `tcp:127.0.0.1:${backend.port}`);
      backend.handle = async (peer) => void await peer.rest();
      const start = performance.now();
      await run.out(["-T", "0.3", "-", carrier.connector(place)], { openInput: true });
      const elapsed = performance.now() - start;
      assert(elapsed > 280, `took ${elapsed} ms`);
    },
  },
  {
    name: "E21 nobody listens",
    async run({ run, carrier }) {
      const place = newPlace(run);
      carrier.prepare?.(run, place);
      // Neither a retry nor a linger is waited for: both are longer than a program may take to end.
      const words = ["-t", patience, "-", `${carrier.connector(place)},interval=${patience}`];
      await run.out(words, { input: "x\n", code: 1, stderr: carrier.refused });
    },
  },
  {
    name: "E22 retries until the server is there",
    async run({ run, carrier }) {
      const place = newPlace(run);
      carrier.prepare?.(run, place);
      const options = { input: "x", stderr: "any" } as const;
      const caller = run.spawn(["-ddd", "-", `${carrier.connector(place)},retry=1000,interval=0.1`], options);
      await caller.logs(/trying again .*[^]*trying again /);
      await run.serve([`${carrier.listener(place)},fork`, "ECHO"], carrier.bound(place));
      await caller.end();
      assertEquals(caller.stdout, "x");
    },
  },
  {
    name: "E23 and E24 a peer out of range is refused, a second one waits",
    skip: ({ ip, name }) =>
      !ip ? "callers have no IP address" : name.includes("through") ? "the proxy calls" : undefined,
    async run(cell) {
      const { run, carrier, tunnel } = cell;
      const place = newPlace(run);
      const options = "fork,range=127.0.0.2/32,max-children=1";
      const listener = await run.serve([`${carrier.listener(place)},${options}`, "ECHO"], carrier.bound(place), {
        stderr: "any",
      });
      // Of another address, so that it is refused whatever it says.
      const refused = await connect(run, { tcp: place.port });
      await refused.send("PROXY UNKNOWN\r\n").catch(() => {});
      assertEquals(await refused.restText().catch(() => ""), "");
      await listener.logs(/ W refusing connection from AF=2 127\.0\.0\.1:\d+ due to range option/);
      assert(tunnel.entry.running);

      const caller = () => run.spawn(["-", `${carrier.connector(place)},bind=127.0.0.2`], { openInput: true });
      const first = caller();
      await first.write("1");
      await first.prints("1");
      const second = caller();
      await second.write("2");
      await stays("an answer while the first session is open", 600, () => second.stdout !== "");
      await first.endInput();
      await first.end();
      await second.prints("2");
      await second.endInput();
      await second.end();
      // One line for the one refused.
      assertEquals(listener.stderr.trim().split("\n").length, 1, listener.describe());
    },
  },
  {
    name: "E30 and E52 a backend that is gone costs its client only",
    async run(cell) {
      const { backend, carrier } = cell;
      await backend.stop();
      if (carrier.gone) cell.expect("entry", carrier.gone);
      cell.expect("exit", / E .*127\.0\.0\.1.*Connection refused/);
      const peer = await client(cell);
      // That it is over, not how: nothing of the backend has come.
      await readUntilError(peer);
      peer.close();
      backend.start();
      assertEquals(await ask(cell, "next"), "next");
    },
  },
  {
    name: "64 MiB each way at once, unchanged",
    async run(cell) {
      const total = 64 * 2 ** 20;
      const far = Promise.withResolvers<string[]>();
      // Where the near side fails first it is what is told.
      far.promise.catch(() => {});
      cell.backend.handle = (peer) => {
        const both = Promise.all([pour(peer, total, 7), drain(peer)]);
        both.then(far.resolve, far.reject);
        return both.then(() => {});
      };
      const peer = await client(cell);
      const [sent, seen] = await within("the traffic", Promise.all([pour(peer, total, 1), drain(peer)]), 60_000);
      assertEquals([seen, sent], await far.promise);
      peer.close();
    },
  },
  {
    name: "messages of 0, 1 and 60000 bytes keep their borders",
    skip: ({ datagrams }) => datagrams ? undefined : "it carries bytes",
    async run({ run, carrier }) {
      const [place, port] = [newPlace(run), run.port()];
      carrier.prepare?.(run, place);
      const far = new UdpPeer(run, { answer: (data) => data });
      await Promise.all([
        run.serve([`udp-l:127.0.0.1:${port},fork`, carrier.connector(place)], { udp: port }, { stderr: "any" }),
        startExit(run, carrier, place, `udp:127.0.0.1:${far.port}`),
      ]);
      const near = new UdpPeer(run);
      const messages = [0, 1, 60_000, 0, 0, 2].map(bytes);
      for (const [i, message] of messages.entries()) {
        await near.send(message, port);
        await eventually(`the answer to ${message.length} bytes`, () => near.received.length === i + 1);
      }
      assertEquals(near.received, messages);
      assertEquals(far.received, messages);
    },
  },
  {
    name: "a client that resets in the middle is no end for the backend",
    skip: noReset,
    async run(cell) {
      const seen = Promise.withResolvers<Error>();
      cell.backend.handle = async (peer) => {
        await peer.send(bytes(1000));
        seen.resolve(await readUntilError(peer));
      };
      cell.expect("entry", / E .*Connection reset by peer/);
      cell.expect("exit", / E /);
      const socket = await netClient(cell.tunnel.port);
      socket.write("half a mess");
      socket.once("data", () => socket.resetAndDestroy());
      isReset(await within("the backend's error", seen.promise));
    },
  },
  {
    name: "a backend that resets in the middle is no end for the client",
    skip: noReset,
    async run(cell) {
      cell.expect("entry", / E /);
      cell.expect("exit", / E .*Connection reset by peer/);
      await cell.backend.stop();
      const server = await netServer(cell.backend.port, 1000);
      try {
        const peer = await client(cell);
        // The answer has begun; before that HTTP would have one that tells of the reset.
        assertEquals(await peer.text(11), "half a mess");
        await peer.send(bytes(1000));
        isReset(await within("the client's error", readUntilError(peer)));
        peer.close();
      } finally {
        await new Promise((resolve) => server.close(resolve));
        await released({ tcp: cell.backend.port });
      }
    },
  },
  {
    name: "callers that leave, talk nonsense, dribble or reset cost nobody else anything",
    skip: ({ shakesHands }) => shakesHands ? undefined : "there is no handshake to break",
    async run(cell) {
      const { run, carrier, place, tunnel: { exit } } = cell;
      const bound = carrier.bound(place);
      const where = "unix" in bound ? { unix: bound.unix } : { tcp: place.port };
      const call = () => connect(run, where);
      const lines = () => exit.stderr.split("\n").filter((line) => / [EW] /.test(line)).length;
      const before = lines();
      let told = 0;
      const isTold = () =>
        eventually("a line about the caller", () => lines() >= before + told, { details: () => exit.describe() });

      const dribbling = await call();
      await dribbling.send(carrier.greeting.subarray(0, 1));
      for (const words of [carrier.greeting.subarray(0, 3), new TextEncoder().encode(nonsense)]) {
        const peer = await call();
        await peer.send(words);
        // Of nonsense it is told at once; who says too little must leave before that is clear.
        if (words.length === 3) peer.close();
        told++;
        await isTold();
        peer.close();
        assertEquals(await ask(cell, "next"), "next");
      }
      if ("tcp" in where) {
        const socket = await netClient(place.port);
        await new Promise((resolve) => socket.write(carrier.greeting.subarray(0, 3), resolve));
        socket.resetAndDestroy();
        told++;
        await isTold();
        assertEquals(await ask(cell, "next"), "next");
      }
      await dribbling.send(carrier.greeting.subarray(1, 2));
      dribbling.close();
      told++;
      await isTold();
      cell.expect("exit", ...Array(told).fill(carrier.badCaller));
    },
  },
  {
    name: "a peer killed in the middle is no end for the other",
    skip: noCutToTell,
    async run({ run, carrier, backend }) {
      const place = newPlace(run);
      const { port, entry, exit } = await startTunnel(run, carrier, place, backend);
      const call = () => connect(run, { tcp: port });
      backend.handle = sendForEver;
      const reader = await call();
      const failing = readUntilError(reader, (seen) => seen > 100_000 && exit.kill("SIGKILL"));
      isReset(await within("the client's error", failing));
      reader.close();
      await entry.logs(carrier.cut);

      await exit.end();
      const again = await startExit(run, carrier, place, `tcp:127.0.0.1:${backend.port}`);
      backend.handle = echo;
      const talker = await call();
      await talker.send("next");
      assertEquals(await talker.text(4), "next");
      talker.close();

      const failed = Promise.withResolvers<Error>();
      backend.handle = async (peer) => {
        failed.resolve(await readUntilError(peer, (seen) => seen > 100_000 && entry.kill("SIGKILL")));
      };
      const sender = await call();
      await sendForEver(sender).catch(() => {});
      sender.close();
      isReset(await within("the backend's error", failed.promise));
      await again.logs(/ E /);
    },
  },
];

async function runCell(fields: Omit<Cell, "expect">, { run }: Case, watch: TunnelWatch): Promise<void> {
  const expected: { entry: RegExp[]; exit: RegExp[] } = { entry: [], exit: [] };
  fields.backend.handle = echo;
  watch.mark();
  try {
    await run({
      ...fields,
      expect: (end, ...lines) => void expected[end].push(...lines),
    });
    await watch.check([expected.entry, expected.exit]);
  } finally {
    fields.backend.start();
  }
}

const certificates = makeCertificates();

for (const carrier of certificates ? carriers(certificates) : []) {
  Deno.test(`over ${carrier.name}`, async (t) => {
    await using run = await Run.begin(l7mp);
    const backend = new Backend(run, echo);
    const place = newPlace(run);
    const tunnel = await startTunnel(run, carrier, place, backend);
    const shared = { run, carrier, backend, place, tunnel };
    // What is opened once, at the first session, is there after this.
    assertEquals(await ask({ ...shared, expect() {} }, "first"), "first");
    const watch = await TunnelWatch.begin(tunnel);
    for (const item of cases) {
      const skip = item.skip?.(carrier);
      await t.step({
        name: `${item.name} over ${carrier.name}${skip === undefined ? "" : ` (skipped: ${skip})`}`,
        ignore: skip !== undefined,
        fn: () => runCell(shared, item, watch),
      });
    }
    await run.finish();
  });
}

if (certificates === undefined) {
  Deno.test({ name: `over layers (skipped: ${noOpenssl})`, ignore: !certificates, fn() {} });
}
