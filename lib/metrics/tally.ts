/**
 * Counts what sessions do. Nothing here runs while data moves: what a running session has moved is taken from its own
 * numbers when somebody asks, and when it ends.
 */
import type { L7mpError } from "../errors.ts";
import type { SessionRecord } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import type { Stage } from "../session/stage.ts";
import type { ServedListener } from "../session/way.ts";
import { type Flows, noFlows } from "../stream/relay.ts";
import { connectSeconds, Distribution, sessionSeconds } from "./distribution.ts";
import { Kept, type KeptOptions } from "./kept.ts";

/** Counters that differ in one label. */
export class Counts extends Map<string, number> {
  add(key: string): void {
    this.set(key, (this.get(key) ?? 0) + 1);
  }
}

export class ListenerTally {
  /** By protocol: another definition of the same name may have another. */
  readonly requests = new Counts();
  readonly ended = new Counts();
  readonly rejected = new Counts();
  readonly durations = new Distribution(sessionSeconds);
  readonly flows = noFlows();
  dropped = 0;
  /** As of the last look. */
  active = 0;
}

export class ClusterTally {
  /** By protocol. */
  readonly requests = new Counts();
  readonly connects = new Distribution(connectSeconds);
  readonly flows = noFlows();
  retries = 0;
  /** Sessions that its limits did not allow. */
  refused = 0;
}

export class EndpointTally {
  readonly flows = noFlows();
  connections = 0;
  failures = 0;
  ejections = 0;
}

/** The objects there are now. */
export interface Present {
  listener(name: string): boolean;
  cluster(name: string): boolean;
  endpoint(cluster: string, name: string): boolean;
  /** A cluster without endpoints of its own. */
  isVirtual(cluster: string): boolean;
  /** Protocol of a cluster, and of its transport where it has one of its own; undefined: it is gone. */
  protocolsOf(cluster: string): Protocols | undefined;
}

export interface Protocols {
  readonly protocol: string;
  /** Of a JSONSocket: counted a second time under a name of its own, as the original does. */
  readonly transport?: string;
}

/** What of a session has been counted. */
interface Counted {
  readonly flows: Flows;
  readonly retries: WeakMap<Stage, number>;
}

/** Codes of errors that mean: this session was not wanted. */
const rejections: Readonly<Record<string, string>> = {
  REFUSED_CALLER: "address",
  DENIED: "denied",
  NO_ROUTE: "no_route",
  RATE_LIMITED: "rate_limited",
  NO_CLUSTER: "no_cluster",
  NO_ENDPOINT: "no_endpoint",
};

/** Why `error` turned somebody away; undefined: it is a failure like any other. */
function rejectionOf({ code, side }: L7mpError): string | undefined {
  if (code === "OVERFLOW") return side === "downstream" ? "limit" : "circuit";
  return rejections[code];
}

/** Sessions of listeners that are no objects of the configuration (that of `--admin`) count for nothing. */
export class Tally {
  readonly listeners: Kept<ListenerTally>;
  readonly clusters: Kept<ClusterTally>;
  readonly endpoints: Kept<EndpointTally>;
  readonly #present: Present;
  readonly #counted = new WeakMap<Session, Counted>();
  readonly #connected = new WeakSet<Stage>();

  constructor(present: Present, limits: Pick<KeptOptions<unknown>, "now" | "keepMs" | "max"> = {}) {
    this.#present = present;
    this.listeners = new Kept({
      ...limits,
      make: () => new ListenerTally(),
      isPresent: ([name = ""]) => present.listener(name) || present.listener(name.replace(/-transport-listener$/, "")),
    });
    this.clusters = new Kept({
      ...limits,
      make: () => new ClusterTally(),
      isPresent: ([name = ""]) => present.cluster(name) || present.cluster(name.replace(/-transport-cluster$/, "")),
    });
    this.endpoints = new Kept({
      ...limits,
      make: () => new EndpointTally(),
      isPresent: ([cluster, name]) => present.endpoint(cluster!, name!),
    });
  }

  started({ listener }: Session): void {
    const protocols = listener.shown && protocolsIn(listener.shown.spec);
    if (!protocols) return;
    const { protocol, transport } = protocols;
    this.listeners.of(listener.name).requests.add(protocol);
    if (transport !== undefined) this.listeners.of(`${listener.name}-transport-listener`).requests.add(transport);
  }

  /** A caller that did not become a session; `error`: what it was told. */
  refused({ name, shown }: ServedListener, error: L7mpError): void {
    if (!shown) return;
    this.listeners.of(name).rejected.add(rejectionOf(error) ?? "limit");
  }

  ended(record: SessionRecord, session: Session): void {
    if (!session.listener.shown) return;
    if (record.openedMs !== undefined) { for (const stage of session.stages) this.#connect(stage); }
    this.settle(session);
    const tally = this.listeners.of(session.listener.name);
    tally.ended.add(record.reason);
    tally.durations.add(record.durationMs / 1000);
    tally.dropped += record.dropped;
    const rejection = record.error && rejectionOf(record.error);
    if (rejection !== undefined) tally.rejected.add(rejection);
  }

  /** A connection to an endpoint of `cluster` came about. */
  connected(cluster: string, durationMs: number): void {
    this.clusters.of(cluster).connects.add(durationMs / 1000);
  }

  /** A session begins with a stream, or a step, of `cluster`. */
  stepBegan(cluster: string): void {
    const protocols = this.#present.protocolsOf(cluster);
    const { requests } = this.clusters.of(cluster);
    requests.add(protocols?.protocol ?? [...requests.keys()].at(-1) ?? "");
    if (protocols?.transport !== undefined) {
      this.clusters.of(`${cluster}-transport-cluster`).requests.add(protocols.transport);
    }
  }

  /** Counts what `session` has done since the last time, for the endpoint it has now. */
  settle(session: Session): void {
    const { listener, flows, stages } = session;
    if (!listener.shown) return;
    let counted = this.#counted.get(session);
    if (!counted) this.#counted.set(session, counted = { flows: noFlows(), retries: new WeakMap() });
    for (const stage of stages) {
      if (stage.status === "CONNECTED" || stage.status === "READY" || stage.status === "DISCONNECTED") {
        this.#connect(stage);
      }
      const retries = stage.retries - (counted.retries.get(stage) ?? 0);
      if (retries > 0) this.clusters.of(stage.origin).retries += retries;
      counted.retries.set(stage, stage.retries);
    }
    const targets = [this.listeners.of(listener.name).flows];
    // The destination is always the first.
    const [target] = stages;
    if (target) targets.push(this.clusters.of(target.origin).flows);
    const endpoint = target?.choice?.shown?.name;
    if (endpoint !== undefined && !this.#present.isVirtual(target!.origin)) {
      targets.push(this.endpoints.of(target!.origin, endpoint).flows);
    }
    move(flows, counted.flows, targets);
  }

  /** Once for every stage that was connected when its session began. */
  #connect(stage: Stage): void {
    if (this.#connected.has(stage)) return;
    this.#connected.add(stage);
    this.stepBegan(stage.origin);
  }
}

/** Adds to all `targets` what `flows` has more than `counted`, which is then the same. */
function move(flows: Flows, counted: Flows, targets: readonly Flows[]): void {
  for (const way of ["ltr", "rtl"] as const) {
    for (const what of ["bytes", "messages"] as const) {
      const more = flows[way][what] - counted[way][what];
      counted[way][what] += more;
      for (const target of targets) target[way][what] += more;
    }
  }
}

/** The protocol of a spec, and what carries it where the metrics count that too. */
export function protocolsIn(spec: unknown): Protocols {
  const { protocol, transport, transport_spec } = spec as {
    readonly protocol: string;
    readonly transport?: { readonly protocol?: string };
    readonly transport_spec?: { readonly protocol?: string };
  };
  const carrier = (transport ?? transport_spec)?.protocol;
  return { protocol, ...(protocol === "JSONSocket" && carrier !== undefined && { transport: carrier }) };
}
