/** The configuration of a running proxy: every change is checked whole, takes effect whole, or not at all. */
import type { UnknownKeys } from "../cluster/read_settings.ts";
import type { AdminDocument, ConfigDocument, SessionDocument } from "../config/document.ts";
import { planEndpoint } from "../config/endpoint_planner.ts";
import { readListenerSpec } from "../config/original_spec.ts";
import { asSource, lostBoundaries, planSession } from "../config/planner.ts";
import { LimitError, messageOf, StreamError } from "../errors.ts";
import { parseRateLimit, RateLimiter } from "../limits/rate_limiter.ts";
import type { Log } from "../log.ts";
import { loadRegex, usesRegex } from "../metadata/predicate.ts";
import { getAtPath } from "../metadata/pointer.ts";
import { addTrace } from "../metadata/trace.ts";
import type { Registry } from "../protocol.ts";
import type { Proxy } from "../proxy.ts";
import { duration } from "../schema.ts";
import { deleted } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import type { ServedListener } from "../session/way.ts";
import { danglingNames } from "./dangling.ts";
import type { Control, Draft, Effects, SessionChange, SessionView } from "./control.ts";
import { EditableDraft } from "./draft.ts";
import { Naming } from "./naming.ts";
import { emptySnapshot, type ListenerObject, type Snapshot } from "./objects.ts";
import { same } from "./reconcile.ts";
import { refuseSamePlace } from "./same_place.ts";
import { type RoutedListener, Router, type RoutingState } from "./router.ts";
import { RunningCluster, type RunningClusterTools } from "./running_cluster.ts";
import { SessionWatch } from "./session_watch.ts";
import { snapshotOf } from "./snapshot_of.ts";
import { makeSpecCheck } from "./spec_check.ts";
import { adminInForce, outputUser } from "./standard_output.ts";

export interface RunningControlOptions {
  readonly registry: Registry;
  readonly proxy: Proxy;
  readonly log: Log;
  readonly programVersion: string;
  /** Options of sessions that hold where a listener has none of its own. */
  readonly session?: SessionDocument;
  /** Lost message boundaries are warned of; otherwise they are a notice. */
  readonly warnOfBoundaries: boolean;
  /** A connection to an endpoint of a cluster came about. */
  onConnect?(cluster: string, durationMs: number): void;
  /** Other admin settings are in force. Throws `ConfigError` for what cannot be; nothing has changed then. */
  onAdmin?(admin: AdminDocument): void;
}

/** A listener, ready to be opened. */
interface Prepared extends RoutedListener {
  readonly served: ServedListener;
}

/** Warnings of one kind at a time. */
const mostTold = 10;
const noEffects: Effects = { listeners: new Set(), clusters: new Set(), endpoints: new Set() };
const times = duration();

export class RunningControl implements Control, AsyncDisposable {
  readonly programVersion: string;
  readonly #options: RunningControlOptions;
  readonly #naming = new Naming();
  readonly #router: Router;
  readonly #watch = new SessionWatch();
  #routing: RoutingState & { readonly clusters: Map<string, RunningCluster> };
  #listeners = new Map<string, Prepared>();
  #version = 0;
  #ready = false;
  #ending = false;
  /** The change under way; the next waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: RunningControlOptions) {
    this.#options = options;
    this.programVersion = options.programVersion;
    this.#routing = { snapshot: emptySnapshot, clusters: new Map() };
    this.#router = new Router(() => this.#routing, options.registry);
  }

  get snapshot(): Snapshot {
    return this.#routing.snapshot;
  }

  get version(): number {
    return this.#version;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** By name, in order of creation, for statistics. */
  get clusters(): ReadonlyMap<string, RunningCluster> {
    return this.#routing.clusters;
  }

  change(edit: (draft: Draft) => void): Promise<void> {
    return this.#queued(async () => {
      await loadRegex();
      const draft = new EditableDraft(this.snapshot, this.#naming, makeSpecCheck(this.#options.registry, "ignore"));
      edit(draft);
      await this.#apply(draft.snapshot, draft.effects);
    });
  }

  /** `unknownKeys`: files are refused for them, callers of the REST API may say more than we know. */
  reload(document: ConfigDocument, unknownKeys: UnknownKeys = "ignore"): Promise<void> {
    return this.#queued(async () => {
      const next = await this.#read(document, unknownKeys);
      if (unknownKeys === "refuse") {
        refuseSamePlace(this.#prepare(next).listeners.values());
        this.#tellDangling(next);
      }
      await this.#apply(next, noEffects);
      this.#ready = !this.#ending;
    });
  }

  /** Checks `document` as `reload` does, and gives the objects it describes; nothing opens. */
  async check(document: ConfigDocument): Promise<Snapshot> {
    const next = await this.#read(document, "refuse");
    const { listeners, clusters } = this.#prepare(next);
    refuseSamePlace(listeners.values());
    this.#checkRoutes(next, listeners, clusters, false);
    const { proxy } = this.#options;
    for (const { served } of listeners.values()) proxy.checkDriver(served.endpoint);
    for (const { members, endpoint } of [...clusters.values()].map(endpointsOf)) {
      for (const member of members) proxy.checkDriver(endpoint(member));
    }
    this.#tellDangling(next);
    return next;
  }

  /** Stops the health checks and ends every `watch`; changes that come later are refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    this.#ready = false;
    this.#watch.close();
    await this.#last.catch(() => {});
    await disposeAll([...this.#routing.clusters.values()]);
  }

  sessions(): readonly SessionView[] {
    const { proxy } = this.#options;
    return [...proxy.sessions.tracked(), ...proxy.sessions.running()].filter(isShown).sort((a, b) => a.start - b.start);
  }

  session(name: string): SessionView | undefined {
    const session = this.#options.proxy.sessions.get(name);
    return session && isShown(session) ? session : undefined;
  }

  endSession(name: string): boolean {
    const session = this.#options.proxy.sessions.get(name);
    if (!session || !isShown(session)) return false;
    session.end(deletedOnRequest("session"));
    this.#options.proxy.sessions.forget(name);
    return true;
  }

  watch(signal: AbortSignal): AsyncIterable<SessionChange> {
    return this.#watch.subscribe(signal);
  }

  /** To be told of every session that begins, changes or ends. */
  sessionChanged(type: SessionChange["type"], session: Session): void {
    if (isShown(session)) this.#watch.tell({ type, session });
  }

  #queued<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action, action);
    this.#last = result.catch(() => {});
    return result;
  }

  async #read(document: ConfigDocument, unknownKeys: UnknownKeys): Promise<Snapshot> {
    if (usesRegex(document)) await loadRegex();
    return snapshotOf(document, this.snapshot, this.#naming, makeSpecCheck(this.#options.registry, unknownKeys));
  }

  async #apply(next: Snapshot, effects: Effects): Promise<void> {
    const { proxy, onAdmin, log } = this.#options;
    const before = this.#routing;
    if (this.#ending) throw new StreamError("nothing can be changed: the process is ending", { code: "STOPPED" });
    const { listeners, clusters } = this.#prepare(next);
    const created = [...clusters.values()].filter((cluster) => cluster !== before.clusters.get(cluster.object.name));
    const changed = [...listeners].filter(([name, one]) => this.#listeners.get(name) !== one).map(([, one]) => one);
    const moved = changed.filter((one) => !this.#staysBound(one));
    const replaced = moved.flatMap(({ object }) => this.#listeners.get(object.name) ?? []);
    const removed = [...this.#listeners.values()].filter(({ object }) => !listeners.has(object.name));
    const lost = this.#checkRoutes(next, listeners, clusters, true);
    for (const { members, endpoint } of created.map(endpointsOf)) {
      for (const member of members) await proxy.prepareTarget(endpoint(member));
    }
    const [admin, nextAdmin] = [adminInForce(before.snapshot), adminInForce(next)];
    const setsAdmin = !same(admin, nextAdmin);
    if (setsAdmin) onAdmin?.(nextAdmin);
    try {
      // What goes makes room: its address may be another's now.
      await this.#open(moved, [...replaced, ...removed]);
    } catch (error) {
      // At the start there is nothing to go back to.
      if (this.#version > 0 && setsAdmin) onAdmin?.(admin);
      throw error;
    }
    // From here on nothing fails.
    this.#tellOutput(before.snapshot, next);
    this.#tellOffload(before.snapshot, next);
    if (lost) log[this.#options.warnOfBoundaries ? "warn" : "notice"]("plan.warning", lostBoundaries);
    for (const object of next.clusters.values()) {
      const cluster = clusters.get(object.name)!;
      if (cluster.object !== object) cluster.update(object);
    }
    this.#routing = { snapshot: next, clusters };
    this.#listeners = listeners;
    for (const one of changed) if (!moved.includes(one)) proxy.exchange(one.served);
    this.#version++;
    for (const cluster of created) cluster.start();
    const gone = [...before.clusters.values()].filter((cluster) => clusters.get(cluster.object.name) !== cluster);
    await disposeAll(gone);
    this.#end(effects);
  }

  /** A name may come later, by the API; in a file it is misspelt more often than not. */
  #tellDangling(next: Snapshot): void {
    const found = danglingNames(next);
    for (const text of found.slice(0, mostTold)) {
      this.#options.log.warn("config.dangling", `${text}; it may come later`);
    }
    const more = found.length - mostTold;
    if (more > 0) this.#options.log.warn("config.dangling", `${more} more unknown names`);
  }

  #tellOutput(before: Snapshot, next: Snapshot): void {
    const user = outputUser(next);
    if (user === undefined || user === outputUser(before)) return;
    const why = `standard output is used by ${user}`;
    this.#options.log.warn("log.moved", `admin.log_file: ${why}; the log goes to standard error`);
  }

  #tellOffload({ admin: { offload: before } }: Snapshot, { admin: { offload } }: Snapshot): void {
    if (offload === undefined || offload === "disable" || offload === before) return;
    this.#options.log.warn("offload.absent", "admin.offload: not in this version; the kernel relays no sessions");
  }

  /** What `next` needs: what is there already stays, what differs is made anew; nothing begins. Throws `ConfigError`. */
  #prepare(next: Snapshot): { listeners: Map<string, Prepared>; clusters: Map<string, RunningCluster> } {
    const listeners = new Map<string, Prepared>();
    for (const [name, object] of next.listeners) {
      const before = this.#listeners.get(name);
      listeners.set(name, before?.object === object ? before : this.#prepared(object));
    }
    const clusters = new Map<string, RunningCluster>();
    for (const [name, object] of next.clusters) {
      const before = this.#routing.clusters.get(name);
      const stays = before && same(before.object.spec, object.spec) && before.object.virtual === object.virtual;
      if (stays && before.object !== object) before.check(object);
      clusters.set(name, stays ? before : new RunningCluster(object, this.#options.registry, this.#tools()));
    }
    return { listeners, clusters };
  }

  /** Whether what has changed about a listener lets its address be: its rules and most of its options. */
  #staysBound({ object, session }: Prepared): boolean {
    const before = this.#listeners.get(object.name);
    return before !== undefined && same(before.object.spec, object.spec) &&
      before.session.direction === session.direction && this.#options.proxy.serves(object.name);
  }

  #tools(): RunningClusterTools {
    const { log, proxy, onConnect } = this.#options;
    return {
      log,
      onConnect,
      now: () => performance.now(),
      random: Math.random,
      valueAt: getAtPath,
      probe: (endpoint, signal) => proxy.probe(endpoint, signal),
    };
  }

  #prepared(object: ListenerObject): Prepared {
    const { name, spec, options } = object;
    const { registry } = this.#options;
    const at = `listener ${JSON.stringify(name)}`;
    const address = readListenerSpec(spec, { registry, at: `${at}.spec` });
    const session = planSession({ ...this.#options.session, ...options }, `${at}.options`);
    const endpoint = planEndpoint(address, "listener", asSource[session.direction], registry);
    const limit = options.local_ratelimit && parseRateLimit(options.local_ratelimit, `${at}.options.local_ratelimit`);
    const limiter = limit && new RateLimiter(limit);
    // The one time whose bare number is seconds.
    const { track = 0 } = options;
    const trackMs = times.parse(typeof track === "number" ? track * 1000 : track, `${at}.options.track`);
    const prepared: Prepared = {
      object,
      address,
      session,
      served: {
        name,
        endpoint,
        session,
        targets: [],
        maxSessions: options.max_sessions,
        route: (metadata) => this.#router.way(prepared, addTrace(metadata())),
        admit: limiter && ((metadata) => admit(limiter, metadata())),
        shown: { spec, trackMs },
      },
    };
    return prepared;
  }

  /** Whether message boundaries are lost by what is new. Throws `ConfigError`; `routing` is as before then. */
  #checkRoutes(
    snapshot: Snapshot,
    listeners: ReadonlyMap<string, Prepared>,
    clusters: Map<string, RunningCluster>,
    keep: boolean,
  ): boolean {
    const before = this.#routing;
    this.#routing = { snapshot, clusters };
    try {
      let lost = false;
      for (const listener of listeners.values()) {
        const isNew = this.#listeners.get(listener.object.name) !== listener;
        lost = this.#router.check(listener).length > 0 && isNew || lost;
      }
      return lost && keep;
    } finally {
      this.#routing = before;
    }
  }

  /** Opens `opening`, for which `leaving` make room; on failure those are open again. */
  async #open(opening: readonly Prepared[], leaving: readonly Prepared[]): Promise<void> {
    const { proxy, log } = this.#options;
    for (const { object } of leaving) await proxy.close(object.name);
    try {
      await proxy.open(opening.map(({ served }) => served));
    } catch (error) {
      for (const { object, served } of leaving) {
        const told = (fault: unknown) =>
          log.error("listener.error", `listener ${object.name} could not be opened again: ${messageOf(fault)}`);
        await proxy.open([served]).catch(told);
      }
      throw error;
    }
  }

  #end({ listeners, clusters, endpoints }: Effects): void {
    if (listeners.size + clusters.size + endpoints.size === 0) return;
    for (const session of this.#options.proxy.sessions.running()) {
      if (!isShown(session)) continue;
      if (listeners.has(session.listener.name)) session.end(deletedOnRequest("listener"));
      if ([...clusters].some((name) => session.uses(name))) session.end(deletedOnRequest("cluster"));
      for (const stage of session.stages) {
        if (endpoints.has(stage.choice?.shown?.name ?? "")) {
          stage.disconnect(new StreamError("endpoint deleted on request", { code: deleted }));
        }
      }
    }
  }
}

/** Only sessions of configured listeners are seen; those of the API's own listener are not. */
function isShown({ listener }: Session): boolean {
  return listener.shown !== undefined;
}

function admit(limiter: RateLimiter, metadata: unknown): void {
  if (limiter.allow(metadata)) return;
  const error = new LimitError("too many sessions in a short time (local_ratelimit)", {
    code: "RATE_LIMITED",
    status: 429,
    side: "downstream",
  });
  error.level = "info";
  throw error;
}

function deletedOnRequest(what: string): StreamError {
  return new StreamError(`${what} deleted on request`, { code: deleted });
}

function endpointsOf(cluster: RunningCluster) {
  const { members } = cluster.cluster;
  return {
    members: cluster.transform ? [] : members,
    endpoint: (member: typeof members[number]) => cluster.anyEndpoint(member),
  };
}

async function disposeAll(clusters: readonly RunningCluster[]): Promise<void> {
  for (const cluster of clusters) await cluster[Symbol.asyncDispose]();
}
