/**
 * What the engine asks of the operating system: types only. `lib/native` (libc) and `lib/portable` (the runtime alone)
 * implement it; protocols use `context.driver`. Errors are `ConnectError` or `StreamError` with the errno's name as
 * `code` and a message such as `connect(AF=2 127.0.0.1:1): Connection refused`. An option a driver cannot honour is a
 * `ConfigError` naming option and driver, never ignored.
 */
import type { ByteStream, Datagram, SocketAddress, Stream, WindowSize } from "./stream/stream.ts";

/** Options of every socket. Undefined leaves the system's default. */
export interface SocketOptions {
  readonly reuseaddr?: boolean;
  readonly reuseport?: boolean;
  readonly rcvbuf?: number;
  readonly sndbuf?: number;
  readonly broadcast?: boolean;
  readonly ttl?: number;
  readonly tos?: number;
  readonly v6only?: boolean;
  /** SO_BINDTODEVICE. */
  readonly bindToDevice?: string;
}

export interface StreamSocketOptions extends SocketOptions {
  /** Default true. */
  readonly nodelay?: boolean;
  readonly keepalive?: boolean;
  readonly keepIdleSeconds?: number;
  readonly keepIntervalSeconds?: number;
  readonly keepCount?: number;
  readonly userTimeoutMs?: number;
  readonly lingerSeconds?: number;
  readonly maxSegmentBytes?: number;
}

export interface Membership {
  readonly group: string;
  /** Local address or name of the interface; absent: the system chooses. */
  readonly interface?: string;
  /** Source-specific multicast. */
  readonly source?: string;
}

export interface DatagramSocketOptions extends SocketOptions {
  readonly memberships?: readonly Membership[];
  readonly multicastInterface?: string;
  readonly multicastLoop?: boolean;
  readonly multicastTtl?: number;
}

/** Ownership of a UNIX socket's path. */
export interface PathOptions {
  /** Permission bits, in force before the path accepts anybody. */
  readonly mode?: number;
  /** Numbers, as `Driver.accountNumber` gives them. */
  readonly user?: number;
  readonly group?: number;
  /** Remove whatever stands there before binding. */
  readonly unlinkEarly?: boolean;
  /** Remove a socket nobody answers on. */
  readonly unlinkStale?: boolean;
  /** Remove it when closed; default true. */
  readonly unlinkClose?: boolean;
}

/** A listening stream socket. */
export interface StreamListener {
  readonly local: SocketAddress;
  /**
   * The next caller, with `info.local` and `info.remote`; `null` once closed. Rejects with code `EMFILE` or `ENFILE`
   * when out of descriptors: the caller pauses and tries again, the connection waits in the backlog.
   */
  accept(): Promise<ByteStream | null>;
  /** Stops listening; may be called twice. A pending `accept` resolves with `null`. */
  close(): void;
}

/** A sender as seen by an unconnected socket. `key` is equal for equal addresses, and cheap. */
export interface Peer {
  readonly key: number | string;
  readonly address: SocketAddress;
}

export interface Packet extends Datagram {
  readonly from: Peer;
}

export interface DatagramSocket {
  readonly local: SocketAddress;
  /** Set after `connect`. */
  readonly remote?: SocketAddress;
  /** Packets that could not be sent (too big, no buffer, unreachable peer on an unconnected socket). */
  readonly dropped: number;
  /**
   * All packets that arrived together (up to 64), in order; their memory is the receiver's for good. `null` once
   * closed. Rejects with `ECONNREFUSED` on a connected socket whose peer answered by ICMP; receiving may go on after it.
   */
  receive(): Promise<readonly Packet[] | null>;
  /**
   * Sends in order, to `to` or the connected peer; resolves when the system took them or dropped them. Too big ones
   * (EMSGSIZE) are dropped, counted and told to `onDrop`; a destination that is not permitted (`EACCES`: broadcast
   * without the option) rejects. Keeps no reference afterwards. Sessions that share a socket
   * send at the same time: calls to different peers may be pending together.
   */
  send(batch: readonly Datagram[], to?: Peer | SocketAddress): Promise<void>;
  /** Releases the descriptor (and the path it bound); may be called twice. A pending `receive` resolves with `null`. */
  close(): void;
}

export interface DatagramTarget {
  /** Address to bind; a UNIX socket without one gets an automatic abstract name where the system has them. */
  readonly local?: SocketAddress;
  /** Address to connect to. */
  readonly remote?: SocketAddress;
  /** Called for each datagram that could not be sent, with the reason. */
  readonly onDrop?: (reason: string, bytes: number) => void;
}

/** What a foreign descriptor is. */
export type DescriptorKind = "file" | "pipe" | "terminal" | "stream-socket" | "datagram-socket" | "directory" | "other";

export type AccountKind = "user" | "group";

/** What a socket is for, as far as drivers differ in what they can do with one. */
export type SocketUse = "connect" | "listen" | "udp" | "unix-datagram";

/** A pseudo-terminal: a device that programs take for a terminal, and our side of it. */
export interface PseudoTerminal {
  /** The device: `/dev/pts/3`. */
  readonly path: string;
  /**
   * What is written to the device is read here and the other way round; a half-close does nothing. Its `abort` hangs the
   * terminal up, and is what gives all of it back. `info.resize` is set.
   */
  readonly stream: ByteStream;
  /** Gives it a window for good: `info.resize` does nothing any more. */
  fixWindow(size: WindowSize): void;
  /**
   * Until this is called the driver has the device open itself, so that the stream does not end when everybody else has
   * closed it. Afterwards it ends whenever nobody has it open; whoever opens the device makes it go on. May be called
   * twice.
   */
  letGo(): void;
  /** After `letGo`: whether anybody has the device open, or has left something to read. */
  inUse(): boolean;
}

/** How an inherited descriptor is used. */
export interface AdoptOptions {
  /** For messages: `FD:3`. */
  readonly name: string;
  /** The half it is limited to. */
  readonly direction: "read" | "write" | "both";
  /** The stream does not close it: several may use it at a time. */
  readonly keepOpen: boolean;
  /** Others go on using what it leads to: a connection is neither shut nor reset. */
  readonly shared?: boolean;
}

export interface Driver {
  readonly name: "native" | "portable";
  /**
   * Throws a `ConfigError` for one of `options` that the driver cannot honour on such a socket, before anything opens.
   * Absent: there is none.
   */
  refuse?(use: SocketUse, options: StreamSocketOptions & { readonly local?: SocketAddress }): void;
  /** Connects one address. Cancelled by `signal` (rejects with its reason). */
  connectStream(
    remote: SocketAddress,
    options: StreamSocketOptions & { local?: SocketAddress; localPath?: PathOptions },
    signal: AbortSignal,
  ): Promise<ByteStream>;
  listenStream(
    local: SocketAddress,
    options: StreamSocketOptions & PathOptions & { backlog: number },
  ): Promise<StreamListener>;
  openDatagram(target: DatagramTarget, options: DatagramSocketOptions & PathOptions): Promise<DatagramSocket>;
  /** All addresses of a host name, in the resolver's order. Rejects with `getaddrinfo("x"): Name or service not known`. */
  resolve(host: string, version: 4 | 6 | 0, signal: AbortSignal): Promise<readonly SocketAddress[]>;
  /** What descriptor `fd` is; throws with `EBADF` when it is not open, or not inherited: what we open is ours alone. */
  descriptorKind(fd: number): DescriptorKind;
  /** Which way descriptor `fd`, which is open, can be used; "both" where the system does not tell. */
  descriptorAccess(fd: number): "read" | "write" | "both";
  /** A stream over an inherited descriptor, which it owns from now on. Throws as `descriptorKind` does. */
  adoptDescriptor(fd: number, options: AdoptOptions): Stream;
  /**
   * The callers of a listening stream socket that was open before us, on descriptor `fd`; whoever else has it open finds
   * it non-blocking from now on. Children do not inherit it any more, unless it is below 3. The listener owns it, or with
   * `keepOpen` leaves it open for another. Rejects as `descriptorKind` throws, with `EINVAL` where it does not listen, and
   * with a `ConfigError` (code `UNSUPPORTED`) where the driver cannot.
   */
  listenDescriptor(fd: number, options: { keepOpen: boolean }): Promise<StreamListener>;
  /** The number of the user or group called `name`; undefined where there is none. */
  accountNumber(kind: AccountKind, name: string): number | undefined;
  /** Makes a named pipe. `EEXIST` when the path is there. */
  mkfifo(path: string, mode: number): void;
  /**
   * Makes a pseudo-terminal with the settings the system gives a new one. `onClose` is called once, when it is gone.
   * Rejects with a `ConnectError` where the system has none left, and with a `ConfigError` (code `UNSUPPORTED`) where the
   * driver cannot.
   */
  openTerminal(onClose?: () => void): Promise<PseudoTerminal>;
  /** Ends standard output for its reader (fd 1 becomes /dev/null). */
  closeStdout(): void;
  /** Releases everything still open. Called once, last. A promise resolves when nothing of the driver runs any more. */
  close(): void | Promise<void>;
}
