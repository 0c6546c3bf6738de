/** Active health checks: every member of a cluster is tried at intervals. */
import { ConnectError } from "../errors.ts";
import { printDuration } from "../schema.ts";
import { after } from "../stream/timer.ts";
import type { Member } from "./member.ts";

export interface HealthCheckSettings {
  readonly intervalMs: number;
  /** Limit of one check. */
  readonly timeoutMs: number;
  /** Failures in a row that make a healthy member unhealthy. */
  readonly unhealthy: number;
  /** Successes in a row that make an unhealthy member healthy. */
  readonly healthy: number;
}

/** Resolves when the member is well; rejects when it is not, and soon after `signal` aborts, leaving nothing open. */
export type Probe = (member: Member, signal: AbortSignal) => Promise<void>;

/** `error`: what the last check failed with. */
export type OnHealth = (member: Member, error?: unknown) => void;

/** What is known of one member. */
interface Watch {
  /** Decided by the first result already. */
  known: boolean;
  /** Results in a row that say the contrary of `member.healthy`. */
  contrary: number;
  /** The check that runs. */
  running?: AbortController;
}

/**
 * Sets `member.healthy` of the members it is given, which count as healthy until their first check has ended. All are
 * checked at once when they are first seen, and then every `intervalMs`; one whose check still runs is left out. Its one
 * timer runs until disposal, which ends running checks too and waits for them.
 */
export class HealthChecker implements AsyncDisposable {
  readonly #settings: HealthCheckSettings;
  readonly #probe: Probe;
  readonly #onChange: OnHealth;
  readonly #watched = new Map<Member, Watch>();
  readonly #checks = new Set<Promise<void>>();
  readonly #timer: ReturnType<typeof setInterval>;
  #disposed = false;

  /** `onChange` hears of members that have become healthy or unhealthy. */
  constructor(settings: HealthCheckSettings, probe: Probe, onChange: OnHealth) {
    this.#settings = settings;
    this.#probe = probe;
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.#checkAll(), settings.intervalMs);
  }

  /** The members to check from now on. Those that are gone are left as they are. */
  update(members: readonly Member[]): void {
    if (this.#disposed) return;
    const present = new Set(members);
    for (const [member, { running }] of this.#watched) {
      if (present.has(member)) continue;
      this.#watched.delete(member);
      running?.abort();
    }
    for (const member of present) {
      if (this.#watched.has(member)) continue;
      const watch = { known: false, contrary: 0 };
      this.#watched.set(member, watch);
      this.#start(member, watch);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#disposed = true;
    const watches = [...this.#watched.values()];
    this.#watched.clear();
    for (const { running } of watches) running?.abort();
    await Promise.all(this.#checks);
  }

  #checkAll(): void {
    for (const [member, watch] of this.#watched) {
      if (!watch.running) this.#start(member, watch);
    }
  }

  #start(member: Member, watch: Watch): void {
    const check = this.#check(member, watch).finally(() => this.#checks.delete(check));
    this.#checks.add(check);
  }

  async #check(member: Member, watch: Watch): Promise<void> {
    const abort = watch.running = new AbortController();
    const { timeoutMs } = this.#settings;
    const late = new ConnectError(`no success within ${printDuration(timeoutMs)}`, { code: "ETIMEDOUT" });
    const timer = after(timeoutMs, () => abort.abort(late));
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#probe(member, abort.signal);
      abort.signal.throwIfAborted();
    } catch (error) {
      failure = { error };
    } finally {
      timer.stop();
      watch.running = undefined;
    }
    if (this.#watched.get(member) === watch) this.#judge(member, watch, failure);
  }

  #judge(member: Member, watch: Watch, failure: { readonly error: unknown } | undefined): void {
    const well = failure === undefined;
    const needed = !watch.known ? 1 : well ? this.#settings.healthy : this.#settings.unhealthy;
    watch.known = true;
    watch.contrary = well === member.healthy ? 0 : watch.contrary + 1;
    if (watch.contrary < needed) return;
    watch.contrary = 0;
    member.healthy = well;
    this.#onChange(member, failure?.error);
  }
}
