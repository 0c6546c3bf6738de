/** The sessions of a proxy: those that run, those that have ended and are still shown, and what all of them moved. */
import { L7mpError, LimitError, StreamError } from "../errors.ts";
import type { Incoming } from "../protocol.ts";
import { type Flows, noFlows } from "../stream/relay.ts";
import type { StreamInfo } from "../stream/stream.ts";
import { after, type Timer } from "../stream/timer.ts";
import type { SessionEnvironment } from "./environment.ts";
import { isBare } from "./open.ts";
import { type SessionRecord, stopped } from "./record.ts";
import { type Sequence, Session } from "./session.ts";
import { sessionName } from "./session_name.ts";
import type { ServedListener } from "./way.ts";

export interface SessionEvents {
  /** A session begins; its way is not known yet. */
  onSessionStart?(session: Session): void;
  /** What `Session.toJSON` shows is something else now. */
  onSessionChange?(session: Session): void;
  onSessionEnd?(record: SessionRecord, session: Session): void;
}

/** What is counted of a listener; it goes on when that is closed and another of its name is opened. */
export interface Tally {
  /** Of its sessions, for their names. */
  nextId: number;
  /** Sessions that count against `maxSessions`. */
  active: number;
}

export interface NewSession {
  readonly listener: ServedListener;
  readonly tally: Tally;
  /** As `SessionParts`. */
  readonly incoming?: Incoming;
  readonly sequence?: Sequence;
  /** Called once it counts no more. */
  release(): void;
}

export interface SessionTotals {
  /** How many are running. */
  readonly sessions: number;
  readonly ltr: { readonly messages: number; readonly bytes: number };
  readonly rtl: { readonly messages: number; readonly bytes: number };
  readonly dropped: number;
}

/** Ended sessions that are kept to be shown; beyond that the oldest go early. */
const mostTracked = 10_000;

export class Sessions {
  readonly #environment: SessionEnvironment;
  readonly #events: SessionEvents;
  readonly #running = new Map<string, { readonly session: Session; readonly done: Promise<SessionRecord> }>();
  /** Sessions that have ended and are still shown, oldest first, with what forgets them. */
  readonly #tracked = new Map<string, { readonly session: Session; readonly timer: Timer }>();
  readonly #totals = { ...noFlows(), dropped: 0 };
  #oneEnded = Promise.withResolvers<void>();
  #tracks = true;
  #cut: StreamError | undefined;
  #count = 0;

  constructor(environment: SessionEnvironment, events: SessionEvents) {
    this.#environment = environment;
    this.#events = events;
  }

  /** Those that are running, in order of creation. */
  *running(): Iterable<Session> {
    for (const { session } of this.#running.values()) yield session;
  }

  /** Those that have ended and are still shown. */
  *tracked(): Iterable<Session> {
    for (const { session } of this.#tracked.values()) yield session;
  }

  get(name: string): Session | undefined {
    return this.#running.get(name)?.session ?? this.#tracked.get(name)?.session;
  }

  /** One that has ended is shown no longer. */
  forget(name: string): void {
    this.#tracked.get(name)?.timer.stop();
    this.#tracked.delete(name);
  }

  /** Shows none that has ended any more, and none that is yet to end. */
  forgetAll(): void {
    this.#tracks = false;
    for (const { timer } of this.#tracked.values()) timer.stop();
    this.#tracked.clear();
  }

  /** Totals of all, ended and running, and how many are running; drops are counted when a session ends. */
  totals(): SessionTotals {
    const total = { sessions: this.#running.size, ...structuredClone(this.#totals) };
    for (const { session } of this.#running.values()) add(total, session.flows);
    return total;
  }

  /** A caller did not become a session. */
  countRefused(): void {
    this.#totals.dropped++;
  }

  /** Aborts those that run, and those that begin from now on: the process is ending. */
  cut(): void {
    this.#cut = new StreamError("session cut: the process is ending", { code: stopped });
    for (const { session } of this.#running.values()) session.end(this.#cut);
  }

  /** Resolves when the next one has ended. */
  oneEnded(): Promise<void> {
    return this.#oneEnded.promise;
  }

  /** Resolves when none is running. */
  async allEnded(): Promise<void> {
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  /** Runs one. Never rejects. */
  begin({ listener, tally, incoming, sequence, release }: NewSession): Promise<SessionRecord> {
    const name = this.#nameOf(listener, tally, incoming?.info);
    let counted = false;
    const count = () => {
      tally.active++;
      counted = true;
    };
    // Behind layers only a caller that has said what it wants takes a place, and can be told that there is none.
    const admit = () => {
      const refusal = tooMany(listener, tally);
      if (refusal) throw refusal;
      count();
    };
    const bare = !incoming || isBare(listener.endpoint);
    const environment = this.#environment;
    const session = new Session({ name, listener, environment, incoming, sequence, admit: bare ? undefined : admit });
    if (bare) count();
    this.#events.onSessionStart?.(session);
    if (this.#cut) session.end(this.#cut);
    const done = session.run().then((record) => {
      if (counted) tally.active--;
      this.#running.delete(name);
      add(this.#totals, session.flows);
      this.#totals.dropped += record.dropped;
      release();
      this.#track(session);
      this.#oneEnded.resolve();
      this.#oneEnded = Promise.withResolvers();
      this.#events.onSessionEnd?.(record, session);
      return record;
    });
    this.#running.set(name, { session, done });
    return done;
  }

  #nameOf({ name: listener, endpoint, shown }: ServedListener, tally: Tally, info: StreamInfo | undefined): string {
    if (!shown) return `${listener}-${++this.#count}`;
    const name = sessionName(listener, endpoint, info, tally.nextId++);
    for (let i = 0, free = name;; i++, free = `${name}_${i}`) if (!this.get(free)) return free;
  }

  #track(session: Session): void {
    const trackMs = session.listener.shown?.trackMs ?? 0;
    if (trackMs <= 0 || !this.#tracks) return;
    for (const name of this.#tracked.keys()) {
      if (this.#tracked.size < mostTracked) break;
      this.forget(name);
    }
    const timer = after(trackMs, () => this.#tracked.delete(session.name));
    this.#tracked.set(session.name, { session, timer });
  }
}

/** Why `listener` takes no more, where that is so. */
export function tooMany({ maxSessions = Infinity }: ServedListener, { active }: Tally): L7mpError | undefined {
  if (active < maxSessions) return undefined;
  const error = new LimitError(`too many sessions (max_sessions=${maxSessions})`, {
    code: "OVERFLOW",
    status: 503,
    side: "downstream",
  });
  error.level = "info";
  return error;
}

function add(total: Flows, flows: Flows): void {
  for (const way of ["ltr", "rtl"] as const) {
    total[way].messages += flows[way].messages;
    total[way].bytes += flows[way].bytes;
  }
}
