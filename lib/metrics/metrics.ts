/** The metrics of a running proxy: counted from its sessions, put together when somebody asks. */
import type { RunningCluster } from "../control/running_cluster.ts";
import type { Snapshot } from "../control/objects.ts";
import type { L7mpError } from "../errors.ts";
import type { StepCounter, StepCounterNames } from "../protocol.ts";
import type { SessionRecord } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import type { ServedListener } from "../session/way.ts";
import { exposition } from "./exposition.ts";
import { clusterFamilies, endpointFamilies, listenerFamilies } from "./families.ts";
import { MemberCounts } from "./member_counts.ts";
import { processFamilies } from "./process.ts";
import { StepCounters } from "./step_counters.ts";
import { protocolsIn, Tally } from "./tally.ts";

/** What the metrics are about. */
export interface Observed {
  readonly snapshot: Snapshot;
  readonly clusters: ReadonlyMap<string, RunningCluster>;
  /** Running ones. */
  sessions(): Iterable<Session>;
  /** Whether the listener of that name takes callers. */
  isUp(listener: string): boolean;
}

export class Metrics {
  readonly #observed: Observed;
  readonly #version: string;
  readonly #tally: Tally;
  readonly #members = new MemberCounts();
  readonly #steps: StepCounters;

  constructor(observed: Observed, { version, steps = new StepCounters() }: { version: string; steps?: StepCounters }) {
    this.#observed = observed;
    this.#version = version;
    this.#steps = steps;
    this.#tally = new Tally({
      listener: (name) => observed.snapshot.listeners.has(name),
      cluster: (name) => observed.snapshot.clusters.has(name),
      endpoint: (cluster, name) =>
        observed.clusters.get(cluster)?.cluster.members.some((member) => member.name === name) ?? false,
      isVirtual: (cluster) => observed.snapshot.clusters.get(cluster)?.virtual ?? false,
      protocolsOf(cluster) {
        const object = observed.snapshot.clusters.get(cluster);
        return object && protocolsIn(object.spec);
      },
    });
  }

  sessionStarted(session: Session): void {
    this.#tally.started(session);
  }

  sessionEnded(record: SessionRecord, session: Session): void {
    this.#tally.ended(record, session);
    this.#steps.ended(session.name);
  }

  refused(listener: ServedListener, error: L7mpError): void {
    this.#tally.refused(listener, error);
  }

  connected(cluster: string, durationMs: number): void {
    this.#tally.connected(cluster, durationMs);
  }

  /** A session begins with a step that stands for `cluster`. */
  stepBegan(cluster: string): void {
    this.#tally.stepBegan(cluster);
  }

  /** For a step of `session` that counts under names of its own. */
  counter(session: string, cluster: string, names: StepCounterNames): StepCounter {
    return this.#steps.counter(session, cluster, names);
  }

  /** All of it as Prometheus reads it, and the content type. */
  async text(): Promise<{ readonly text: string; readonly contentType: string }> {
    this.#look();
    const { clusters, isUp } = this.#observed;
    return await exposition([
      ...listenerFamilies(this.#tally.listeners, this.#observed.snapshot, isUp),
      ...clusterFamilies(this.#tally.clusters, clusters),
      ...endpointFamilies(this.#tally.endpoints, clusters),
      ...processFamilies(this.#version),
      ...this.#steps.families(),
    ]);
  }

  /** Takes the numbers of all that runs, and makes sure that what is configured shows up, with zeros. */
  #look(): void {
    const { snapshot, clusters } = this.#observed;
    const { listeners, endpoints } = this.#tally;
    for (const [, tally] of listeners.all()) tally.active = 0;
    for (const name of snapshot.listeners.keys()) listeners.of(name);
    for (const [name, { cluster, transform }] of clusters) {
      if (transform) continue;
      this.#tally.clusters.of(name);
      if (!cluster.object.virtual) { for (const member of cluster.members) endpoints.of(name, member.name); }
    }
    for (const session of this.#observed.sessions()) {
      if (!session.listener.shown) continue;
      listeners.of(session.listener.name).active += 1;
      this.#tally.settle(session);
    }
    this.#members.settle(clusters, this.#tally);
  }
}
