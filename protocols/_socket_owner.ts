/** Finds out who has a socket, for the message that its address is in use. Elsewhere than on Linux, and of others: nobody. */
import type { SocketAddress } from "../lib/stream/stream.ts";

export type Network = "tcp" | "udp" | "unix";

/**
 * `pid 123 (nginx)`, of a process and its children the first: between its two steps of starting a program, too, a child has
 * all that its parent has. Undefined where it cannot be told, or is not one process.
 */
export async function ownerOf(address: SocketAddress, network: Network): Promise<string | undefined> {
  const inodes = address.family === "unix" ? await socketsAt(address.path) : await socketsOn(address.port, network);
  if (inodes.length === 0) return undefined;
  const links = new Set(inodes.map((inode) => `socket:[${inode}]`));
  /** The parent of each that has it. */
  const owners = new Map<string, string>();
  for (const { name } of await entries("/proc")) {
    if (!/^\d+$/.test(name) || !(await holds(name, links))) continue;
    const parent = await parentOf(name);
    if (parent !== undefined) owners.set(name, parent);
  }
  const [pid, another] = [...owners.keys()].filter((name) => !owners.has(owners.get(name)!));
  if (pid === undefined || another !== undefined) return undefined;
  const program = await Deno.readTextFile(`/proc/${pid}/comm`).catch(() => "");
  return `pid ${pid} (${program.trim()})`;
}

/** The inodes of those that have a port for themselves: their state is LISTEN, or for UDP unconnected. */
async function socketsOn(port: number, network: Network): Promise<string[]> {
  const [state, ...tables] = network === "udp" ? ["07", "udp", "udp6"] : ["0A", "tcp", "tcp6"];
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes: string[] = [];
  for (const table of tables) {
    for (const line of await linesOf(table)) {
      // sl, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode.
      const [, local, , now, , , , , , inode] = line.trim().split(/\s+/);
      if (now === state && local?.endsWith(wanted)) inodes.push(inode!);
    }
  }
  return inodes;
}

/** Columns of the table of UNIX sockets: a flag of those that listen, and SOCK_DGRAM. */
const listening = 0x10000;
const datagrams = "0002";

/** The inodes of those that are bound to a path, or to a name that begins with `@`. */
async function socketsAt(path: string): Promise<string[]> {
  const names = /^[/@]/.test(path) ? [path] : [path, `${Deno.cwd()}/${path}`];
  const inodes: string[] = [];
  for (const line of await linesOf("unix")) {
    // Number, references, protocol, flags, type, state, inode, path. An accepted connection has its listener's path.
    const [, flags = "", type, inode, name = ""] = /^(?:\S+\s+){3}(\S+) (\S+) \S+\s+(\d+) (.+)$/.exec(line) ?? [];
    const isOpen = (parseInt(flags, 16) & listening) !== 0 || type === datagrams;
    if (isOpen && names.includes(name)) inodes.push(inode!);
  }
  return inodes;
}

async function linesOf(table: string): Promise<string[]> {
  const text = await Deno.readTextFile(`/proc/net/${table}`).catch(() => "");
  return text.split("\n").slice(1);
}

/** How many descriptors are looked at in one go, lowest first: what listens was opened before what it has accepted. */
const atOnce = 1000;

async function holds(pid: string, links: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await entries(`/proc/${pid}/fd`);
  // Not one promise each: the message that the address is in use waits for all of them.
  for (let at = 0; at < descriptors.length; at += atOnce) {
    if (at > 0) await new Promise((resolve) => setTimeout(resolve));
    const some = descriptors.slice(at, at + atOnce);
    if (some.some(({ name }) => links.has(linkOf(`/proc/${pid}/fd/${name}`)))) return true;
  }
  return false;
}

/** Where a link leads; empty where it is gone or not ours to see. */
function linkOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

/** Undefined where the process is gone. */
async function parentOf(pid: string): Promise<string | undefined> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return /^PPid:\s+(\d+)$/m.exec(status)?.[1];
}

/** None where it is gone or not ours to see. */
async function entries(folder: string): Promise<Deno.DirEntry[]> {
  return await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
}
