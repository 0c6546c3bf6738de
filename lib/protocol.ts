/** What a plug-in is: types only. A protocol is a value in the list of `protocols/mod.ts`; nothing registers itself. */
import type { Driver } from "./driver.ts";
import type { L7mpError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { ObjectSchema } from "./schema.ts";
import type { Datagram, SocketAddress, Stream, StreamInfo, StreamKind } from "./stream/stream.ts";

/** How an endpoint is used: both ways, only read from, or only written to (`-u`, `-U`, dual addresses). */
export type Direction = "both" | "read" | "write";

/** What the engine hands to a plug-in for one opening. Nothing in it is global. */
export interface Context {
  /** Aborted when the session or the process ends; a pending `connect` rejects with its reason. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly driver: Driver;
  readonly direction: Direction;
  /** IP version for addresses that do not say: 4, 6, or 0 for no preference (`-4`, `-6`, `-0`). */
  readonly ipVersion: 4 | 6 | 0;
  /** Largest message to assemble or accept, in bytes (`-B`). */
  readonly maxMessageBytes: number;
  /** Largest block of a byte stream, in bytes, where the user gave one (`-b`). */
  readonly blockBytes?: number;
  /** The caller of this session, when address1 is a listener: for the environment of programs. */
  readonly downstream?: StreamInfo;
  /** What is known of the session, after the rewrites of its rule: plain data, see `sessionMetadata`. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * What sessions of one process share, such as the rooms of SYNC: made by the first that asks for `key`, kept by the
   * proxy until it stops.
   */
  shared?<T>(key: object, make: () => T): T;
  /** The REST API, for an endpoint that serves it (`L7mpController`). Absent: this process has none. Never rejects. */
  control?(request: Request, caller: StreamInfo): Promise<Response>;
  /** The metrics as Prometheus reads them, and their content type. Absent: this process has none. */
  metrics?(): Promise<{ readonly text: string; readonly contentType: string }>;
  /** Steps or stages of the session stand between this endpoint and the caller: lengths told by one are not the other's. */
  readonly transformed?: boolean;
  /** Name of the session: `cli-1`. */
  readonly sessionName?: string;
  /**
   * True when this session is the only one the process will have (no `fork`): standard input and output end with it.
   * Otherwise a session leaves them open for the next.
   */
  readonly onlySession?: boolean;
  /**
   * Has `taker` called for a signal that would end this process, in place of that, until the returned function is called.
   * Absent where the process has more to do than this one session.
   */
  takeSignal?(name: "SIGINT" | "SIGHUP" | "SIGQUIT", taker: () => void): () => void;
  /** Version of the program, for the environment of programs. */
  readonly version?: string;
  /** Program name (`-lp`), also the second prefix of environment variables. */
  readonly program: string;
  /** Process-wide defaults a WebSocket or HTTP endpoint falls back to. */
  readonly http?: HttpDefaults;
  /** The engine serves the callers that come after this one on the same connection (`Incoming.next`). */
  readonly followUps?: boolean;
  /** Check no certificates of peers where the address does not say (`-k`). */
  readonly insecure?: boolean;
  /** For the engine: told when a listener is bound within a session; `type` is the canonical type name. */
  readonly onListening?: (type: string, address: SocketAddress) => void;
}

/** What programs are told of. */
export type Caller = Pick<Context, "downstream" | "sessionName" | "program" | "version">;

export interface HttpDefaults {
  readonly headers: readonly string[];
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  /** Do not send a WebSocket close frame when the local side ends (`-n`). */
  readonly noClose?: boolean;
  /** Message type where the address does not say (`--text`, `--binary`). */
  readonly messageType?: "text" | "binary";
}

/** How the words after the type name become settings. Keys are the document's. */
export type Parameters =
  /** Nothing may follow. */
  | { readonly form: "none" }
  /** `host:port` into `address` and `port`; with `path`, an HTTP path may follow, into `path`. */
  | { readonly form: "host:port"; readonly path?: boolean; readonly defaultPort?: number }
  /**
   * `server[:port]:host:port` of a layer with a `proxy` role: the destination into `address` and `port`, the server into
   * those of what lies under it.
   */
  | { readonly form: "server:host:port"; readonly serverPort: number }
  /** `[host:]port` of a listener, into `address` and `port`; with `path` as above. */
  | { readonly form: "[host:]port"; readonly path?: boolean; readonly defaultPort?: number }
  /** All the rest, unescaped, into `key`. `label` is its name in the usage line (`<path>`). */
  | { readonly form: "text"; readonly key: string; readonly label: string; readonly optional?: boolean }
  /** A non-negative number into `key`. */
  | { readonly form: "number"; readonly key: string; readonly label: string; readonly optional?: boolean }
  /** The words after `--`, a list into `key`. */
  | { readonly form: "words"; readonly key: string };

/** One type name of the command line, with its aliases, that a plug-in answers to. */
export interface AddressType {
  /** Canonical first, upper case, with `-`: `["TCP-LISTEN", "TCP-L", "L-TCP"]`. Matched without case; `_` is `-`. */
  readonly names: readonly string[];
  /** `listen`: serves callers. `connect`: reaches a peer. `local`: needs nobody (stdio, file, echo). */
  readonly role: "connect" | "listen" | "local";
  readonly parameters: Parameters;
  /** The type that is meant where something follows the colon after these names: `ECHO:path` is `PIPE:path`. */
  readonly withParameters?: string;
  /** Settings this spelling stands for (`TCP4`: `{ pf: "ip4" }`), in the document's form. */
  readonly preset?: Readonly<Record<string, unknown>>;
  /** Options this spelling implies unless the user says otherwise (`udp-server:` implies `fork`). */
  readonly implies?: Readonly<Record<string, unknown>>;
  /** One line for the help. */
  readonly help: string;
  /** Which direction it can be used in; default both. Anything else is an error before anything opens. */
  readonly direction?: Direction;
  /** Options that an example of it cannot do without, as typed: `cert=server.pem`. */
  readonly example?: string;
}

/**
 * A plug-in that makes streams from nothing. `connect` serves the roles `connect` and `local`. Both reject with
 * `ConnectError`; a cancel rejects with `signal.reason`.
 */
export interface Protocol<Spec = unknown> {
  /** The document's name: `TCP`. */
  readonly name: string;
  readonly types: readonly AddressType[];
  /** `either` is told by the stream at connect. */
  readonly kind: StreamKind | "either";
  /** False where what has ended cannot be had again (standard input): a session does not try. */
  readonly retriable?: false;
  /** What becomes of this side when the other has ended: the help tells it, limits of silence hang on it. */
  readonly end: "half" | "close" | "none" | "zero" | "close frame" | "end of body";
  readonly spec: ObjectSchema<Spec>;
  /** Checks that need the whole spec, before anything opens (combinations of options). Throws `ConfigError`. */
  check?(spec: Spec, use: { role: AddressType["role"]; direction: Direction }): void;
  /**
   * Called once before anything opens, and by `--check`, for options that not every driver has. Throws `ConfigError`.
   */
  checkDriver?(spec: Spec, use: { role: AddressType["role"]; direction: Direction; driver: Driver }): void;
  /** Called once before anything opens, for what only the system can tell. Throws a `ConnectError`. */
  prepare?(spec: Spec, context: Context): void;
  connect?(spec: Spec, context: Context): Promise<Stream>;
  listen?(spec: Spec, context: Context): Promise<Listener>;
}

/**
 * A plug-in that makes a stream over a stream. A layer's settings and those of what lies under it share one list on
 * the command line; in the document the lower ones stand in `transport`.
 */
export interface Layer<Spec = unknown> {
  readonly name: string;
  readonly types: readonly AddressType[];
  /** Its word in layered URLs and overlays: `ws` in `ws+unix://`, and its one-sided forms (`ws-c`, `ws-u`). */
  readonly schemes: readonly string[];
  readonly overlays?: readonly {
    readonly name: string;
    readonly role: "connect" | "listen";
    /** One line for the help; absent: made from the layer's name. */
    readonly help?: string;
  }[];
  readonly needs: StreamKind | "any";
  /** `same`: what lies below. */
  readonly gives: StreamKind | "same";
  readonly end: Protocol["end"];
  /** Document name of the protocol below when nothing is written: `TCP`. Absent: something must be written. */
  readonly base?: string;
  readonly spec: ObjectSchema<Spec>;
  /** Present for a client of a proxy. */
  readonly proxy?: ProxyRole;
  /** Its server step may find out who the caller really is: only after it can callers be judged by their address. */
  readonly tellsCaller?: boolean;
  /** A connection carries callers one after another, each a session of its own (HTTP): see `Incoming.next`. */
  readonly sequential?: boolean;
  /** As of `Protocol`; `type` is the name the user knows the address by, where it has one: `WSS-LISTEN`. */
  check?(spec: Spec, use: { role: AddressType["role"]; direction: Direction; type?: string }): void;
  /**
   * Called once before the first `client` or `server`, for a listener before it accepts: warns of what the options do
   * not do, and loads what the first caller would wait for.
   */
  prepare?(spec: Spec, use: LayerUse, context: Context): Promise<void>;
  /** Makes the client side over `lower`, which it owns from now on: on failure it aborts it. */
  client?(lower: Stream, spec: Spec, context: Context): Promise<Stream>;
  /** Reads the request under a time and byte limit, in the session's own task. Owns `lower` as `client` does. */
  server?(lower: Stream, spec: Spec, context: Context): Promise<Incoming>;
  /**
   * Instead of both, for a layer that says nothing on the wire: what to use in place of `stream`, on either side. The
   * kind is the same. Throws a `ConnectError`; `stream` is then aborted by the caller.
   */
  wrap?(stream: Stream, spec: Spec, context: Context): Stream;
  /**
   * Instead of all three, for a layer that says nothing on the wire and decides itself when what lies under it is
   * opened, and whose that is: one connection for many sessions. `open` opens it anew, and gives it to the layer.
   * Rejects with a `ConnectError`, or with `context.signal`'s reason.
   */
  share?(open: (context: Context) => Promise<Stream>, spec: Spec, context: Context): Promise<Stream>;
}

/**
 * What makes a layer the client of a proxy: the `address` and `port` of its settings are the destination, which it gets
 * as they were written; what lies under it connects to the proxy. The planner adds `proxy` to the spec, the proxy's name
 * for messages (`p:1080`).
 */
export interface ProxyRole {
  /** The schemes of proxy URLs (`via=socks5://...`) that stand for it. */
  readonly schemes: Readonly<Record<string, ProxyScheme>>;
  /** The settings that a URL's user and password stand for. Throws `ConfigError`. */
  login(user: string, password: string | undefined): Readonly<Record<string, unknown>>;
}

export interface ProxyScheme {
  /** Usual port of such a proxy. */
  readonly port: number;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Document name of a layer between the proxy's connection and this one: `TLS`. */
  readonly over?: string;
}

/** How a layer stands in its endpoint. */
export interface LayerUse {
  readonly role: "connect" | "listen";
  /** Something else lies over it, which the user may have asked for by a name of its own (WSS). */
  readonly carries: boolean;
}

/** One caller, described but not yet accepted. Exactly one of `accept` and `reject` is called. */
export interface Incoming {
  readonly info: StreamInfo;
  accept(signal: AbortSignal): Promise<Stream>;
  /** Refuses in the protocol's own terms (502, close) and releases everything. */
  reject(error: L7mpError): Promise<void>;
  /** Datagrams of this caller that could not be kept while it waited; those of one that is accepted are its stream's. */
  readonly dropped?: number;
  /**
   * Only of a `sequential` layer with `context.followUps`, and called once the session of this caller has ended: waits
   * for another on the same connection, for the same layer's `server`; what lies under it is not run again. `null`: there
   * is none, and the connection has been closed. Never rejects; an abort of `signal` closes the connection.
   */
  next?(signal: AbortSignal): Promise<Incoming | null>;
}

/** What an endpoint gives when it listens. Iteration ends after disposal. */
export interface Listener extends AsyncIterable<Incoming>, AsyncDisposable {
  readonly address: SocketAddress;
}

/** One direction of a transform: plain functions, no promise per chunk. Byte chunks are datagrams without `meta`. */
export interface Step {
  /** `data` is valid during the call; what is emitted is used before the next call, so views of it are fine. */
  push(data: Datagram, emit: (data: Datagram) => void): void;
  /** The source ended: emits what is left. */
  end?(emit: (data: Datagram) => void): void;
  /** The session is over, however it ended: releases what the step holds (a file). Called once, last. */
  close?(): void;
}

/** What a step counts for the metrics: it only ever adds. */
export interface StepCounter {
  bytes: number;
  messages: number;
}

/** Names of metrics to count under instead of the usual ones. */
export interface StepCounterNames {
  readonly bytes?: string;
  readonly messages?: string;
}

export interface StepContext {
  readonly log: Log;
  /** Kind of what comes in. */
  readonly input: StreamKind;
  readonly maxMessageBytes: number;
  readonly session: { readonly name: string; readonly metadata: Readonly<Record<string, unknown>> };
  /** `ltr`: towards upstream; `rtl`: towards downstream. */
  readonly flow: "ltr" | "rtl";
  /** Counts a message that the step does not pass on because something is wrong with it. */
  drop(): void;
  /**
   * Where the step counts what the metrics are to show, under the name of its cluster, or `label` where it has another.
   * Absent: nobody asks.
   */
  counter?(names: StepCounterNames, label?: string): StepCounter;
}

/**
 * A plug-in in the middle. `forward` works on what flows from address1 to address2, `backward` undoes it for what
 * flows back; an absent one lets pass. Each call makes the step of one direction of one session.
 */
export interface Transform<Spec = unknown> {
  readonly name: string;
  readonly types: readonly AddressType[];
  readonly needs: StreamKind | "any";
  /** `other`: a framer, which turns bytes into datagrams and datagrams into bytes. */
  readonly gives: "same" | "other";
  readonly spec: ObjectSchema<Spec>;
  check?(spec: Spec): void;
  forward?(spec: Spec, context: StepContext): Step;
  backward?(spec: Spec, context: StepContext): Step;
}

/** Everything the program knows how to do; made in `protocols/mod.ts`, handed down from `main.ts`. */
export interface Registry {
  /** What programs of a session, and names of files about it, can know: variables of the environment. */
  environment?(caller: Caller): Record<string, string>;
  // The members are methods, so one list can hold plug-ins with different specs.
  // deno-lint-ignore no-explicit-any
  readonly protocols: readonly Protocol<any>[];
  // deno-lint-ignore no-explicit-any
  readonly layers: readonly Layer<any>[];
  // deno-lint-ignore no-explicit-any
  readonly transforms: readonly Transform<any>[];
}

/**
 * Loads what the program knows how to do. With the `addresses` of a command line it may be a part of it: what can be read
 * and planned with that means the same with all, and what cannot may be right with all.
 */
export type LoadPlugins = (addresses?: readonly string[]) => Promise<Registry>;
