/**
 * Memory of idle TCP sessions: `deno run -A tests/e2e/idle_sessions.ts [sessions] [l7mp options]`. Starts l7mp as a
 * relay and as many sessions as its descriptors allow (two each), unless told how many; prints what one session costs.
 */

import { Child } from "./child.ts";
import { freePort, l7mp, measuredL7mp } from "./harness.ts";
import { eventually, isBound } from "./wait.ts";

/** Descriptors that l7mp and this program need for other things. */
const reserve = 100;

export interface IdleSessions {
  readonly sessions: number;
  /** Growth of resident memory by one session, both of its sockets counted, after garbage collection. */
  readonly bytesPerSession: number;
  /** The part of it that is objects of the program. */
  readonly heapBytesPerSession: number;
}

/** As many sessions as a process may have here: `ulimit -Hn`, and two descriptors for each. */
export async function possibleSessions(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  const descriptors = Number(limits.match(/^Max open files\s+\d+\s+(\d+)/m)?.[1]);
  return Math.floor((descriptors - reserve) / 2);
}

/** Opens `sessions` idle sessions through a relay started with `options`, and measures it. */
export async function measureIdleSessions(sessions: number, options: readonly string[] = []): Promise<IdleSessions> {
  const directory = await Deno.makeTempDir({ prefix: "l7mp-idle-" });
  const port = freePort();
  const backendPort = freePort();
  const env = { L7MP_E2E_MEMORY: `${directory}/memory` };
  const none = { stderr: "any" } as const;
  // The far end has a process of its own, for this one has as few descriptors as the relay.
  const backend = new Child(l7mp, [`TCP-L:${backendPort},fork,bind=127.0.0.1`, "PIPE"], none, {});
  const args = [...options, `TCP-L:${port},fork,bind=127.0.0.1`, `TCP:127.0.0.1:${backendPort}`];
  const relay = new Child(measuredL7mp, args, none, env);
  const clients: Deno.Conn[] = [];
  /** Opens sessions until there are `count`, a few at a time; each has carried a byte there and back. */
  const openUntil = async (count: number): Promise<void> => {
    while (clients.length < count) {
      const batch = Array.from({ length: Math.min(50, count - clients.length) }, async () => {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port });
        clients.push(conn);
        await conn.write(new Uint8Array(1));
        if (await conn.read(new Uint8Array(1)) !== 1) throw new Error(`no echo\n${relay.describe()}`);
      });
      await Promise.all(batch);
    }
  };
  const held = async (): Promise<Deno.MemoryUsage> => {
    relay.poke("SIGIO");
    const path = `${env.L7MP_E2E_MEMORY}.${relay.pid}`;
    const report = () => Deno.readTextFile(path).catch(() => "");
    const text = await eventually("the memory report", report);
    await Deno.remove(path);
    return JSON.parse(text);
  };
  try {
    await eventually("the listeners", async () => await isBound({ tcp: port }) && await isBound({ tcp: backendPort }));
    // What grows once (code, pools) is there after the first sessions.
    const first = Math.min(200, Math.ceil(sessions / 10));
    await openUntil(first);
    const before = await held();
    await openUntil(sessions);
    const after = await held();
    const each = (field: "rss" | "heapUsed") => (after[field] - before[field]) / (sessions - first);
    return { sessions, bytesPerSession: each("rss"), heapBytesPerSession: each("heapUsed") };
  } finally {
    for (const conn of clients) conn.close();
    for (const child of [relay, backend]) {
      child.kill("SIGKILL");
      await child.release();
    }
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const [count, ...options] = Deno.args;
  const most = await possibleSessions();
  const wanted = count === undefined ? most : Math.min(Number(count), most);
  const { sessions, bytesPerSession, heapBytesPerSession } = await measureIdleSessions(wanted, options);
  const [all, heap] = [bytesPerSession, heapBytesPerSession].map((bytes) => (bytes / 1024).toFixed(1));
  console.log(`${sessions} idle TCP sessions: ${all} KiB each, ${heap} of them heap (${most} sessions possible here)`);
}
