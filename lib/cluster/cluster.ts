/** A cluster at run time: members, the policy that picks one, and what is known of their health. */
import type { ClusterObject } from "../control/objects.ts";
import { ConnectError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { printDuration } from "../schema.ts";
import { candidates, isAvailable } from "./availability.ts";
import { type Balancer, type BalancerTools, makeBalancer, type Metadata } from "./balancer.ts";
import { Circuit, type Claim } from "./circuit.ts";
import { type ClusterPolicies, readClusterPolicies } from "./cluster_settings.ts";
import { HealthChecker, type Probe } from "./health_check.ts";
import { Member } from "./member.ts";
import { type FaultKind, OutlierDetector } from "./outlier.ts";

export interface ClusterTools extends BalancerTools {
  readonly log: Log;
  /** Tries one member for an active health check; absent: members are not checked. */
  readonly probe?: Probe;
}

/** A member picked for one attempt, to be told how that went; `failed` and `release` end it. All may be called late or twice. */
export interface Choice {
  readonly member: Member;
  /** The connection is there, `durationMs` after the attempt began. */
  connected(durationMs: number): void;
  /** The attempt failed, or the connection did. */
  failed(kind: FaultKind): void;
  /** The attempt was given up, or the connection is over and nothing was wrong with it. */
  release(): void;
}

export interface MemberStatistics {
  readonly name: string;
  readonly active: number;
  readonly attempts: number;
  readonly connections: number;
  readonly failures: number;
  /** Sum over `connections`. */
  readonly connectMs: number;
  readonly ejections: number;
  /** By active checks. */
  readonly healthy: boolean;
  readonly ejected: boolean;
  readonly available: boolean;
}

export interface ClusterStatistics {
  readonly connections: number;
  readonly pending: number;
  readonly retries: number;
  /** Sessions that its limits did not allow. */
  readonly refused: number;
  readonly members: readonly MemberStatistics[];
}

const nobody: ReadonlySet<Member> = new Set();

export class Cluster implements AsyncDisposable {
  readonly name: string;
  readonly #tools: ClusterTools;
  readonly #circuit: Circuit;
  #object: ClusterObject;
  #members: readonly Member[] = [];
  #balancer: Balancer;
  #outlier: OutlierDetector | undefined;
  #checker: HealthChecker | undefined;
  /** Checkers that are ending. */
  readonly #ending = new Set<Promise<void>>();
  #checking = false;

  /** Nothing runs before `start`. Throws `ConfigError` for settings that cannot be read. */
  constructor(object: ClusterObject, tools: ClusterTools) {
    const policies = policiesOf(object);
    this.name = object.name;
    this.#tools = tools;
    this.#object = object;
    this.#circuit = new Circuit(object.name);
    this.#balancer = makeBalancer(policies.loadBalancing, tools);
    this.#apply(object, policies, undefined);
  }

  get object(): ClusterObject {
    return this.#object;
  }

  /** Begins the health checks. */
  start(): void {
    this.#checking = true;
    this.#beginChecks(policiesOf(this.#object));
  }

  /** In the order of the endpoints; a virtual cluster is its own only one. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /**
   * A member for one attempt. `tried`: those that this session has failed with; another is picked where there is one and
   * the policy does not insist (`Trivial` and a key of `HashRing` do); the attempt then counts as a retry. Throws a
   * retryable `ConnectError` without endpoints and a `LimitError` over a limit of the circuit breaker, status 503 both.
   */
  pick(metadata: Metadata, tried: ReadonlySet<Member> = nobody): Choice {
    if (this.#members.length === 0) {
      const text = `no endpoint in cluster "${this.name}"`;
      throw new ConnectError(text, { status: 503, code: "NO_ENDPOINT", side: "upstream" });
    }
    const claim = this.#circuit.claim(tried.size > 0);
    try {
      const member = this.#balancer.pick(candidates(this.#members, this.#tools.now(), tried), metadata);
      return this.#chosen(member, claim);
    } catch (error) {
      claim.release();
      throw error;
    }
  }

  /**
   * Goes on as `object`, which has the same name. Members whose name and `spec` stay keep their sessions, health and
   * counters, unless the cluster's own `spec` is another; picks made before stay valid. Throws `ConfigError`; nothing has
   * changed then.
   */
  update(object: ClusterObject): void {
    const policies = policiesOf(object);
    const before = this.#object;
    this.#object = object;
    if (!same(before.loadbalancer, object.loadbalancer)) {
      this.#balancer = makeBalancer(policies.loadBalancing, this.#tools);
    }
    this.#apply(object, policies, before);
  }

  statistics(): ClusterStatistics {
    const now = this.#tools.now();
    const members = this.#members.map((member) => ({
      name: member.name,
      active: member.active,
      ...member.counters,
      healthy: member.healthy,
      ejected: member.ejectedUntilMs > now,
      available: isAvailable(member, now),
    }));
    return { ...this.#circuit.counts, members };
  }

  /** Ends the health checks; running ones have ended when it resolves. Picks made before stay valid. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#checking = false;
    this.#endChecks();
    await Promise.all(this.#ending);
  }

  #apply(object: ClusterObject, { healthCheck, outlier, circuit }: ClusterPolicies, before?: ClusterObject): void {
    const kept = before && same(before.spec, object.spec) ? this.#members : [];
    this.#members = membersOf(object, kept);
    this.#balancer.update(this.#members);
    this.#circuit.limits = circuit;
    if (!before || !same(before.settings.outlier_detection, object.settings.outlier_detection)) {
      this.#outlier = outlier && new OutlierDetector(outlier, this.#tools.now, (...what) => this.#logEjection(...what));
      if (!outlier) this.#members.forEach((member) => member.ejectedUntilMs = 0);
    }
    if (!before || !same(before.settings.health_check, object.settings.health_check)) {
      this.#endChecks();
      if (!healthCheck) this.#members.forEach((member) => member.healthy = true);
    }
    this.#beginChecks({ healthCheck });
  }

  #beginChecks({ healthCheck }: Pick<ClusterPolicies, "healthCheck">): void {
    const { probe } = this.#tools;
    if (!this.#checker && healthCheck && probe && this.#checking) {
      this.#checker = new HealthChecker(healthCheck, probe, (...what) => this.#logHealth(...what));
    }
    this.#checker?.update(this.#members);
  }

  #endChecks(): void {
    const checker = this.#checker;
    this.#checker = undefined;
    if (!checker) return;
    const ending = checker[Symbol.asyncDispose]().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #chosen(member: Member, claim: Claim): Choice {
    member.active++;
    member.counters.attempts++;
    let phase: "connecting" | "connected" | "over" = "connecting";
    const end = () => {
      phase = "over";
      member.active--;
      claim.release();
    };
    return {
      member,
      connected: (durationMs) => {
        if (phase !== "connecting") return;
        phase = "connected";
        claim.connected();
        member.counters.connections++;
        member.counters.connectMs += durationMs;
        this.#outlier?.succeeded(member, "connecting");
      },
      failed: (kind) => {
        if (phase === "over") return;
        member.counters.failures++;
        this.#outlier?.failed(member, phase, kind, this.#members);
        end();
      },
      release: () => {
        if (phase === "over") return;
        if (phase === "connected") this.#outlier?.succeeded(member, "connected");
        end();
      },
    };
  }

  #logEjection(member: Member, ejectionMs: number, errors: number): void {
    const text = `endpoint "${member.name}" of cluster "${this.name}" is left out for ${printDuration(ejectionMs)}`;
    this.#tools.log.warn("endpoint.ejected", `${text}: ${errors} errors in a row`, this.#fields(member));
  }

  #logHealth(member: Member, error: unknown): void {
    const text = `endpoint "${member.name}" of cluster "${this.name}" is`;
    const { log } = this.#tools;
    if (member.healthy) log.notice("endpoint.healthy", `${text} healthy again`, this.#fields(member));
    else log.warn("endpoint.unhealthy", `${text} unhealthy: ${messageOf(error)}`, this.#fields(member));
  }

  #fields(member: Member): Record<string, string> {
    return { cluster: this.name, endpoint: member.name };
  }
}

function policiesOf(object: ClusterObject): ClusterPolicies {
  return readClusterPolicies(object, `cluster ${object.name}`, "ignore");
}

/** The members of `object`, those of `kept` among them that stay. */
function membersOf({ name, spec, endpoints, virtual }: ClusterObject, kept: readonly Member[]): readonly Member[] {
  const old = new Map(kept.map((member) => [member.name, member]));
  const wanted = virtual ? [{ name, spec: {}, weight: 1, priority: 0 }] : endpoints;
  return wanted.map((endpoint) => {
    const member = old.get(endpoint.name);
    if (!member || !same(member.spec, endpoint.spec)) return new Member(endpoint, portOf(spec));
    member.weight = endpoint.weight;
    member.priority = endpoint.priority;
    return member;
  });
}

/** The port that all endpoints share: of the cluster, or of what carries its protocol. */
function portOf(spec: ClusterObject["spec"]): unknown {
  return spec.port ?? (spec.transport && portOf(spec.transport));
}

/** Whether two pieces of plain data are equal. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
