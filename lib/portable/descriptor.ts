/** Descriptors that were open before us, as far as the runtime can see and reopen them. */
import type { AdoptOptions, DescriptorKind } from "../driver.ts";
import { ConnectError, StreamError, systemFault } from "../errors.ts";
import { type Handle, HandleStream } from "../stream/handle_stream.ts";
import type { ByteStream, Stream, StreamInfo } from "../stream/stream.ts";
import { unavailable } from "./refusals.ts";
import { adoptSocket } from "./node_socket.ts";
import type { OwnedSet } from "./owned.ts";

const linux = Deno.build.os === "linux";

function pathOf(fd: number): string {
  return linux ? `/proc/self/fd/${fd}` : `/dev/fd/${fd}`;
}

/** As `Driver.descriptorKind`. */
export function descriptorKind(fd: number): DescriptorKind {
  let found: Deno.FileInfo;
  const closed = () =>
    new ConnectError(`fstat(descriptor ${fd}): Bad file descriptor`, { code: "EBADF", retryable: false });
  try {
    found = Deno.statSync(pathOf(fd));
  } catch (error) {
    throw error instanceof Deno.errors.NotFound ? closed() : error;
  }
  // What the runtime has opened for itself is closed on exec; what was open before us has just survived one.
  if (linux && (openFlags(fd) & closeOnExec) !== 0) throw closed();
  if (found.isDirectory) return "directory";
  if (found.isFile || found.isBlockDevice) return "file";
  if (found.isFifo) return "pipe";
  if (found.isSocket) return isDatagramSocket(found.ino) ? "datagram-socket" : "stream-socket";
  return isTerminal(fd) ? "terminal" : "other";
}

/** As `Driver.descriptorAccess`. */
export function descriptorAccess(fd: number): "read" | "write" | "both" {
  if (!linux) return "both";
  // O_ACCMODE, O_RDONLY and O_WRONLY.
  const access = openFlags(fd) & 3;
  return access === 0 ? "read" : access === 1 ? "write" : "both";
}

function isTerminal(fd: number): boolean {
  const standard = [Deno.stdin, Deno.stdout, Deno.stderr][fd];
  return standard ? standard.isTerminal() : linux && /^\/dev\/(pts\/|tty)/.test(Deno.readLinkSync(pathOf(fd)));
}

/** Linux lists its sockets by inode; elsewhere a socket counts as a stream. */
function isDatagramSocket(inode: number | null): boolean {
  if (!linux || inode === null) return false;
  const lists = ["udp", "udp6"].some((name) =>
    tableOf(name).some((line) => line.trim().split(/\s+/)[9] === String(inode))
  );
  const dgram = "0002";
  return lists || tableOf("unix").some((line) => {
    const columns = line.trim().split(/\s+/);
    return columns[6] === String(inode) && columns[4] === dgram;
  });
}

function tableOf(name: string): string[] {
  try {
    return Deno.readTextFileSync(`/proc/self/net/${name}`).split("\n");
  } catch {
    return [];
  }
}

/**
 * As `Driver.adoptDescriptor`. The runtime cannot use a foreign descriptor itself, so files, pipes and terminals are
 * opened once more; the descriptor stays open until the process ends.
 */
export function adoptDescriptor(fd: number, options: AdoptOptions, owned: OwnedSet): Stream {
  const kind = descriptorKind(fd);
  const info: StreamInfo = { protocol: "FD", name: options.name, descriptors: [fd, fd] };
  switch (kind) {
    case "directory":
      throw new StreamError(`read(${options.name}): Is a directory`, { code: "EISDIR" });
    case "datagram-socket":
      throw unavailable(`${options.name} is a datagram socket, which`);
    case "stream-socket":
      if (options.shared) throw unavailable(`${options.name} is a socket; sharing it among sessions`);
      return openLater(() => adoptSocket(fd, { ...info, halfCloses: true }, owned), info);
    default: {
      const direction = options.direction === "both" ? descriptorAccess(fd) : options.direction;
      const handle = fd <= 2 ? standardHandle(fd) : reopen(fd, kind, { ...options, direction });
      return new HandleStream(handle, info, direction);
    }
  }
}

function standardHandle(fd: number): Handle {
  const output = fd === 2 ? Deno.stderr : Deno.stdout;
  return { read: (buffer) => Deno.stdin.read(buffer), write: (bytes) => output.write(bytes), close() {} };
}

function reopen(fd: number, kind: DescriptorKind, { name, direction }: AdoptOptions): Handle {
  const { position, appends } = placeOf(fd);
  const write = direction !== "read";
  // Whoever shares the file would not see its position move, and would write over what we wrote.
  if (kind === "file" && write && !appends) {
    throw unavailable(`${name} is a file that is not open for appending; writing to it at its shared position`);
  }
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(pathOf(fd), { read: direction !== "write", write, append: write && appends });
    if (kind === "file" && position > 0) file.seekSync(position, Deno.SeekMode.Start);
  } catch (error) {
    const { code, text } = systemFault(error);
    throw new ConnectError(`open(${name}): ${text}`, { code, cause: error });
  }
  return {
    read: (buffer) => file.read(buffer),
    write: (bytes) => file.write(bytes),
    endWrite: direction === "write" ? () => {} : undefined,
    close: () => file.close(),
  };
}

/** Offset and O_APPEND of an open file, which only Linux tells. */
function placeOf(fd: number): { position: number; appends: boolean } {
  if (!linux) return { position: 0, appends: false };
  const position = /^pos:\s+(\d+)/m.exec(descriptorFacts(fd))?.[1];
  return { position: Number(position ?? 0), appends: (openFlags(fd) & append) !== 0 };
}

/** O_APPEND and O_CLOEXEC of Linux. */
const append = 0o2000;
const closeOnExec = 0o2000000;

function openFlags(fd: number): number {
  return parseInt(/^flags:\s+(\d+)/m.exec(descriptorFacts(fd))?.[1] ?? "0", 8);
}

function descriptorFacts(fd: number): string {
  return Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`);
}

/** A stream that is opened by its first call. */
function openLater(open: () => Promise<ByteStream>, info: StreamInfo): ByteStream {
  let opening: Promise<ByteStream> | undefined;
  const stream = () => opening ??= open();
  return {
    kind: "byte",
    info,
    read: async () => await (await stream()).read(),
    write: async (bytes) => await (await stream()).write(bytes),
    closeWrite: async () => await (await stream()).closeWrite(),
    abort(reason) {
      stream().then((opened) => opened.abort(reason), () => {});
    },
  };
}

/** As `Driver.mkfifo`, by the system's own command: the runtime has no call for it. */
export function mkfifo(path: string, mode: number): void {
  const call = `mkfifo(${JSON.stringify(path)})`;
  if (exists(path)) throw new ConnectError(`${call}: File exists`, { code: "EEXIST", retryable: false });
  let output: Deno.CommandOutput;
  try {
    // `-m` would override the file mode creation mask, which belongs to the caller.
    const granted = (mode & ~Deno.umask()).toString(8);
    output = new Deno.Command("mkfifo", { args: ["-m", granted, "--", path] }).outputSync();
  } catch (error) {
    throw new ConnectError(`${call}: the command mkfifo is missing`, { code: "ENOSYS", cause: error });
  }
  if (output.success) return;
  const text = new TextDecoder().decode(output.stderr).trim().replace(/^.*: /, "");
  throw new ConnectError(`${call}: ${text}`, { code: "MKFIFO", retryable: false });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
