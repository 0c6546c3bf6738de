/** Adds up what members of clusters count, which begins anew with every new member, so that the sums never go back. */
import type { Cluster } from "../cluster/cluster.ts";
import type { Member, MemberCounters } from "../cluster/member.ts";
import type { RunningCluster } from "../control/running_cluster.ts";
import type { Tally } from "./tally.ts";

interface Known {
  readonly cluster: string;
  readonly counted: { [key in "connections" | "failures" | "ejections"]: number };
}

export class MemberCounts {
  /** Those of the last time: what they counted until they were removed is not lost. */
  #members = new Map<Member, Known>();
  #refused = new Map<Cluster, number>();

  settle(clusters: ReadonlyMap<string, RunningCluster>, tally: Tally): void {
    for (const [member, known] of this.#members) settle(member, known, tally);
    const members = new Map<Member, Known>();
    const refused = new Map<Cluster, number>();
    for (const [name, { cluster, transform }] of clusters) {
      if (transform) continue;
      for (const member of cluster.object.virtual ? [] : cluster.members) {
        const known = this.#members.get(member) ??
          { cluster: name, counted: { connections: 0, failures: 0, ejections: 0 } };
        settle(member, known, tally);
        members.set(member, known);
      }
      const all = cluster.statistics().refused;
      tally.clusters.of(name).refused += all - (this.#refused.get(cluster) ?? 0);
      refused.set(cluster, all);
    }
    this.#members = members;
    this.#refused = refused;
  }
}

function settle({ name, counters }: Member, { cluster, counted }: Known, tally: Tally): void {
  const target = tally.endpoints.of(cluster, name);
  for (const key of ["connections", "failures", "ejections"] as const satisfies readonly (keyof MemberCounters)[]) {
    target[key] += counters[key] - counted[key];
    counted[key] = counters[key];
  }
}
