/** Descriptors that were open before us: what they are, and streams over them. */
import type { AdoptOptions, DescriptorKind, Packet } from "../driver.ts";
import { StreamError } from "../errors.ts";
import type { ByteStream, Datagram, DatagramStream, Stream, StreamInfo } from "../stream/stream.ts";
import { ByteSocket } from "./byte_socket.ts";
import * as c from "./constants.ts";
import { NativeDatagramSocket } from "./datagram_socket.ts";
import { connectError, EBADF, EISDIR, streamError } from "./errno.ts";
import { FileStream } from "./file_stream.ts";
import { AF_UNIX, statx } from "./layout.ts";
import { cString, errno, libc } from "./libc.ts";
import type { Shared } from "./shared.ts";
import { familyOf } from "./sockaddr.ts";
import { localAddress, peerAddress } from "./socket.ts";
import { getInteger } from "./socket_options.ts";

/** As `Driver.descriptorKind`. */
export function descriptorKind(fd: number): DescriptorKind {
  // What the runtime has opened for itself is closed on exec; what was open before us has just survived one.
  const flags = libc.fcntl(fd, c.F_GETFD, 0);
  if (flags < 0 || (flags & c.FD_CLOEXEC) !== 0) throw connectError("fstat", `descriptor ${fd}`, EBADF);
  const result = new Uint8Array(statx.size);
  if (libc.statx(fd, cString(""), c.AT_EMPTY_PATH, c.STATX_TYPE, result) < 0) {
    throw connectError("fstat", `descriptor ${fd}`, errno());
  }
  const mode = new DataView(result.buffer).getUint16(statx.mode, true) & c.S_IFMT;
  switch (mode) {
    case c.S_IFREG:
    case c.S_IFBLK:
      return "file";
    case c.S_IFDIR:
      return "directory";
    case c.S_IFIFO:
      return "pipe";
    case c.S_IFCHR:
      return libc.isatty(fd) === 1 ? "terminal" : "other";
    case c.S_IFSOCK:
      return getInteger(fd, c.SOL_SOCKET, c.SO_TYPE) === c.SOCK_STREAM ? "stream-socket" : "datagram-socket";
    default:
      return "other";
  }
}

/** As `Driver.descriptorAccess`. */
export function descriptorAccess(fd: number): "read" | "write" | "both" {
  const access = libc.fcntl(fd, c.F_GETFL, 0) & c.O_ACCMODE;
  return access === c.O_RDONLY ? "read" : access === c.O_WRONLY ? "write" : "both";
}

/** As `Driver.adoptDescriptor`. */
export function adoptDescriptor(inherited: number, given: AdoptOptions, shared: Shared): Stream {
  const kind = descriptorKind(inherited);
  // Opened once more it must not get a half that it did not have: who may write to a pipe keeps it from ending.
  const options = given.direction === "both" ? { ...given, direction: descriptorAccess(inherited) } : given;
  // What stays open may be used by several sessions at a time, which are told apart by the number.
  const fd = options.keepOpen ? duplicate(inherited) : inherited;
  const info: StreamInfo = { protocol: "FD", name: options.name, descriptors: [inherited, inherited] };
  const halves = { readOnly: options.direction === "read", writeOnly: options.direction === "write" };
  switch (kind) {
    case "directory":
      libc.close(fd);
      throw streamError("read", options.name, EISDIR);
    case "stream-socket":
      return adoptSocket(fd, info, { ...halves, shared: options.shared }, shared);
    case "datagram-socket":
      return adoptDatagram(fd, info, options.direction, shared);
    case "file":
      return new FileStream(fd, info, options, shared);
    default:
      return adoptPlain(fd, info, options, halves, shared);
  }
}

/** A second descriptor of the same, which is ours alone. */
export function duplicate(fd: number): number {
  const copy = libc.fcntl(fd, c.F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw connectError("dup", `descriptor ${fd}`, errno());
  return copy;
}

function adoptSocket(fd: number, given: StreamInfo, halves: object, shared: Shared): ByteStream {
  const local = localAddress(fd);
  const remote = peerAddress(fd);
  const info = { ...given, local, remote, halfCloses: true };
  const type = familyOf(local) === AF_UNIX ? "unix" : "tcp";
  return new ByteSocket(fd, info, { type, ...halves }, shared);
}

/**
 * A pipe, terminal or other device. It must not block us, but O_NONBLOCK belongs to the open file, which other processes
 * may share: so the file is opened once more for ourselves, and only where that is refused the flag is set and taken
 * back at the end.
 */
function adoptPlain(
  fd: number,
  info: StreamInfo,
  options: AdoptOptions,
  halves: object,
  shared: Shared,
): ByteStream {
  const access = { read: c.O_RDONLY, write: c.O_WRONLY, both: c.O_RDWR }[options.direction];
  const again = access | c.O_NONBLOCK | c.O_NOCTTY | c.O_CLOEXEC;
  const own = isMaster(fd) ? -1 : libc.open(cString(`/proc/self/fd/${fd}`), again, 0);
  if (own >= 0) libc.close(fd);
  const flags = own < 0 ? libc.fcntl(fd, c.F_GETFL, 0) : 0;
  if (own < 0) libc.fcntl(fd, c.F_SETFL, flags | c.O_NONBLOCK);
  let open = true;
  const onRelease = () => {
    if (!open) return;
    open = false;
    if (own >= 0) return void libc.close(own);
    libc.fcntl(fd, c.F_SETFL, flags);
    libc.close(fd);
  };
  try {
    return new ByteSocket(own >= 0 ? own : fd, info, { type: "plain", ...halves, onRelease }, shared);
  } catch (error) {
    if ((error as { code?: string }).code !== "EPERM") throw error;
    // A device that is always ready, such as /dev/null.
    if (own >= 0) return new FileStream(own, info, options, shared);
    libc.fcntl(fd, c.F_SETFL, flags);
    return new FileStream(fd, info, options, shared);
  }
}

/** Whether `fd` is the master side of a terminal: opened once more, its path makes another terminal. */
function isMaster(fd: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`).endsWith("/ptmx");
  } catch {
    return false;
  }
}

function adoptDatagram(
  fd: number,
  given: StreamInfo,
  direction: AdoptOptions["direction"],
  shared: Shared,
): DatagramStream {
  const family = familyOf(localAddress(fd));
  const remote = peerAddress(fd);
  const socket = new NativeDatagramSocket(fd, family, { remote }, undefined, shared);
  const info = { ...given, local: socket.local, remote };
  return new DescriptorDatagrams(socket, info, direction);
}

/** A datagram socket that was open before us. An unconnected one answers the last sender. */
class DescriptorDatagrams implements DatagramStream {
  readonly kind = "datagram";
  #from: Packet["from"] | undefined;
  #failure: { readonly reason: unknown } | undefined;

  constructor(
    readonly socket: NativeDatagramSocket,
    readonly info: StreamInfo,
    readonly direction: AdoptOptions["direction"],
  ) {}

  get dropped(): number {
    return this.socket.dropped;
  }

  async receive(): Promise<readonly Datagram[] | null> {
    if (this.direction === "write") return null;
    const packets = await this.socket.receive();
    if (packets) this.#from = packets.at(-1)!.from;
    else if (this.#failure) throw this.#failure.reason;
    return packets;
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    if (this.#failure) throw this.#failure.reason;
    if (!this.info.remote && !this.#from) {
      throw new StreamError(`write(${this.info.name}): the socket is not connected and nobody has sent to it yet`, {
        code: "EDESTADDRREQ",
      });
    }
    await this.socket.send(batch, this.info.remote ? undefined : this.#from);
  }

  async closeWrite(): Promise<void> {}

  abort(reason?: unknown): void {
    this.#failure ??= {
      reason: reason ?? new StreamError(`${this.info.name}: the stream has been closed`, { code: "ECANCELED" }),
    };
    this.socket.close();
  }
}

/** As `Driver.mkfifo`. */
export function mkfifo(path: string, mode: number): void {
  if (libc.mkfifo(cString(path), mode) < 0) throw connectError("mkfifo", JSON.stringify(path), errno());
}

/** As `Driver.closeStdout`. A socket's other half stays open. */
export function closeStdout(): void {
  if (descriptorKind(1) === "stream-socket") libc.shutdown(1, c.SHUT_WR);
  const nothing = libc.open(cString("/dev/null"), c.O_WRONLY | c.O_CLOEXEC, 0);
  if (nothing < 0) throw connectError("open", "/dev/null", errno());
  try {
    for (const fd of [...duplicatesOfStdout(), 1]) {
      if (libc.dup2(nothing, fd) < 0) throw connectError("dup2", `/dev/null, ${fd}`, errno());
    }
  } finally {
    libc.close(nothing);
  }
}

/**
 * The runtime writes through a duplicate of its own, which keeps the pipe open. What we inherited is told from it by
 * not being closed on exec.
 */
function duplicatesOfStdout(): number[] {
  const links = new Map<number, string>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      links.set(Number(name), Deno.readLinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor of the folder itself.
    }
  }
  const stdout = links.get(1);
  // Standard error goes the same way, and is still needed.
  if (stdout === undefined || links.get(2) === stdout) return [];
  return [...links].filter(([fd, link]) => fd > 2 && link === stdout && isClosedOnExec(fd)).map(([fd]) => fd);
}

function isClosedOnExec(fd: number): boolean {
  const flags = /^flags:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))?.[1] ?? "0";
  return (parseInt(flags, 8) & c.O_CLOEXEC) !== 0;
}
