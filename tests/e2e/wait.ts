/** Waiting for what can be observed: a condition, a bound socket, an open file. Nothing here connects to a listener. */

/** Only tells a hang: what is slow is not wrong. */
export const defaultDeadlineMs = 60_000;
const pollMs = 10;

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Polls until `probe` gives something truthy and returns that; fails after `deadlineMs` with `what` and `details()`. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  { deadlineMs = defaultDeadlineMs, details = () => "" }: { deadlineMs?: number; details?: () => string } = {},
): Promise<Exclude<NonNullable<T>, false>> {
  const end = performance.now() + deadlineMs;
  while (true) {
    const value = await probe();
    if (value) return value as Exclude<NonNullable<T>, false>;
    if (performance.now() > end) throw new Error(`not seen within ${deadlineMs} ms: ${what}\n${details()}`);
    await delay(pollMs);
  }
}

/**
 * For what a case says about times of its own: tries `attempt` with ever longer ones, given in seconds, until one is right.
 * Their ratios stay, so that a wrong program fails all of them; a machine that had other things to do fails the short ones.
 */
export async function atSomePace(attempt: (seconds: number) => Promise<void>): Promise<void> {
  for (const seconds of [0.5, 1.5]) {
    try {
      return await attempt(seconds);
    } catch {
      // The next is slower.
    }
  }
  await attempt(4.5);
}

/** A promise that must settle within `deadlineMs`. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = defaultDeadlineMs): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${deadlineMs} ms: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a program binds, as the kernel's tables in `/proc/PID/net` show it. */
export type Bound =
  | { readonly tcp: number }
  | { readonly udp: number }
  /** A listening UNIX stream socket; a leading `@` means the abstract name space. */
  | { readonly unix: string }
  | { readonly unixDatagram: string };

async function table(pid: number | "self", name: string): Promise<string[][]> {
  try {
    const text = await Deno.readTextFile(`/proc/${pid}/net/${name}`);
    return text.split("\n").slice(1).map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

const inTable = (port: number) => ":" + port.toString(16).toUpperCase().padStart(4, "0");

/** For every TCP socket that is connected to `port`: how many bytes have arrived that its program has not read. */
export async function unreadFrom(port: number): Promise<number[]> {
  const rows = [...await table("self", "tcp"), ...await table("self", "tcp6")];
  // Columns: sl local remote st tx_queue:rx_queue.
  return rows.filter((row) => row[2]?.endsWith(inTable(port))).map((row) => parseInt(row[4]!.split(":")[1]!, 16));
}

async function inetBound(pid: number | "self", names: readonly string[], port: number, state?: string) {
  const suffix = inTable(port);
  for (const name of names) {
    const rows = await table(pid, name);
    if (rows.some((row) => row[1]?.endsWith(suffix) && (state === undefined || row[3] === state))) return true;
  }
  return false;
}

/** Whether a socket stands as described in the network namespace of `pid`. */
export async function isBound(bound: Bound, pid: number | "self" = "self"): Promise<boolean> {
  if ("tcp" in bound) return await inetBound(pid, ["tcp", "tcp6"], bound.tcp, "0A");
  if ("udp" in bound) return await inetBound(pid, ["udp", "udp6"], bound.udp);
  // Columns: Num RefCount Protocol Flags Type St Inode Path; flag 0x10000 is a listening socket, type 2 a datagram one.
  const rows = (await table(pid, "unix")).filter((row) => "unix" in bound ? row[3] === "00010000" : row[4] === "0002");
  const path = "unix" in bound ? bound.unix : bound.unixDatagram;
  if (rows.some((row) => row[7] === path)) return true;
  // A socket may have been bound under another name and then moved to its own.
  if (pid === "self" || !await Deno.lstat(path).then((found) => found.isSocket, () => false)) return false;
  const own: string[] = await descriptors(pid).catch(() => []);
  return rows.some((row) => row[7]?.startsWith("/") && own.includes(`socket:[${row[6]}]`));
}

/**
 * Waits until what was closed is bound no longer: a process that is started in the moment of the close holds it until it
 * has begun. Until then nobody else can have it, and who connects is neither refused nor served.
 */
export async function released(bound: Bound): Promise<void> {
  await eventually(`the release of ${JSON.stringify(bound)}`, async () => !await isBound(bound));
}

/** What the descriptors of a process point to, such as `socket:[123]` or a path. */
export async function descriptors(pid: number): Promise<string[]> {
  const targets: string[] = [];
  for await (const entry of Deno.readDir(`/proc/${pid}/fd`)) {
    // A descriptor may be closed between the two calls.
    const target = await Deno.readLink(`/proc/${pid}/fd/${entry.name}`).catch(() => null);
    if (target !== null) targets.push(target);
  }
  return targets;
}

/** How many descriptors of sockets, pipes and polls a process has: all but the runtime's own files. */
export async function openHandles(pid: number): Promise<number> {
  return (await descriptors(pid)).filter((target) => !target.startsWith("/")).length;
}

/** Resident memory of a process in bytes; `VmHWM` is its peak. */
export async function memory(pid: number, field: "VmRSS" | "VmHWM" = "VmRSS"): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const found = status.match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"));
  if (!found) throw new Error(`no ${field} in /proc/${pid}/status`);
  return Number(found[1]) * 1024;
}
