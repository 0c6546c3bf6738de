/** The two kinds of stream, and what is known about their ends. Types, and the one way to print an address. */

export type StreamKind = "byte" | "datagram";

/** The name of one end of a socket. An abstract UNIX name is written with a leading `@`; an unbound one is "". */
export type SocketAddress = IpAddress | UnixAddress;

export interface IpAddress {
  readonly family: "inet" | "inet6";
  readonly host: string;
  readonly port: number;
}

export interface UnixAddress {
  readonly family: "unix";
  readonly path: string;
}

/** Of a terminal's window, in characters. */
export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

/** Facts about a stream; the seed of session metadata. */
export interface StreamInfo {
  /** The document's name of the protocol, `TCP`. */
  readonly protocol: string;
  /** Printable target or source for messages: `AF=2 127.0.0.1:80`, `/tmp/file`, `ws://host/`. */
  readonly name: string;
  readonly local?: SocketAddress;
  readonly remote?: SocketAddress;
  /** Numbers of the descriptors it was made of, for messages: the one that is read and the one that is written. */
  readonly descriptors?: readonly [read: number, write: number];
  /** True for network streams whose two directions end separately (TCP, UNIX stream): they get the long linger. */
  readonly halfCloses?: boolean;
  /**
   * Set where a stream is one request and its answer: which of its halves is the answer. Once the request has ended, the
   * answer is waited for longer than the rest of another stream would be, and its absence is an error.
   */
  readonly answer?: "read" | "written";
  /**
   * Of a caller that waits for an answer with a head (an HTTP request): takes the head from whoever answers (an HTTP
   * upstream, the REST API), once, before the first byte of the answer is written. Never called: the listener's own.
   * With status 101 what follows in both directions is no longer HTTP.
   */
  respond?(head: AnswerHead): void;
  /**
   * Of a caller whose request asks to go on in another protocol (`Upgrade`): called, before the caller is accepted, by
   * whoever may answer with 101. The reading half then ends only when the answer is another one.
   */
  awaitUpgrade?(): void;
  /** Of a pseudo-terminal: gives it a window of this size, of which the programs on it are told. */
  resize?(size: WindowSize): void;
  /** Of the terminal somebody sits before, whose window changes with SIGWINCH: its size now, where it can be told. */
  windowSize?(): WindowSize | undefined;
  /** Protocol facts, such as a WebSocket's path and headers. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** Status and header of an answer, in the order and spelling they came. */
export interface AnswerHead {
  readonly status: number;
  readonly reason?: string;
  /**
   * What is said about the connection and about chunks is left to the listener. A Content-Length counts: a body of another
   * length is then cut, so it is left out where the body is changed under way (`Context.transformed`).
   */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Header lines after the body, asked for at its end. */
  trailers?(): readonly (readonly [name: string, value: string])[];
}

/** How a peer ended a stream, in words its protocol shares with others (close code and reason of a WebSocket). */
export interface Ending {
  readonly code: number;
  readonly reason: string;
}

/**
 * A stream of bytes; only their order means something.
 *
 * Every rejection is an `L7mpError` (mostly a `StreamError`) whose message names call and address. After an
 * `abort(reason)` pending and later calls reject with that reason.
 */
export interface ByteStream {
  readonly kind: "byte";
  readonly info: StreamInfo;
  /**
   * Set when the stream is an operating system handle of the driver. A layer copies it upward only where it never looks
   * at the bytes again (after the handshake with a proxy).
   */
  readonly native?: unknown;
  /** Blocks this stream could not keep, so far, where what was read can be lost (`broadcast:`). */
  readonly dropped?: number;
  /**
   * Lends the next bytes: a view that is never empty and valid until the next `read`; the stream owns the memory.
   * `null` is the peer's half-close, and stays `null`. At most one call may be pending.
   */
  read(): Promise<Uint8Array | null>;
  /**
   * Takes all of `bytes` and resolves when more may come (back-pressure); keeps no reference afterwards.
   * At most one call may be pending.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * What is written to where it is of the other kind than what is read (a dual address): see `writingHalf`. Writing here
   * does the same, but knows nothing of the other's bounds.
   */
  readonly writing?: Stream;
  /** Half-close, after everything written has gone. May be called twice. `ending` is passed on where the type can. */
  closeWrite(ending?: Ending): Promise<void>;
  /** How the peer ended it, once `read` gave `null` and where it said more than that. */
  readonly ending?: Ending;
  /**
   * Releases both halves at once; may be called at any time and twice. With a `reason`, unless both halves had ended,
   * the peer sees a reset where the protocol knows one. Without, it is a plain close: what was written still goes out.
   */
  abort(reason?: unknown): void;
  /**
   * Resolves when everything behind the stream is gone (a child has exited), rejecting if that went wrong (exit
   * status not 0). Called after both directions ended, before `abort`; after the end of reading alone where an answer
   * depends on it. May be called again after `abort`: then it rejects for what had gone wrong before, or with the reason
   * of the abort. Absent: nothing to wait for.
   */
  finished?(): Promise<void>;
}

/** What a datagram carries beside its bytes, so that nothing about a message hides in them. */
export interface DatagramMeta {
  /** WebSocket message type. */
  readonly type?: "text" | "binary";
}

export interface Datagram {
  /** The payload, possibly empty. Valid until the next `receive` on the stream it came from. */
  readonly data: Uint8Array;
  readonly meta?: DatagramMeta;
}

/** A stream of messages whose boundaries are kept. A datagram of 0 bytes is a datagram, not an end. */
export interface DatagramStream {
  readonly kind: "datagram";
  readonly info: StreamInfo;
  readonly native?: unknown;
  /** Largest datagram `send` can take, in bytes (UDP: 65507). Absent: no limit of its own. */
  readonly maxDatagramBytes?: number;
  /** Takes only text: what comes as bytes is cut to messages between characters. */
  readonly takesText?: boolean;
  /** Datagrams this stream could not keep or send (queue full, too big), so far. */
  readonly dropped: number;
  /** All that arrived together, one or more, in order of arrival; `null` is the end. At most one call may be pending. */
  receive(): Promise<readonly Datagram[] | null>;
  /**
   * Sends in order and resolves when more may come; keeps no reference afterwards. A datagram that cannot be sent is
   * dropped, counted and logged; rejects only when the stream itself is broken. At most one call may be pending.
   */
  send(batch: readonly Datagram[]): Promise<void>;
  /** As of `ByteStream`. */
  readonly writing?: Stream;
  /**
   * Ends our direction in the protocol's own way (close frame; nothing for UDP). May be called twice. `ending` is how
   * the other side of the session ended: a stream that can says the same to its peer.
   */
  closeWrite(ending?: Ending): Promise<void>;
  /** As of `ByteStream`. */
  readonly ending?: Ending;
  /** `closeWrite` ends nothing (a WebSocket with `-n`): what the peer has to say is waited for without a limit. */
  readonly staysOpen?: boolean;
  /** As `ByteStream.abort`. */
  abort(reason?: unknown): void;
  /** As `ByteStream.finished`. */
  finished?(): Promise<void>;
}

export type Stream = ByteStream | DatagramStream;

/** What to write to, which may be of another kind than `stream`, and is owned by it. */
export function writingHalf(stream: Stream): Stream {
  return stream.writing ?? stream;
}

/** The host of an address as people know it: an IPv4 address that came by an IPv6 socket is an IPv4 address. */
export function plainHost(host: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1] ?? host;
}

const familyNumbers = { unix: 1, inet: 2, inet6: 10 } as const;

/** `AF=2 127.0.0.1:80`, `AF=10 [::1]:80`, `AF=1 "/run/x.sock"`: the form log lines and messages use. */
export function formatAddress(address: SocketAddress): string {
  const family = `AF=${familyNumbers[address.family]}`;
  if (address.family === "unix") return `${family} ${JSON.stringify(address.path)}`;
  return `${family} ${address.family === "inet6" ? `[${address.host}]` : address.host}:${address.port}`;
}
