/** Finds out who has a port, for the message that it is in use. Linux only; elsewhere, and of others' processes, nobody. */

/** Tables of sockets, and the state of one that has its port for itself: LISTEN, and unconnected. */
const tables = { tcp: { files: ["tcp", "tcp6"], state: "0A" }, udp: { files: ["udp", "udp6"], state: "07" } } as const;

/** `pid 123 (nginx)`; undefined where it cannot be told, or is not one process. */
export async function ownerOf(port: number, network: keyof typeof tables): Promise<string | undefined> {
  const { files, state } = tables[network];
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const links = new Set<string>();
  for (const file of files) {
    const text = await Deno.readTextFile(`/proc/net/${file}`).catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      // sl, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode.
      const [, local, , now, , , , , , inode] = line.trim().split(/\s+/);
      if (now === state && local?.endsWith(wanted)) links.add(`socket:[${inode}]`);
    }
  }
  if (links.size === 0) return undefined;
  const owners: string[] = [];
  for (const { name } of await entries("/proc")) if (/^\d+$/.test(name) && await holds(name, links)) owners.push(name);
  const [pid] = owners;
  if (owners.length !== 1) return undefined;
  const program = await Deno.readTextFile(`/proc/${pid}/comm`).catch(() => "");
  return `pid ${pid} (${program.trim()})`;
}

async function holds(pid: string, links: ReadonlySet<string>): Promise<boolean> {
  for (const { name } of await entries(`/proc/${pid}/fd`)) {
    const link = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    if (links.has(link)) return true;
  }
  return false;
}

/** None where it is gone or not ours to see. */
async function entries(folder: string): Promise<Deno.DirEntry[]> {
  return await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
}
