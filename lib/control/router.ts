/** Finds the way of a session: the rule that matches, its rewrites, its route, and the clusters that route names. */
import type { DenyDocument } from "../config/document.ts";
import type { ParsedAddress } from "../config/endpoint_parser.ts";
import type { Retry, SessionPlan } from "../config/plan.ts";
import { asTarget, planRetry } from "../config/planner.ts";
import { ConnectError, type L7mpError } from "../errors.ts";
import { compilePredicate, type Predicate } from "../metadata/predicate.ts";
import { applyRewrites, parseRewrites, type Rewrite } from "../metadata/rewrite.ts";
import type { Registry } from "../protocol.ts";
import { duration } from "../schema.ts";
import type { Metadata, Way } from "../session/way.ts";
import { planChains, type PlannedChains } from "./chain_planner.ts";
import type { ListenerObject, RouteObject, RuleObject, Snapshot } from "./objects.ts";
import { ClusterUpstream, type RunningCluster } from "./running_cluster.ts";

/** What the router looks things up in; it may be another from one call to the next. */
export interface RoutingState {
  readonly snapshot: Snapshot;
  readonly clusters: ReadonlyMap<string, RunningCluster>;
}

/** A listener as the router needs it. */
export interface RoutedListener {
  readonly object: ListenerObject;
  readonly address: ParsedAddress;
  readonly session: SessionPlan;
}

interface CompiledRule {
  readonly matches: Predicate;
  readonly rewrites: readonly Rewrite[];
}

/** What a route is for the sessions of one listener, whatever becomes of its clusters. */
interface RouteParts {
  readonly target: ClusterUpstream;
  readonly retry: Retry;
  readonly lingerMs?: number;
  readonly idleTimeoutMs?: number;
  chains?: { readonly planned: PlannedChains; readonly specs: readonly unknown[] };
}

const times = duration();
const limits = duration({ negative: true });

export class Router {
  readonly #state: () => RoutingState;
  readonly #registry: Registry;
  readonly #rules = new WeakMap<RuleObject, CompiledRule>();
  readonly #routes = new WeakMap<RoutedListener, WeakMap<RouteObject, RouteParts>>();

  constructor(state: () => RoutingState, registry: Registry) {
    this.#state = state;
    this.#registry = registry;
  }

  /**
   * The way of a session of `listener` with `metadata`. Throws a `ConnectError`: status 404 where nothing matches or
   * what matches leads nowhere, the rule's own where it denies. Throws a `LimitError` over the rate of the destination.
   */
  way(listener: RoutedListener, metadata: Metadata): Way {
    const { route, rewrites, found } = this.#lookup(listener.object.rules, metadata);
    const rewritten = applyRewrites(metadata, rewrites) as Metadata;
    const parts = this.#parts(listener, route);
    const cluster = this.#state().clusters.get(route.destination);
    cluster?.admit(rewritten);
    return {
      target: parts.target,
      retry: parts.retry,
      metadata: rewritten,
      route: route.name,
      names: route,
      found: `${found}, route ${JSON.stringify(route.name)}`,
      lingerMs: parts.lingerMs ?? cluster?.timeouts.lingerMs,
      idleTimeoutMs: parts.idleTimeoutMs ?? cluster?.timeouts.idleTimeoutMs,
      chains: () => this.#chains(listener, route),
    };
  }

  /**
   * Plans all that `listener` can lead to now; what does not exist yet is passed over. Gives the routes that lose message
   * boundaries. Throws `ConfigError` for what does not fit together.
   */
  check(listener: RoutedListener): readonly string[] {
    const { snapshot } = this.#state();
    const lost: string[] = [];
    const seen = new Set<string>();
    const pending = [listener.object.rules];
    for (let list = pending.pop(); list !== undefined; list = pending.pop()) {
      if (seen.has(list)) continue;
      seen.add(list);
      for (const name of snapshot.rulelists.get(list)?.rules ?? []) {
        const rule = snapshot.rules.get(name);
        if (!rule) continue;
        this.#compiled(rule);
        if (rule.action.apply !== undefined) pending.push(rule.action.apply);
        const route = rule.action.route === undefined ? undefined : snapshot.routes.get(rule.action.route);
        if (route && this.#checkRoute(listener, route)) lost.push(route.name);
      }
    }
    return lost;
  }

  /** Whether `route` loses message boundaries. */
  #checkRoute(listener: RoutedListener, route: RouteObject): boolean {
    // Planned as this listener's sessions use it.
    void this.#parts(listener, route).target.shape;
    try {
      return this.#chains(listener, route).lost;
    } catch (error) {
      if (error instanceof ConnectError) return false;
      throw error;
    }
  }

  #lookup(
    first: string,
    metadata: Metadata,
  ): { readonly route: RouteObject; readonly rewrites: readonly Rewrite[]; readonly found: string } {
    const { snapshot } = this.#state();
    const rewrites: Rewrite[] = [];
    const visited = new Set<string>();
    for (let list: string = first;;) {
      if (visited.has(list)) throw noWay(`rule lists apply each other in a circle, by ${JSON.stringify(list)}`, 500);
      visited.add(list);
      const rules = snapshot.rulelists.get(list);
      if (!rules) throw noWay(`unknown rule list ${JSON.stringify(list)}`);
      const rule = this.#firstMatch(rules.rules, metadata);
      if (!rule) throw noWay(`no rule of rule list ${JSON.stringify(list)} matches`);
      rewrites.push(...this.#compiled(rule).rewrites);
      const { apply, deny, route: name } = rule.action;
      if (deny) throw denied(rule, deny);
      if (apply !== undefined) {
        list = apply;
        continue;
      }
      if (name === undefined) throw noWay(`rule ${JSON.stringify(rule.name)} has no route`);
      const route = snapshot.routes.get(name);
      if (!route) throw noWay(`unknown route ${JSON.stringify(name)}`);
      return { route, rewrites, found: `rule list ${JSON.stringify(list)}, rule ${JSON.stringify(rule.name)}` };
    }
  }

  /** Names that no rule has (any more) are passed over. */
  #firstMatch(names: readonly string[], metadata: Metadata): RuleObject | undefined {
    const { rules } = this.#state().snapshot;
    for (const name of names) {
      const rule = rules.get(name);
      if (rule && this.#compiled(rule).matches(metadata)) return rule;
    }
    return undefined;
  }

  #compiled(rule: RuleObject): CompiledRule {
    let compiled = this.#rules.get(rule);
    if (!compiled) {
      const at = `rule ${JSON.stringify(rule.name)}`;
      compiled = {
        matches: compilePredicate(rule.match ?? "*", `${at}.match`),
        rewrites: parseRewrites(rule.action.rewrite, `${at}.action.rewrite`),
      };
      this.#rules.set(rule, compiled);
    }
    return compiled;
  }

  #parts(listener: RoutedListener, route: RouteObject): RouteParts {
    let routes = this.#routes.get(listener);
    if (!routes) this.#routes.set(listener, routes = new WeakMap());
    let parts = routes.get(route);
    if (!parts) {
      const at = `route ${JSON.stringify(route.name)}`;
      const { idle_timeout, linger } = route.settings;
      const direction = asTarget[listener.session.direction];
      parts = {
        target: new ClusterUpstream(route.destination, this.#cluster, direction),
        retry: planRetry(route.retry, `${at}.retry`),
        ...(linger !== undefined && { lingerMs: times.parse(linger, `${at}.linger`) }),
        ...(idle_timeout !== undefined && { idleTimeoutMs: limits.parse(idle_timeout, `${at}.idle_timeout`) }),
      };
      routes.set(route, parts);
    }
    return parts;
  }

  readonly #cluster = (name: string): RunningCluster | undefined => this.#state().clusters.get(name);

  /** Planned once, and again when a cluster on the way has become another. */
  #chains(listener: RoutedListener, route: RouteObject): PlannedChains {
    const parts = this.#parts(listener, route);
    const names = [route.destination, ...route.ingress, ...route.egress];
    const specs = names.map((name) => this.#cluster(name)?.object.spec);
    if (parts.chains && specs.every((spec, i) => spec !== undefined && spec === parts.chains!.specs[i])) {
      return parts.chains.planned;
    }
    const planned = planChains(route, {
      source: listener.address,
      direction: listener.session.direction,
      registry: this.#registry,
      lookup: this.#cluster,
    });
    parts.chains = { planned, specs };
    return planned;
  }
}

function noWay(message: string, status = 404): ConnectError {
  const error = new ConnectError(message, { code: "NO_ROUTE", status, side: "local", retryable: false });
  error.level = "warn";
  return error;
}

function denied(rule: RuleObject, { status = 403, reason }: DenyDocument): L7mpError {
  const text = reason ?? `denied by rule ${JSON.stringify(rule.name)}`;
  const error = new ConnectError(text, { code: "DENIED", status, side: "downstream", retryable: false });
  error.level = "warn";
  return error;
}
