/** The metrics of listeners, clusters and endpoints, by name (the README lists them). */
import type { MemberStatistics } from "../cluster/cluster.ts";
import type { Snapshot } from "../control/objects.ts";
import type { RunningCluster } from "../control/running_cluster.ts";
import type { Flows } from "../stream/relay.ts";
import type { Distribution } from "./distribution.ts";
import type { Family, Sample } from "./family.ts";
import type { Kept } from "./kept.ts";
import type { ClusterTally, Counts, EndpointTally, ListenerTally } from "./tally.ts";

type Labels = Sample["labels"];
type Labelled<T> = readonly (readonly [labels: Labels, value: T])[];

export function listenerFamilies(
  kept: Kept<ListenerTally>,
  { listeners }: Snapshot,
  isUp: (name: string) => boolean,
): readonly Family[] {
  const all = [...kept.all()];
  const original: Labelled<ListenerTally> = all.map(([[listenerName = ""], tally]) => [{ listenerName }, tally]);
  // A carrier of a JSONSocket counts requests, and nothing else.
  const own: Labelled<ListenerTally> = all.filter(([[name = ""]]) => !isCarrier(name, listeners))
    .map(([[listener = ""], tally]) => [{ listener }, tally]);
  const configured = [...listeners.keys()].map((listener) => [{ listener }, isUp(listener) ? 1 : 0] as const);
  return [
    counts("listener_requests_total", "Sessions of a listener", original, "protocol", ({ requests }) => requests),
    gauge("l7mp_listener_up", "1: the listener takes callers", configured, (up) => up),
    gauge("l7mp_sessions_active", "Sessions that run now", own, ({ active }) => active),
    counts("l7mp_sessions_total", "Sessions that have ended, and why", own, "reason", ({ ended }) => ended),
    histogram("l7mp_session_duration_seconds", "How long sessions lasted", own, ({ durations }) => durations),
    ...flowFamilies("l7mp_listener", "sessions of a listener", own),
    counter("l7mp_dropped_messages_total", "Messages that could not be kept or sent", own, ({ dropped }) => dropped),
    counts("l7mp_rejected_total", "Callers and sessions turned away", own, "reason", ({ rejected }) => rejected),
  ];
}

function isCarrier(name: string, listeners: Snapshot["listeners"]): boolean {
  return name.endsWith("-transport-listener") && !listeners.has(name);
}

export function clusterFamilies(
  kept: Kept<ClusterTally>,
  clusters: ReadonlyMap<string, RunningCluster>,
): readonly Family[] {
  const all = [...kept.all()];
  const original: Labelled<ClusterTally> = all.map(([[clusterName = ""], tally]) => [{ clusterName }, tally]);
  const own: Labelled<ClusterTally> = all
    .filter(([[name = ""]]) => !name.endsWith("-transport-cluster") || clusters.has(name))
    .map(([[cluster = ""], tally]) => [{ cluster }, tally]);
  const running = [...clusters].flatMap(([cluster, { cluster: own, transform }]) =>
    transform ? [] : [[{ cluster }, own.statistics()] as const]
  );
  return [
    counts("cluster_requests_total", "Streams to a cluster, without reconnections", original, "protocol", (
      { requests },
    ) => requests),
    histogram(
      "l7mp_connect_duration_seconds",
      "How long connections took to come about",
      own,
      ({ connects }) => connects,
    ),
    ...flowFamilies("l7mp_cluster", "sessions whose destination is a cluster", own),
    counter("l7mp_retries_total", "Attempts to connect after the first", own, ({ retries }) => retries),
    counter(
      "l7mp_cluster_refused_total",
      "Attempts that a circuit breaker did not allow",
      own,
      ({ refused }) => refused,
    ),
    gauge(
      "l7mp_cluster_connections",
      "Sessions that have an endpoint or are connecting",
      running,
      ({ connections }) => connections,
    ),
    gauge("l7mp_cluster_pending", "Sessions that are connecting", running, ({ pending }) => pending),
    gauge(
      "l7mp_cluster_endpoints_available",
      "Endpoints that would be picked",
      running,
      ({ members }) => members.filter(({ available }) => available).length,
    ),
  ];
}

export function endpointFamilies(
  kept: Kept<EndpointTally>,
  clusters: ReadonlyMap<string, RunningCluster>,
): readonly Family[] {
  const own: Labelled<EndpointTally> = [...kept.all()]
    .map(([[cluster = "", endpoint = ""], tally]) => [{ cluster, endpoint }, tally]);
  const running: Labelled<MemberStatistics> = [...clusters].flatMap(([cluster, { object, cluster: own }]) =>
    object.virtual
      ? []
      : own.statistics().members.map((member) => [{ cluster, endpoint: member.name }, member] as const)
  );
  const connections = ({ connections }: EndpointTally) => connections;
  const failures = ({ failures }: EndpointTally) => failures;
  const ejections = ({ ejections }: EndpointTally) => ejections;
  return [
    ...flowFamilies("l7mp_endpoint", "sessions whose destination is an endpoint", own),
    counter("l7mp_endpoint_connections_total", "Connections that came about", own, connections),
    counter("l7mp_endpoint_failures_total", "Attempts and connections that failed", own, failures),
    counter("l7mp_endpoint_ejections_total", "Times an endpoint was left out for its errors", own, ejections),
    gauge("l7mp_endpoint_active", "Sessions that have it or are connecting to it", running, ({ active }) => active),
    gauge("l7mp_endpoint_healthy", "1: active checks find it healthy", running, ({ healthy }) => Number(healthy)),
    gauge("l7mp_endpoint_ejected", "1: left out for its errors", running, ({ ejected }) => Number(ejected)),
  ];
}

/** Bytes and messages, towards upstream (`ltr`) and back (`rtl`). */
function flowFamilies(
  prefix: string,
  what: string,
  of: Labelled<{ readonly flows: Flows }>,
): readonly Family[] {
  return (["bytes", "messages"] as const).map((unit) => ({
    name: `${prefix}_${unit}_total`,
    help: `${unit === "bytes" ? "Bytes" : "Messages or blocks"} through ${what}`,
    type: "counter",
    samples: of.flatMap(([labels, { flows }]) =>
      (["ltr", "rtl"] as const).map((direction) => ({
        labels: { ...labels, direction },
        value: flows[direction][unit],
      }))
    ),
  }));
}

function counter<T>(name: string, help: string, of: Labelled<T>, value: (one: T) => number): Family {
  return { name, help, type: "counter", samples: of.map(([labels, one]) => ({ labels, value: value(one) })) };
}

function gauge<T>(name: string, help: string, of: Labelled<T>, value: (one: T) => number): Family {
  return { ...counter(name, help, of, value), type: "gauge" };
}

/** One series for each value of `label`. */
function counts<T>(name: string, help: string, of: Labelled<T>, label: string, values: (one: T) => Counts): Family {
  const samples = of.flatMap(([labels, one]) =>
    [...values(one)].map(([key, value]) => ({ labels: { ...labels, [label]: key }, value }))
  );
  return { name, help, type: "counter", samples };
}

function histogram<T>(name: string, help: string, of: Labelled<T>, value: (one: T) => Distribution): Family {
  const samples = of.flatMap(([labels, one]) => {
    const distribution = value(one);
    const buckets = [...distribution.buckets()];
    const [, count] = buckets.at(-1)!;
    return [
      ...buckets.map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { ...labels, le: String(le) }, value })),
      { metricName: `${name}_sum`, labels, value: distribution.sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  });
  return { name, help, type: "histogram", samples };
}
