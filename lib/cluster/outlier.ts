/**
 * Passive outlier detection: members that keep failing sessions are left out for a while. There is
 * no timer; whoever picks members looks at `ejectedUntilMs`.
 */
import { L7mpError } from "../errors.ts";
import type { Member } from "./member.ts";

export const faultKinds = ["connect", "reset", "timeout", "error", "exception"] as const;
/**
 * `connect`: no connection came about; `timeout`: it, or an answer, did not within its time; `reset`: it broke; `error`:
 * another fault of it; `exception`: an answer that says that something went wrong.
 */
export type FaultKind = typeof faultKinds[number];

/** The kind of what an attempt or a connection failed with. */
export function faultKindOf(error: unknown): FaultKind {
  if (!(error instanceof L7mpError)) return "error";
  if (error.code === "ETIMEDOUT") return "timeout";
  if (["ECONNRESET", "EPIPE", "ECONNABORTED"].includes(error.code)) return "reset";
  return error.exitStatus === 3 ? "connect" : "error";
}

export interface OutlierSettings {
  readonly consecutiveErrors: number;
  /** After an ejection, so long without another makes the next one shorter by `baseEjectionMs`. */
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
  readonly count: ReadonlySet<FaultKind>;
}

/** What a failure or success is about: getting the connection, or what became of it. */
export type Phase = "connecting" | "connected";

/** What is remembered of one member. */
interface History {
  /** Errors in a row, apart for the two phases: that connections come about says nothing of what becomes of them. */
  readonly errors: { connecting: number; connected: number };
  ejectionsInRow: number;
}

export class OutlierDetector {
  readonly #settings: OutlierSettings;
  readonly #now: () => number;
  readonly #onEject: (member: Member, ejectionMs: number, errors: number) => void;
  readonly #histories = new WeakMap<Member, History>();

  constructor(
    settings: OutlierSettings,
    now: () => number,
    onEject: (member: Member, ejectionMs: number, errors: number) => void,
  ) {
    this.#settings = settings;
    this.#now = now;
    this.#onEject = onEject;
  }

  succeeded(member: Member, phase: Phase): void {
    this.#historyOf(member).errors[phase] = 0;
  }

  /** Ejects `member` when that was one error too many, and not too many of `members` are ejected already. */
  failed(member: Member, phase: Phase, kind: FaultKind, members: readonly Member[]): void {
    const { count, consecutiveErrors } = this.#settings;
    if (!count.has(kind)) return;
    const { errors } = this.#historyOf(member);
    errors[phase]++;
    if (errors[phase] >= consecutiveErrors && this.#mayEject(member, members)) this.#eject(member, errors[phase]);
  }

  #mayEject(member: Member, members: readonly Member[]): boolean {
    const now = this.#now();
    if (member.ejectedUntilMs > now) return false;
    const ejected = members.filter(({ ejectedUntilMs }) => ejectedUntilMs > now).length;
    return ejected === 0 || (ejected + 1) * 100 <= this.#settings.maxEjectionPercent * members.length;
  }

  #eject(member: Member, errors: number): void {
    const { intervalMs, baseEjectionMs, maxEjectionMs } = this.#settings;
    const history = this.#historyOf(member);
    const now = this.#now();
    const forgiven = Math.floor((now - member.ejectedUntilMs) / intervalMs);
    history.ejectionsInRow = Math.max(0, history.ejectionsInRow - forgiven) + 1;
    history.errors.connecting = history.errors.connected = 0;
    const ejectionMs = Math.min(baseEjectionMs * history.ejectionsInRow, Math.max(baseEjectionMs, maxEjectionMs));
    member.ejectedUntilMs = now + ejectionMs;
    member.counters.ejections++;
    this.#onEject(member, ejectionMs, errors);
  }

  #historyOf(member: Member): History {
    let history = this.#histories.get(member);
    if (!history) {
      history = { errors: { connecting: 0, connected: 0 }, ejectionsInRow: 0 };
      this.#histories.set(member, history);
    }
    return history;
  }
}
