/**
 * Memory of both ends of a tunnel while a fast sender offers 1 GiB to a consumer that reads nothing:
 * `deno run -A tests/e2e/stalled_tunnels.ts [seconds]` prints it for every carrier.
 */

import { makeCertificates } from "../support/certificates.ts";
import { Backend, type Carrier, carriers, newPlace, startTunnel } from "./carriers.ts";
import { type Bound, type Child, heldMemory, l7mp, Run, serveMeasured } from "./harness.ts";
import { connect, echo, type Peer } from "./peers.ts";
import { defaultDeadlineMs, delay, memory, within } from "./wait.ts";

export interface EndMemory {
  /** Growth of resident memory, garbage collected, in bytes. */
  readonly growth: number;
  /** Growth of what the program really uses of that. */
  readonly held: number;
  /** The same before anything is collected, at its peak. */
  readonly peakGrowth: number;
}

export interface StallResult {
  /** What the sender got rid of before it was held back, in bytes. */
  readonly taken: number;
  readonly entry: EndMemory;
  readonly exit: EndMemory;
}

const offered = 2 ** 30;
/** Several tunnels begin at the same time, and carry what they take before they are stuck. */
const beginningMs = 3 * defaultDeadlineMs;
/** With line ends, so that a framer of lines has something to cut. */
const block = new Uint8Array(65_000).map((_, i) => i % 1000 === 999 ? 10 : 120);

async function offer(peer: Peer, taken: (bytes: number) => void): Promise<void> {
  for (let sent = 0; sent < offered;) {
    await peer.send(block);
    taken(sent += block.length);
  }
}

/** Waits until a count has been the same for two seconds. */
async function settled(count: () => number): Promise<void> {
  let [last, since] = [0, performance.now()];
  while (last === 0 || performance.now() - since < 2000) {
    if (count() !== last) [last, since] = [count(), performance.now()];
    await delay(20);
  }
}

/** Who sends: a client, or the server behind the tunnel. */
export type Direction = "up" | "down";

/** Measures a tunnel with a session over `carrier` that is stuck in `direction` for `stallMs`. */
export async function measureStall(
  run: Run,
  carrier: Carrier,
  direction: Direction,
  stallMs: number,
): Promise<StallResult> {
  const backend = new Backend(run, echo);
  const start = (_: Run, args: readonly string[], bound: Bound) => serveMeasured(run, args, bound);
  const { port, entry, exit } = await startTunnel(run, carrier, newPlace(run), backend, start);
  const release = Promise.withResolvers<void>();
  const sending: Promise<void>[] = [];
  /** A session that gets stuck; gives what its sender got rid of. */
  const stuck = async () => {
    let taken = 0;
    const arrived = Promise.withResolvers<void>();
    const send = (peer: Peer) => void sending.push(offer(peer, (bytes) => taken = bytes).catch(() => {}));
    backend.handle = (peer) => {
      arrived.resolve();
      if (direction === "down") send(peer);
      return release.promise;
    };
    const client = await connect(run, { tcp: port });
    if (direction === "up") send(client);
    await within("the session's other end", arrived.promise, beginningMs);
    return { client, taken: () => taken };
  };
  // What grows once (code, buffers, the heap's young generation) is there after the first, which stays.
  const first = await stuck();
  await settled(first.taken);
  const ends = [entry, exit];
  const before = await Promise.all(ends.map((child) => settledMemory(run, child)));
  const second = await stuck();
  const peaks = [0, 0];
  for (const end = performance.now() + stallMs; performance.now() < end; await delay(100)) {
    for (const [i, { pid }] of ends.entries()) peaks[i] = Math.max(peaks[i]!, await memory(pid));
  }
  const after = await Promise.all(ends.map((child) => settledMemory(run, child)));
  const taken = second.taken();
  for (const child of ends) child.kill("SIGKILL");
  release.resolve();
  await backend.stop();
  for (const { client } of [first, second]) client.close();
  await Promise.all(sending);
  const endOf = (i: number) => ({
    growth: after[i]!.rss - before[i]!.rss,
    held: heldBy(after[i]!) - heldBy(before[i]!),
    peakGrowth: peaks[i]! - before[i]!.rss,
  });
  return { taken, entry: endOf(0), exit: endOf(1) };
}

/** What is collected at the first time has been given back at the second. */
async function settledMemory(run: Run, child: Child): Promise<Deno.MemoryUsage> {
  await heldMemory(run, child);
  await delay(100);
  return await heldMemory(run, child);
}

const heldBy = ({ heapUsed, external }: Deno.MemoryUsage) => heapUsed + external;

/** Stacks that only carry, besides those of the table. */
export function stackedCarriers(all: readonly Carrier[]): Carrier[] {
  const over = (name: string) => all.find((carrier) => carrier.name === name)!;
  const [tls, ws] = [over("TLS over TCP"), over("WebSocket over TCP")];
  return [
    ...all,
    {
      ...tls,
      name: "lines over TLS",
      listener: (place) => `${tls.listener(place)},lines`,
    },
    {
      ...ws,
      name: "compressed WebSocket over TCP",
      listener: (place) => `${ws.listener(place)},compress`,
      connector: (place) => `${ws.connector(place)},compress`,
    },
  ];
}

if (import.meta.main) {
  const stallMs = Number(Deno.args[0] ?? 60) * 1000;
  const all = stackedCarriers(carriers(makeCertificates()!)).filter(({ name }) =>
    Deno.args.length < 2 || Deno.args.slice(1).includes(name)
  );
  const print = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const grown = ({ growth, held, peakGrowth }: EndMemory) =>
    `${print(growth)} MiB (${print(held)} in use, at most ${print(peakGrowth)})`;
  const measure = async (carrier: Carrier, direction: Direction) => {
    await using run = await Run.begin(l7mp);
    const { taken, entry, exit } = await measureStall(run, carrier, direction, stallMs);
    console.log(`${carrier.name} ${direction}: ${print(taken)} MiB taken, entry ${grown(entry)}, exit ${grown(exit)}`);
  };
  for (let i = 0; i < all.length; i += 4) {
    const some = all.slice(i, i + 4);
    await Promise.all(some.flatMap((carrier) => [measure(carrier, "up"), measure(carrier, "down")]));
  }
}
