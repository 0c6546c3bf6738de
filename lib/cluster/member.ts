/** One endpoint of a cluster as the balancer sees it: where it is, how much it takes, how it does. */
import type { EndPointObject } from "../control/objects.ts";

/** Running numbers of one member; they only grow. */
export interface MemberCounters {
  /** Times it was picked. */
  attempts: number;
  /** Connections that came about. */
  connections: number;
  /** Attempts and connections that failed. */
  failures: number;
  /** Time that the connections took to come about, all together. */
  connectMs: number;
  /** Times it was left out for its errors. */
  ejections: number;
}

/** Sessions and health change while it lives; an endpoint whose `spec` changes becomes another member. */
export class Member {
  readonly name: string;
  /** As the endpoint was given, without `weight`. */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly address: string | undefined;
  /** The endpoint's own port, or else the cluster's. */
  readonly port: string | undefined;
  /** At least 1. */
  weight: number;
  /** 0 first. */
  priority: number;
  /** Sessions that have it, or are connecting to it. */
  active = 0;
  /** False while active checks say so. */
  healthy = true;
  /** Left out until then because of its errors, on the clock of its cluster; 0: not at all. */
  ejectedUntilMs = 0;
  readonly counters: MemberCounters = { attempts: 0, connections: 0, failures: 0, connectMs: 0, ejections: 0 };

  /** `clusterPort`: for an endpoint without a port of its own. */
  constructor({ name, spec, weight, priority }: EndPointObject, clusterPort?: unknown) {
    const port = spec.port ?? clusterPort;
    this.name = name;
    this.spec = spec;
    this.address = typeof spec.address === "string" ? spec.address : undefined;
    this.port = port === undefined ? undefined : String(port);
    this.weight = weight;
    this.priority = priority;
  }
}
