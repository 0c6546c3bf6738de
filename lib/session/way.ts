/** Where a session goes: the endpoints and transforms between its caller and its destination. */
import type { Endpoint, PlannedListener, PlannedStep, Retry, SessionPlan } from "../config/plan.ts";
import type { StreamInfo } from "../stream/stream.ts";

/** What rules, balancers and transforms may know about a session, and rules may rewrite: plain data, its own. */
export type Metadata = Record<string, unknown>;

/** A listener (or a connector that stands for one) whose sessions find their way by rules, or have but one. */
export interface ServedListener {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly session: SessionPlan;
  /** Name of the destination where it is always the same. */
  readonly target?: string;
  /** What its sessions may connect to, as far as it is known: made ready before the listener opens. */
  readonly targets: readonly Endpoint[];
  /** Sessions at a time; further callers are refused. */
  readonly maxSessions?: number;
  /**
   * The way of a session. `metadata` makes the session's metadata when it is called. Throws a `ConnectError` with the
   * status for callers whose protocol has such: 404 no route, 403 denied.
   */
  route(metadata: () => Metadata, info: StreamInfo): Way;
  /** Decides whether one more session may begin; throws a `LimitError` with status 429 or 503. */
  admit?(metadata: () => Metadata): void;
  /** Settings of the document, for whom the session is shown to. */
  readonly shown?: { readonly spec: unknown; readonly trackMs: number };
}

/** The way of one session. */
export interface Way {
  readonly target: Upstream;
  readonly retry: Retry;
  /** Metadata after the rewrites; absent where nothing looks at it. */
  readonly metadata?: Metadata;
  /** Names of the clusters of its chains, transforms among them, in the order data flows. */
  readonly names?: { readonly ingress: readonly string[]; readonly egress: readonly string[] };
  /** Name of the route, where it has one. */
  readonly route?: string;
  /** How the way was found, for the event log: names of rule list, rule and route. */
  readonly found?: string;
  /** Silence after one side's end, and at any time; absent: the listener's. */
  readonly lingerMs?: number;
  readonly idleTimeoutMs?: number;
  /** Resolved late: throws a retryable `ConnectError` while something it names does not exist. */
  chains(): { readonly ingress: Chain; readonly egress: Chain };
}

/** What stands in one direction, in the order data flows. */
export interface Chain {
  /** Beside the caller: before all stages of an ingress chain, after those of an egress chain. */
  readonly steps: readonly PlannedStep[];
  readonly stages: readonly ChainStage[];
}

/** A stream that data is sent through. */
export interface ChainStage {
  readonly upstream: Upstream;
  /** Between this and what is farther from the caller. */
  readonly steps: readonly PlannedStep[];
}

/** What a session connects to: one endpoint, or a cluster that picks one for every attempt. */
export interface Upstream {
  /** For messages: the address, or the cluster's name. */
  readonly name: string;
  /** Any endpoint of it, for what all have in common; undefined: there is none at the moment. */
  readonly shape: Endpoint | undefined;
  /** There is no other endpoint to go to at the moment. */
  readonly single: boolean;
  /** Limit of one attempt; absent: that of the way's retry. */
  readonly connectTimeoutMs?: number;
  /**
   * The endpoint for the next attempt; `failed` are those of the attempts before. Throws a `ConnectError` or
   * `LimitError`: no such cluster, no endpoint, limit reached.
   */
  pick(metadata: Metadata | undefined, failed: readonly Choice[]): Choice;
}

/** An endpoint picked for one attempt; told how it went. */
export interface Choice {
  readonly endpoint: Endpoint;
  /** As the REST API shows it. */
  readonly shown?: { readonly name: string; readonly spec: unknown };
  connected?(durationMs: number): void;
  failed?(error: unknown): void;
  /** The connection is gone, or never came. Called once, last. */
  release?(): void;
}

/** An upstream that is always the same endpoint. */
export function fixedUpstream(endpoint: Endpoint): Upstream {
  const choice = { endpoint };
  return { name: endpoint.name, shape: endpoint, single: true, pick: () => choice };
}

/** A listener all of whose sessions go the one way of its plan. */
export function servePlanned(planned: PlannedListener): ServedListener {
  const { name, endpoint, session, ingress, egress, target, retry } = planned;
  const chains = { ingress: { steps: ingress, stages: [] }, egress: { steps: egress, stages: [] } };
  const way: Way = { target: fixedUpstream(target), retry, chains: () => chains };
  return { name, endpoint, session, target: target.name, targets: [target], route: () => way };
}
