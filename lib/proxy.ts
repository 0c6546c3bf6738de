/** The proxy: owns listeners and sessions, from start to stop. */
import type { Endpoint, Plan } from "./config/plan.ts";
import { ConnectError, L7mpError, StreamError } from "./errors.ts";
import type { Context, Incoming, Listener } from "./protocol.ts";
import { Callers } from "./session/callers.ts";
import { checkDriver } from "./session/check_driver.ts";
import { connect, isBare, listen, prepare } from "./session/open.ts";
import { contextOf, type SessionEnvironment } from "./session/environment.ts";
import { asL7mpError, type SessionRecord, stopped } from "./session/record.ts";
import type { Sequence } from "./session/session.ts";
import { type SessionEvents, Sessions, type Tally, tooMany } from "./session/sessions.ts";
import { Slots } from "./session/slots.ts";
import { type ServedListener, servePlanned } from "./session/way.ts";
import { formatAddress, type SocketAddress } from "./stream/stream.ts";
import { sleep } from "./stream/timer.ts";

export interface ProxyEvents extends SessionEvents {
  /** A caller was turned away before it became a session. */
  onRefused?(listener: ServedListener, refusal: L7mpError): void;
  /** A listener is bound; `type` is the canonical type name. */
  onListening?(type: string, address: SocketAddress): void;
}

export interface ProxyOptions extends SessionEnvironment {
  readonly plan: Plan;
  readonly events: ProxyEvents;
}

/** Datagram listeners refuse callers beyond this many sessions unless `max-children` says otherwise. */
const datagramSessions = 10_000;

/** A listener that is open, or a connector that makes one session after another. */
interface Served {
  /** May be exchanged for one with the same endpoint. */
  listener: ServedListener;
  readonly closing: AbortController;
  readonly tally: Tally;
  /** Resolves when its address is free. */
  readonly free: PromiseWithResolvers<void>;
  /** Resolves when it serves nobody any more, with the error of a one-shot session. */
  done: Promise<L7mpError | undefined>;
}

export class Proxy {
  readonly sessions: Sessions;
  readonly #options: ProxyOptions;
  readonly #stopping = new AbortController();
  readonly #served = new Map<string, Served>();
  /** Of listeners that are open, or have sessions. */
  readonly #tallies = new Map<string, Tally>();
  readonly #shared = new WeakMap<object, unknown>();

  constructor(options: ProxyOptions) {
    const { plan: { listeners }, events } = options;
    const shared = <T>(key: object, make: () => T): T => {
      if (!this.#shared.has(key)) this.#shared.set(key, make());
      return this.#shared.get(key) as T;
    };
    const { onListening, onSessionChange } = events;
    this.#options = { ...options, oneListener: listeners.length === 1, onListening, onSessionChange, shared };
    this.sessions = new Sessions(this.#options, events);
  }

  /**
   * Opens every listener of the plan or none, then serves until every one-shot listener's session has ended or `stop`
   * is done. Resolves with the error of the last one-shot session that failed; an opening that fails is one too.
   */
  async run(): Promise<{ error?: L7mpError }> {
    let served: readonly Served[];
    try {
      served = await this.#openServed(this.#options.plan.listeners.map(servePlanned));
    } catch (error) {
      if (this.#stopping.signal.aborted) return {};
      const failure = asL7mpError(error);
      this.#options.log.error("listener.error", failure.message, { code: failure.code });
      return { error: failure };
    }
    return await this.#ended(served, false);
  }

  /**
   * Resolves when nothing is left to do: at once, and when the last session has ended, where no listener takes more than
   * one caller; otherwise by `stop` alone. With the error of the last one-shot session that failed.
   */
  async ended(): Promise<{ error?: L7mpError }> {
    const stays = ({ listener: { endpoint: { listen, connect } } }: Served) =>
      (listen?.fork && !listen.oneshot) || connect?.fork;
    for (;;) {
      const served = [...this.#served.values()];
      const result = await this.#ended(served, served.length === 0 || served.some(stays));
      // Others may have been opened meanwhile.
      if (this.#stopping.signal.aborted || this.#served.size === 0) return result;
    }
  }

  async #ended(served: readonly Served[], stay: boolean): Promise<{ error?: L7mpError }> {
    const { signal } = this.#stopping;
    if (stay && !signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
    const results = await Promise.all([...served, ...this.#served.values()].map(({ done }) => done));
    await this.sessions.allEnded();
    return { error: results.find((error) => error !== undefined) };
  }

  /** Opens all of `listeners` or none, and serves them. Rejects with the first failure. */
  async open(listeners: readonly ServedListener[]): Promise<void> {
    await this.#openServed(listeners);
  }

  async #openServed(listeners: readonly ServedListener[]): Promise<readonly Served[]> {
    return (await this.#openAll(listeners)).map(([listener, opened]) => this.#begin(listener, opened));
  }

  #begin(listener: ServedListener, opened: Listener | undefined): Served {
    const tally = this.#tallies.get(listener.name) ?? { nextId: 0, active: 0 };
    this.#tallies.set(listener.name, tally);
    const served: Served = {
      listener,
      closing: new AbortController(),
      tally,
      free: Promise.withResolvers(),
      done: Promise.resolve(undefined),
    };
    this.#served.set(listener.name, served);
    if (this.#stopping.signal.aborted) served.closing.abort(this.#stopping.signal.reason);
    served.done = opened ? this.#serve(served, opened) : this.#connectLoop(served);
    served.done.then(() => {
      if (this.#served.get(listener.name) === served) this.#served.delete(listener.name);
      this.#forgetTally(listener.name);
    });
    return served;
  }

  /**
   * Sessions that begin from now on are those of `listener`, which has the name and the endpoint of one that is open: its
   * address stays bound, and nobody who is calling is lost.
   */
  exchange(listener: ServedListener): void {
    const served = this.#served.get(listener.name);
    if (served) served.listener = listener;
  }

  /** Stops accepting for the listener of that name; its sessions go on. Resolves when its address is free. */
  async close(name: string): Promise<void> {
    const served = this.#served.get(name);
    if (!served) return;
    this.#served.delete(name);
    const reason = new StreamError("listener closed", { code: stopped });
    served.closing.abort(reason);
    this.#forgetTally(name);
    if (served.listener.endpoint.role === "listen") return await served.free.promise;
    // A connector's sessions go on, but for one that is still looking for its first end.
    for (const session of this.sessions.running()) {
      if (session.listener.name === name && !session.connected) session.end(reason);
    }
  }

  #forgetTally(name: string): void {
    if (!this.#served.has(name) && this.#tallies.get(name)?.active === 0) this.#tallies.delete(name);
  }

  /** Whether the listener of that name takes callers. */
  serves(name: string): boolean {
    const served = this.#served.get(name);
    return served !== undefined && !served.closing.signal.aborted;
  }

  /** Stops accepting at once, gives sessions `graceMs` to finish, then aborts them. Resolves when all are gone. */
  async stop(graceMs: number): Promise<void> {
    const reason = new StreamError("stopping", { code: stopped });
    this.#stopping.abort(reason);
    for (const { closing } of this.#served.values()) closing.abort(reason);
    this.sessions.forgetAll();
    const all = this.sessions.allEnded();
    if (graceMs > 0) {
      const finished = new AbortController();
      await Promise.race([all.then(() => finished.abort()), sleep(graceMs, finished.signal).catch(() => {})]);
    }
    this.cut();
    await this.sessions.allEnded();
  }

  /** Aborts the sessions that `stop` is still waiting for. */
  cut(): void {
    this.sessions.cut();
  }

  /** Connects to `endpoint` and leaves at once: is anybody there? Rejects as connecting does. */
  async probe(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    (await connect(endpoint, this.#contextFor(endpoint, signal))).abort();
  }

  /** Lets an endpoint that sessions may connect to get ready and warn, once. Rejects with `ConfigError`. */
  async prepareTarget(endpoint: Endpoint): Promise<void> {
    await prepare(endpoint, this.#contextFor(endpoint, this.#stopping.signal));
  }

  /** Throws a `ConfigError` for an option of `endpoint` that the driver does not have. */
  checkDriver(endpoint: Endpoint): void {
    checkDriver(endpoint, this.#options.driver);
  }

  /** For what belongs to no session. */
  #contextFor(endpoint: Endpoint, signal: AbortSignal): Context {
    const session = { maxMessageBytes: 65_536, direction: "both", oneMessage: false } as const;
    return contextOf({ endpoint, session }, this.#options, undefined, signal, this.#options.log);
  }

  async #openAll(
    listeners: readonly ServedListener[],
  ): Promise<(readonly [listener: ServedListener, opened: Listener | undefined])[]> {
    const opened: (readonly [ServedListener, Listener | undefined])[] = [];
    try {
      for (const one of listeners) {
        const context = contextOf(one, this.#options, undefined, this.#stopping.signal, this.#options.log);
        await prepare(one.endpoint, context);
        for (const target of one.targets) await prepare(target, context);
      }
      for (const one of listeners) {
        opened.push([one, one.endpoint.role === "listen" ? await this.#open(one) : undefined]);
      }
    } catch (error) {
      for (const [, listener] of opened) await listener?.[Symbol.asyncDispose]();
      throw error;
    }
    return opened;
  }

  async #open(one: ServedListener): Promise<Listener> {
    const { log, events } = this.#options;
    const context = contextOf(one, this.#options, undefined, this.#stopping.signal, log);
    // A configured stream listener without an address serves all there are.
    const all = one.shown && !("dual" in one.endpoint.source) && one.endpoint.source.protocol.kind === "byte";
    const listener = await listen(one.endpoint, all ? { ...context, ipVersion: 0 } : context).catch((error) => {
      // Of many it must be known which.
      if (one.shown && error instanceof L7mpError) error.message = `listener ${one.name}: ${error.message}`;
      throw error;
    });
    events.onListening?.(one.endpoint.name.split(":")[0]!, listener.address);
    return listener;
  }

  /** Serves one listener's callers; resolves when it has closed. */
  async #serve(served: Served, opened: Listener): Promise<L7mpError | undefined> {
    const { listener: { endpoint }, closing: { signal } } = served;
    const { listen: options, kind } = endpoint;
    const fork = options?.fork === true && !options.oneshot;
    const datagram = kind === "datagram" && isBare(endpoint);
    const slots = new Slots(fork ? options?.max_children ?? (datagram ? datagramSessions : Infinity) : Infinity);
    const callers = new Callers(opened, endpoint, {
      log: this.#options.log,
      signal,
      sessionEnded: () => this.sessions.oneEnded(),
      onRefused: (refusal) => this.#options.events.onRefused?.(served.listener, refusal),
    });
    const limit = options?.accept_timeout;
    const sequential = endpoint.layers.some(({ layer }) => layer.sequential);
    const idle = new AbortController();
    try {
      for (let first = true;; first = false) {
        if (!datagram) await slots.free(signal);
        const caller = await callers.next(first ? limit : undefined);
        if (!caller) return undefined;
        if (!fork) {
          // A second caller is refused while the first is served.
          await opened[Symbol.asyncDispose]();
          served.free.resolve();
          return (await this.#session(served, caller)).error;
        }
        const refusal = this.#refusal(served, slots, caller);
        if (refusal) {
          this.sessions.countRefused();
          await callers.refuse(caller, refusal);
          continue;
        }
        slots.take();
        if (sequential) this.#connection(served, caller, idle.signal).finally(() => slots.release());
        else this.#session(served, caller, { slots });
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      const failure = asL7mpError(error);
      this.#options.log.error("listener.error", failure.message, { code: failure.code });
      return failure;
    } finally {
      idle.abort();
      await opened[Symbol.asyncDispose]();
      served.free.resolve();
    }
  }

  #refusal(served: Served, slots: Slots, { info: { remote, name } }: Incoming): L7mpError | undefined {
    if (slots.full) {
      const from = remote ? formatAddress(remote) : name;
      const error = new ConnectError(`ignoring ${from}: max-children=${slots.limit} sessions are open`);
      error.level = "warn";
      return error;
    }
    return isBare(served.listener.endpoint) ? tooMany(served.listener, served.tally) : undefined;
  }

  /**
   * One session from a connector or local endpoint. With `fork` again and again: the next begins `interval` after the last
   * has ended, or with `max_children` after it has begun, if no more than that are open then.
   */
  async #connectLoop(served: Served): Promise<L7mpError | undefined> {
    const { fork, interval = 1000, max_children: most = 1 } = served.listener.endpoint.connect ?? {};
    if (!fork) return (await this.#session(served, undefined)).error;
    const { signal } = served.closing;
    const slots = new Slots(most);
    try {
      for (;;) {
        slots.take();
        const session = this.#session(served, undefined, { slots });
        if (most === 1) await session;
        await sleep(interval, signal);
        await slots.free(signal);
      }
    } catch {
      // Nothing but the signal ends it.
      return undefined;
    }
  }

  /** The sessions of one connection, one after another; `signal` ends the waiting between them. */
  async #connection(served: Served, first: Incoming, signal: AbortSignal): Promise<void> {
    let caller: Incoming | null = first;
    for (let again = false; caller; again = true) {
      const sequence: Sequence = { again };
      await this.#session(served, caller, { sequence });
      caller = await sequence.caller?.next?.(signal) ?? null;
    }
  }

  #session(
    served: Served,
    incoming: Incoming | undefined,
    { slots, sequence }: { readonly slots?: Slots; readonly sequence?: Sequence } = {},
  ): Promise<SessionRecord> {
    const { listener, tally } = served;
    const release = () => {
      this.#forgetTally(listener.name);
      slots?.release();
    };
    return this.sessions.begin({ listener, tally, incoming, sequence, release });
  }
}
