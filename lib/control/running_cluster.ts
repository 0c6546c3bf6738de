/** A cluster of the configuration as sessions use it: its balancer, and its endpoints ready to connect to. */
import { Cluster, type ClusterTools } from "../cluster/cluster.ts";
import { readClusterPolicies } from "../cluster/cluster_settings.ts";
import type { Member } from "../cluster/member.ts";
import type { InlineTransform } from "../config/document.ts";
import { planEndpoint } from "../config/endpoint_planner.ts";
import type { ParsedAddress } from "../config/endpoint_parser.ts";
import { readClusterSpec, transformForPlanner } from "../config/original_spec.ts";
import type { Endpoint } from "../config/plan.ts";
import { faultKindOf } from "../cluster/outlier.ts";
import { ConnectError, LimitError } from "../errors.ts";
import { parseRateLimit, RateLimiter } from "../limits/rate_limiter.ts";
import type { Direction, Registry } from "../protocol.ts";
import { duration } from "../schema.ts";
import type { Choice, Metadata, Upstream } from "../session/way.ts";
import type { ClusterObject } from "./objects.ts";
import { same } from "./reconcile.ts";

const times = duration();
const limits = duration({ negative: true });

export interface RunningClusterTools extends Omit<ClusterTools, "probe"> {
  /** Tries an endpoint for an active health check; absent: endpoints are not checked. */
  probe?(endpoint: Endpoint, signal: AbortSignal): Promise<void>;
  /** A connection to an endpoint of that cluster came about. */
  onConnect?(cluster: string, durationMs: number): void;
}

/** Does nothing by itself before `start`. */
export class RunningCluster implements AsyncDisposable {
  readonly cluster: Cluster;
  /** Present for a transform, which is no stage of its own. */
  readonly transform: InlineTransform | undefined;
  /** The address without an endpoint, for the kinds and options of what it connects to; absent for a transform. */
  readonly address: ParsedAddress | undefined;
  readonly onConnect: RunningClusterTools["onConnect"];
  readonly #registry: Registry;
  #endpoints = new WeakMap<Member, Map<Direction, Endpoint>>();
  #settings: ClusterSettings;

  /** Throws `ConfigError`. */
  constructor(object: ClusterObject, registry: Registry, tools: RunningClusterTools) {
    const use = { registry, at: `cluster ${JSON.stringify(object.name)}` };
    this.#registry = registry;
    const transform = transformForPlanner(object.spec, use);
    this.transform = transform && { ...transform, name: object.name };
    this.address = this.transform ? undefined : readClusterSpec(object.spec, use);
    const { probe, onConnect } = tools;
    this.onConnect = onConnect;
    this.cluster = new Cluster(object, {
      ...tools,
      probe: probe && (async (member, signal) => await probe(bare(this.anyEndpoint(member)), signal)),
    });
    this.#settings = settingsOf(object);
  }

  /** Begins what it does by itself: health checks. */
  start(): void {
    this.cluster.start();
  }

  get object(): ClusterObject {
    return this.cluster.object;
  }

  get timeouts(): ClusterTimeouts {
    return this.#settings;
  }

  /** Whether it can go on as `object`, whose `spec` is the same: throws what `update` would. */
  check(object: ClusterObject): void {
    readClusterPolicies(object, `cluster ${JSON.stringify(object.name)}`, "ignore");
    settingsOf(object);
  }

  /** Goes on as `object`, whose `spec` is the same. Throws `ConfigError`; nothing has changed then. */
  update(object: ClusterObject): void {
    const settings = settingsOf(object);
    const { limiter, limit } = this.#settings;
    this.cluster.update(object);
    // Who has used up its share does not get another by a change of something else.
    this.#settings = same(limit, settings.limit) ? { ...settings, limiter } : settings;
  }

  /** Counts a session that begins with `metadata`. Over the rate of the cluster throws a `LimitError` with status 429. */
  admit(metadata: Metadata): void {
    if (this.#settings.limiter?.allow(metadata) !== false) return;
    const text = `cluster "${this.object.name}" has too many sessions in a short time (local_ratelimit)`;
    const error = new LimitError(text, { status: 429, code: "RATE_LIMITED", side: "upstream" });
    error.level = "info";
    throw error;
  }

  /** What `member` is for the engine when it is used in `direction`. Throws `ConfigError`. */
  endpoint(member: Member, direction: Direction): Endpoint {
    let planned = this.#endpoints.get(member);
    if (!planned) this.#endpoints.set(member, planned = new Map());
    let endpoint = planned.get(direction);
    if (!endpoint) {
      const { spec, virtual } = this.object;
      const own = virtual ? undefined : { spec: member.spec, at: `endpoint ${JSON.stringify(member.name)}` };
      const address = readClusterSpec(spec, { registry: this.#registry, at: `cluster ${this.object.name}` }, own);
      planned.set(direction, endpoint = planEndpoint(address, "destination", direction, this.#registry));
    }
    return endpoint;
  }

  /** The same for what is not about sessions: some endpoints can only be read, or only written. */
  anyEndpoint(member: Member): Endpoint {
    try {
      return this.endpoint(member, "both");
    } catch {
      return this.#oneWay(member);
    }
  }

  #oneWay(member: Member): Endpoint {
    try {
      return this.endpoint(member, "read");
    } catch {
      return this.endpoint(member, "write");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}

interface ClusterTimeouts {
  readonly connectTimeoutMs?: number;
  /** Not above 0: never. */
  readonly idleTimeoutMs?: number;
  readonly lingerMs?: number;
}

interface ClusterSettings extends ClusterTimeouts {
  readonly limit?: unknown;
  readonly limiter?: RateLimiter;
}

/** Without what is spoken over the connection: a check asks of a server that it can be connected to. */
function bare(endpoint: Endpoint): Endpoint {
  return { ...endpoint, layers: endpoint.layers.filter(({ layer }) => layer.proxy) };
}

function settingsOf({ name, settings }: ClusterObject): ClusterSettings {
  const { connect_timeout, idle_timeout, linger, local_ratelimit: limit } = settings;
  const at = `cluster ${JSON.stringify(name)}`;
  return {
    ...(connect_timeout !== undefined && { connectTimeoutMs: times.parse(connect_timeout, `${at}.connect_timeout`) }),
    ...(idle_timeout !== undefined && { idleTimeoutMs: limits.parse(idle_timeout, `${at}.idle_timeout`) }),
    ...(linger !== undefined && { lingerMs: times.parse(linger, `${at}.linger`) }),
    ...(limit && { limit, limiter: new RateLimiter(parseRateLimit(limit, `${at}.local_ratelimit`)) }),
  };
}

/** What sessions connect to by the name of a cluster, looked up anew for every attempt. */
export class ClusterUpstream implements Upstream {
  readonly name: string;
  readonly #lookup: (name: string) => RunningCluster | undefined;
  readonly #direction: Direction;

  constructor(name: string, lookup: (name: string) => RunningCluster | undefined, direction: Direction) {
    this.name = name;
    this.#lookup = lookup;
    this.#direction = direction;
  }

  get shape(): Endpoint | undefined {
    const running = this.#lookup(this.name);
    const member = running?.cluster.members[0];
    return member && running.endpoint(member, this.#direction);
  }

  get single(): boolean {
    return this.#lookup(this.name)?.cluster.members.length === 1;
  }

  get connectTimeoutMs(): number | undefined {
    return this.#lookup(this.name)?.timeouts.connectTimeoutMs;
  }

  pick(metadata: Metadata | undefined, failed: readonly Choice[]): Choice {
    const running = this.#lookup(this.name);
    if (!running) throw unknownCluster(this.name);
    const tried = new Set(failed.flatMap((choice) => choice instanceof ClusterChoice ? [choice.member] : []));
    const choice = running.cluster.pick(metadata ?? {}, tried);
    try {
      return new ClusterChoice(running, choice, running.endpoint(choice.member, this.#direction));
    } catch (error) {
      choice.release();
      throw error;
    }
  }
}

class ClusterChoice implements Choice {
  readonly endpoint: Endpoint;
  readonly member: Member;
  readonly #cluster: RunningCluster;
  readonly #choice: ReturnType<Cluster["pick"]>;

  constructor(cluster: RunningCluster, choice: ReturnType<Cluster["pick"]>, endpoint: Endpoint) {
    const { object } = cluster;
    this.endpoint = endpoint;
    this.member = choice.member;
    this.#cluster = cluster;
    this.#choice = choice;
    this.shown = {
      name: choice.member.name,
      spec: object.virtual ? { address: "<VIRTUAL>" } : choice.member.spec,
    };
  }

  readonly shown: { readonly name: string; readonly spec: unknown };

  connected(durationMs: number): void {
    this.#choice.connected(durationMs);
    this.#cluster.onConnect?.(this.#cluster.object.name, durationMs);
  }

  failed(error: unknown): void {
    this.#choice.failed(faultKindOf(error));
  }

  release(): void {
    this.#choice.release();
  }
}

/** A cluster may still come: the attempt may be made again. */
export function unknownCluster(name: string): ConnectError {
  return new ConnectError(`unknown cluster ${JSON.stringify(name)}`, {
    code: "NO_CLUSTER",
    status: 503,
    side: "upstream",
  });
}
