/** The proxy: owns listeners and sessions, from start to stop. */
import type { Plan, PlannedListener } from "./config/plan.ts";
import { ConnectError, type L7mpError, StreamError } from "./errors.ts";
import type { Incoming, Listener } from "./protocol.ts";
import { Callers } from "./session/callers.ts";
import { isBare, listen, prepare } from "./session/open.ts";
import { sleep } from "./session/retry.ts";
import {
  asL7mpError,
  contextOf,
  runSession,
  type Sequence,
  type SessionEnvironment,
  type SessionRecord,
  stopped,
} from "./session/session.ts";
import { Slots } from "./session/slots.ts";
import { type Flows, noFlows } from "./stream/relay.ts";
import type { SocketAddress } from "./stream/stream.ts";

export interface ProxyEvents {
  onSessionEnd?(record: SessionRecord): void;
  /** A listener is bound; `type` is the canonical type name. */
  onListening?(type: string, address: SocketAddress): void;
}

export interface ProxyOptions extends SessionEnvironment {
  readonly plan: Plan;
  readonly events: ProxyEvents;
}

export interface ProxyStatistics {
  readonly sessions: number;
  readonly ltr: { readonly messages: number; readonly bytes: number };
  readonly rtl: { readonly messages: number; readonly bytes: number };
  readonly dropped: number;
}

/** Datagram listeners refuse callers beyond this many sessions unless `max-children` says otherwise. */
const datagramSessions = 10_000;

export class Proxy {
  readonly #options: ProxyOptions;
  readonly #stopping = new AbortController();
  readonly #cut = new AbortController();
  readonly #sessions = new Map<Promise<unknown>, Flows>();
  readonly #totals = { ...noFlows(), dropped: 0 };
  #count = 0;

  constructor(options: ProxyOptions) {
    const { plan: { listeners }, events } = options;
    this.#options = { ...options, oneListener: listeners.length === 1, onListening: events.onListening };
  }

  /**
   * Opens every listener or none, then serves until every one-shot listener's session has ended or `stop` is done.
   * Resolves with the error of the last one-shot session that failed; an opening that fails is one too.
   */
  async run(): Promise<{ error?: L7mpError }> {
    const { plan } = this.#options;
    let opened: { planned: PlannedListener; listener?: Listener }[];
    try {
      opened = await this.#openAll(plan.listeners);
    } catch (error) {
      if (this.#stopping.signal.aborted) return {};
      const failure = asL7mpError(error);
      this.#options.log.error("listener.error", failure.message, { code: failure.code });
      return { error: failure };
    }
    const results = await Promise.all(
      opened.map(({ planned, listener }) => listener ? this.#serve(planned, listener) : this.#connectLoop(planned)),
    );
    await Promise.all(this.#sessions.keys());
    return { error: results.find((error) => error !== undefined) };
  }

  /** Stops accepting at once, gives sessions `graceMs` to finish, then aborts them. Resolves when all are gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort(new StreamError("stopping", { code: stopped }));
    const all = Promise.all(this.#sessions.keys());
    if (graceMs > 0 && this.#sessions.size > 0) {
      const finished = new AbortController();
      await Promise.race([all.then(() => finished.abort()), sleep(graceMs, finished.signal).catch(() => {})]);
    }
    this.cut();
    await Promise.all(this.#sessions.keys());
  }

  /** Aborts the sessions that `stop` is still waiting for. */
  cut(): void {
    this.#cut.abort(new StreamError("session cut: the process is ending", { code: stopped }));
  }

  /** Totals of all sessions, ended and running, and how many are running; drops are counted when a session ends. */
  statistics(): ProxyStatistics {
    const total = { sessions: this.#sessions.size, ...structuredClone(this.#totals) };
    for (const flows of this.#sessions.values()) add(total, flows);
    return total;
  }

  async #openAll(planned: readonly PlannedListener[]): Promise<{ planned: PlannedListener; listener?: Listener }[]> {
    const opened: { planned: PlannedListener; listener?: Listener }[] = [];
    try {
      for (const one of planned) {
        const context = contextOf(one, this.#options, undefined, this.#stopping.signal, this.#options.log);
        await prepare(one.endpoint, context);
        await prepare(one.target, context);
      }
      for (const one of planned) {
        if (one.endpoint.role !== "listen") opened.push({ planned: one });
        else opened.push({ planned: one, listener: await this.#open(one) });
      }
    } catch (error) {
      for (const { listener } of opened) await listener?.[Symbol.asyncDispose]();
      throw error;
    }
    return opened;
  }

  async #open(planned: PlannedListener): Promise<Listener> {
    const { log, events } = this.#options;
    const context = contextOf(planned, this.#options, undefined, this.#stopping.signal, log);
    const listener = await listen(planned.endpoint, context);
    events.onListening?.(planned.endpoint.name.split(":")[0]!, listener.address);
    return listener;
  }

  /** Serves one listener's callers; resolves when it has closed. */
  async #serve(planned: PlannedListener, listener: Listener): Promise<L7mpError | undefined> {
    const { listen: options, kind } = planned.endpoint;
    const fork = options?.fork === true && !options.oneshot;
    const datagram = kind === "datagram" && isBare(planned.endpoint);
    const slots = new Slots(fork ? options?.max_children ?? (datagram ? datagramSessions : Infinity) : Infinity);
    const callers = new Callers(listener, planned.endpoint, {
      log: this.#options.log,
      signal: this.#stopping.signal,
      sessionEnded: () => Promise.race(this.#sessions.keys()),
    });
    const limit = options?.accept_timeout;
    const sequential = planned.endpoint.layers.some(({ layer }) => layer.sequential);
    const closing = new AbortController();
    try {
      for (let first = true;; first = false) {
        if (!datagram) await slots.free(this.#stopping.signal);
        const caller = await callers.next(first ? limit : undefined);
        if (!caller) return undefined;
        if (!fork) {
          // A second caller is refused while the first is served.
          await listener[Symbol.asyncDispose]();
          return (await this.#session(planned, caller)).error;
        }
        if (slots.full) {
          this.#totals.dropped++;
          await caller.reject(new ConnectError("too many sessions (max-children)")).catch(() => {});
          continue;
        }
        slots.take();
        if (sequential) this.#connection(planned, caller, closing.signal).finally(() => slots.release());
        else this.#session(planned, caller, { slots });
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return undefined;
      const failure = asL7mpError(error);
      this.#options.log.error("listener.error", failure.message, { code: failure.code });
      return failure;
    } finally {
      closing.abort();
      await listener[Symbol.asyncDispose]();
    }
  }

  /** One session from a connector or local endpoint; with `fork` again and again, `interval` apart. */
  async #connectLoop(planned: PlannedListener): Promise<L7mpError | undefined> {
    const { fork, interval = 1000 } = planned.endpoint.connect ?? {};
    for (;;) {
      const { error } = await this.#session(planned, undefined);
      if (!fork || this.#stopping.signal.aborted) return error;
      try {
        await sleep(interval, this.#stopping.signal);
      } catch {
        return undefined;
      }
    }
  }

  /** The sessions of one connection, one after another; `signal` ends the waiting between them. */
  async #connection(planned: PlannedListener, first: Incoming, signal: AbortSignal): Promise<void> {
    let caller: Incoming | null = first;
    for (let again = false; caller; again = true) {
      const sequence: Sequence = { again };
      await this.#session(planned, caller, { sequence });
      caller = await sequence.caller?.next?.(signal) ?? null;
    }
  }

  #session(
    planned: PlannedListener,
    incoming: Incoming | undefined,
    { slots, sequence }: { readonly slots?: Slots; readonly sequence?: Sequence } = {},
  ): Promise<SessionRecord> {
    const name = `${planned.name}-${++this.#count}`;
    const flows = noFlows();
    const { signal } = this.#cut;
    const environment = this.#options;
    const ended = runSession({ name, planned, environment, incoming, sequence, signal, flows }).then((record) => {
      this.#sessions.delete(ended);
      add(this.#totals, flows);
      this.#totals.dropped += record.dropped;
      slots?.release();
      this.#options.events.onSessionEnd?.(record);
      return record;
    });
    this.#sessions.set(ended, flows);
    return ended;
  }
}

function add(total: Flows, flows: Flows): void {
  for (const way of ["ltr", "rtl"] as const) {
    total[way].messages += flows[way].messages;
    total[way].bytes += flows[way].bytes;
  }
}
