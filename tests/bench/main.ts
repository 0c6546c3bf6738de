/**
 * `deno task bench [--rounds=N] [--seconds=N] [--without=NAME,NAME] [WORK ...]`: l7mp and the installed peers do the same work, in turn, several
 * times; what counts is the ratio of medians. Writes results/bench.json beside this file.
 */
import { measureIdleSessions, possibleSessions } from "../e2e/idle_sessions.ts";
import { Background, bound, freePort } from "./processes.ts";
import { fromFileUrl } from "./paths.ts";
import { type Relay, relays, type Transport } from "./relays.ts";

interface Work {
  readonly name: string;
  readonly unit: string;
  readonly transport: Transport;
  readonly server: string;
  readonly client: string;
  /** The figure, from what the two ends printed. */
  figure(server: Record<string, number>, client: Record<string, number>): number;
}

const works: readonly Work[] = [
  {
    name: "udp",
    unit: "k packets/s",
    transport: "udp",
    server: "udp-sink",
    client: "udp-flood",
    figure: ({ packets = 0, seconds = 1 }) => packets / seconds / 1000,
  },
  {
    name: "tcp-bulk",
    unit: "Gbit/s",
    transport: "tcp",
    server: "tcp-sink",
    client: "tcp-source",
    figure: ({ bytes = 0, seconds = 1 }) => bytes * 8 / seconds / 1e9,
  },
  {
    name: "tcp-requests",
    unit: "k requests/s",
    transport: "tcp",
    server: "tcp-echo",
    client: "tcp-requests",
    figure: (_server, { requests = 0, seconds = 1 }) => requests / seconds / 1000,
  },
];

async function measure(work: Work, relay: Relay, seconds: number): Promise<number | undefined> {
  const directory = await Deno.makeTempDir({ prefix: "l7mp-bench-" });
  try {
    const [listen, target] = [freePort(), freePort()];
    const command = relay.command(work.transport, listen, target, directory);
    if (!command || !await installed(command[0]!)) return undefined;
    const load = (role: string, port: number) =>
      new Background([Deno.execPath(), "run", "-A", fromFileUrl("load.ts"), role, String(port), String(seconds)]);
    await using server = load(work.server, target);
    await bound(target, work.transport);
    await using _relay = new Background(command);
    await bound(listen, work.transport);
    await using client = load(work.client, listen);
    const sent = await client.result<Record<string, number>>();
    return work.figure(await server.result<Record<string, number>>(), sent);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function installed(program: string): Promise<boolean> {
  if (program.includes("/")) return true;
  const { success } = await new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" }).output();
  return success;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

function option(name: string, fallback: number): number {
  const given = Deno.args.find((arg) => arg.startsWith(`--${name}=`));
  return given ? Number(given.split("=")[1]) : fallback;
}

const rounds = option("rounds", 3);
const seconds = option("seconds", 2);
const without = Deno.args.find((arg) => arg.startsWith("--without="))?.split("=")[1]?.split(",") ?? [];
const wanted = Deno.args.filter((arg) => !arg.startsWith("--"));
const results: Record<string, Record<string, { median: number; all: number[] }>> = {};
for (const work of works.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const figures = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const relay of relays.filter(({ name }) => !without.includes(name))) {
      const figure = await measure(work, relay, seconds);
      if (figure !== undefined) figures.set(relay.name, [...figures.get(relay.name) ?? [], figure]);
    }
  }
  const peers = [...figures].filter(([name]) => !name.startsWith("l7mp"));
  const best = Math.max(...peers.map(([, all]) => median(all)));
  console.log(`\n${work.name} (${work.unit}; median of ${rounds}; ratio to the best peer)`);
  results[work.name] = {};
  for (const [name, all] of figures) {
    const middle = median(all);
    results[work.name]![name] = { median: middle, all };
    console.log(`  ${name.padEnd(16)} ${middle.toFixed(1).padStart(8)}   ${(middle / best).toFixed(2)}`);
  }
}
if (wanted.length === 0 || wanted.includes("idle-sessions")) {
  const sessions = await possibleSessions();
  console.log(`\nidle-sessions (KiB each, of ${sessions})`);
  results["idle-sessions"] = {};
  for (const driver of ["native", "portable"]) {
    const { bytesPerSession } = await measureIdleSessions(sessions, [`--driver=${driver}`]);
    const figure = bytesPerSession / 1024;
    results["idle-sessions"]![`l7mp ${driver}`] = { median: figure, all: [figure] };
    console.log(`  ${`l7mp ${driver}`.padEnd(16)} ${figure.toFixed(1).padStart(8)}`);
  }
}
const directory = fromFileUrl("results");
await Deno.mkdir(directory, { recursive: true });
await Deno.writeTextFile(`${directory}/bench.json`, JSON.stringify(results, null, 2) + "\n");
