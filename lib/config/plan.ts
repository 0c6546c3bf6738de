/** The plan: a checked document, names resolved to plug-ins, ready to open: types, and one default. */
import type { AddressType, Direction, Layer, Protocol, Transform } from "../protocol.ts";
import type { StreamKind } from "../stream/stream.ts";
import type { ConnectOptions, ListenOptions, StreamOptions } from "./engine_options.ts";

/** One address, parsed and checked. */
export interface Endpoint {
  /** For messages: the canonical type and its parameters, `TCP:127.0.0.1:80`. */
  readonly name: string;
  readonly role: AddressType["role"];
  readonly direction: Direction;
  /** Kind of the whole stack; of a dual address the kind that is read. */
  readonly kind: StreamKind | "either";
  readonly source: PlannedProtocol | { readonly dual: { readonly read: Endpoint; readonly write: Endpoint } };
  /** On top of `source`, lowest first. */
  readonly layers: readonly PlannedLayer[];
  readonly stream: StreamOptions;
  /** For role `listen`. */
  readonly listen?: ListenOptions;
  /** For roles `connect` and `local`. */
  readonly connect?: ConnectOptions;
}

export interface PlannedProtocol {
  // deno-lint-ignore no-explicit-any
  readonly protocol: Protocol<any>;
  readonly spec: unknown;
}

export interface PlannedLayer {
  // deno-lint-ignore no-explicit-any
  readonly layer: Layer<any>;
  readonly spec: unknown;
}

/** One step of a direction, in the order data flows. */
export interface PlannedStep {
  // deno-lint-ignore no-explicit-any
  readonly transform: Transform<any>;
  readonly spec: unknown;
  /** Uses `backward` instead of `forward`. */
  readonly reverse: boolean;
  /** Kind of what comes in; `either` is told at connect. */
  readonly input: StreamKind | "either";
  /** Name of the cluster it stands for, where it has one. */
  readonly cluster?: string;
  /** Where connecting may tell that bytes come to it, or go from it to the end: what it has beside it then. */
  readonly beside?: PlannedStep;
}

export interface Retry {
  /** Further tries after the first; Infinity for ever. */
  readonly count: number;
  readonly intervalMs: number;
  /** Ceiling of the doubled interval; absent: no doubling. */
  readonly backoffMs?: number;
  /** Limit of one try; 0: none. */
  readonly timeoutMs: number;
  /** What happens when a connection is lost that had been there; absent: the session ends. */
  readonly reconnect?: Reconnect;
}

/** How a lost connection is opened again. The waits are those of the retry it belongs to. */
export interface Reconnect {
  /** Attempts in a row; Infinity for ever. */
  readonly count: number;
  /** `error`: only a failure is a loss. `any`: the peer's orderly end is one too. */
  readonly on: "any" | "error";
  /** The first attempt after a loss does not wait. */
  readonly atOnce?: boolean;
  /** Data kept while the connection is away. */
  readonly bufferBytes: number;
}

/** Default of `Reconnect.bufferBytes`. */
export const reconnectBufferBytes = 1 << 20;

export interface SessionPlan {
  /** Absent: 0.5 s, or 60 s between two streams that half-close. Infinity: for ever. */
  readonly lingerMs?: number;
  /** Inactivity limit of the transfer phase. Absent: none. */
  readonly idleTimeoutMs?: number;
  readonly blockBytes?: number;
  readonly maxMessageBytes: number;
  readonly direction: "both" | "ltr" | "rtl";
  readonly oneMessage: boolean;
  /** Send no WebSocket close frame when the local side ends. */
  readonly noClose?: boolean;
  readonly dump?: "text" | "hex" | "both";
  /** Sent once at the start of the session, before anything else. */
  readonly preambleUpstream?: string;
  readonly preambleDownstream?: string;
  /** Files that what is written to either side is appended to; variables in their names are not resolved. */
  readonly copyUpstream?: string;
  readonly copyDownstream?: string;
}

export interface PlannedListener {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly session: SessionPlan;
  /** In the order data flows, including those that options such as `lines` and `crnl` stand for. */
  readonly ingress: readonly PlannedStep[];
  readonly egress: readonly PlannedStep[];
  readonly target: Endpoint;
  readonly retry: Retry;
}

export interface Plan {
  readonly listeners: readonly PlannedListener[];
  /** Said once, before anything opens: lost message boundaries and the like. */
  readonly warnings: readonly { readonly level: "warn" | "notice"; readonly message: string }[];
}
