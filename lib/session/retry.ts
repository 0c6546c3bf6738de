/** Tries an opening again (`retry`, `forever`, `interval`, `backoff`). */
import type { ConnectOptions } from "../config/engine_options.ts";
import { reconnectBufferBytes, type Retry } from "../config/plan.ts";
import { L7mpError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { sleep } from "../stream/timer.ts";

/** What the options of an address ask for; those of address2 stand in its route. */
export function retryOf(options: Partial<ConnectOptions> | undefined): Retry {
  const { retry = 0, forever, interval = 1000, backoff, connect_timeout = 0 } = options ?? {};
  const { reconnect = 0, reconnect_on = "any", reconnect_buffer = reconnectBufferBytes } = options ?? {};
  return {
    count: forever ? Infinity : retry,
    intervalMs: interval,
    backoffMs: backoff,
    timeoutMs: connect_timeout,
    ...(reconnect > 0 && { reconnect: { count: reconnect, on: reconnect_on, bufferBytes: reconnect_buffer } }),
  };
}

/**
 * Calls `open` until it succeeds, `retry.count` further tries have failed, or an error says that trying again cannot
 * help. Tries are logged at info; `told` hears of those that follow. Rejects with the most frequent error, the latest of
 * those that are; at once with one that says that trying again cannot help, or with the signal's reason.
 */
export async function withRetry<T>(
  open: () => Promise<T>,
  retry: Retry,
  signal: AbortSignal,
  log: Log,
  told?: { retrying(): void },
): Promise<T> {
  const waits = new Waits(retry.intervalMs, retry.backoffMs);
  const failures = new Failures();
  for (let tried = 0;; tried++) {
    signal.throwIfAborted();
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof L7mpError) || !error.retryable || signal.aborted) throw error;
      failures.add(error);
      if (tried >= retry.count) throw failures.mostFrequent;
      const of = retry.count === Infinity ? "" : ` of ${retry.count}`;
      const next = waits.next();
      const seconds = Math.round(next) / 1000;
      log.info("connect.retry", `${messageOf(error)}; trying again in ${seconds} s (${tried + 1}${of})`);
      told?.retrying();
      await sleep(next, signal);
    }
  }
}

/** What a series of tries failed with, by code. */
class Failures {
  readonly #counts = new Map<string, { readonly error: L7mpError; readonly count: number }>();
  #most: { readonly error: L7mpError; readonly count: number } | undefined;

  add(error: L7mpError): void {
    const failure = { error, count: (this.#counts.get(error.code)?.count ?? 0) + 1 };
    this.#counts.set(error.code, failure);
    if (failure.count >= (this.#most?.count ?? 0)) this.#most = failure;
  }

  get mostFrequent(): L7mpError | undefined {
    return this.#most?.error;
  }
}

/** The waits of one series of tries: all alike, or doubled up to `backoffMs` with 20 % jitter. */
export class Waits {
  readonly #intervalMs: number;
  readonly #backoffMs: number | undefined;
  #waitMs: number;

  constructor(intervalMs: number, backoffMs?: number) {
    this.#intervalMs = intervalMs;
    this.#backoffMs = backoffMs;
    this.#waitMs = intervalMs;
  }

  next(): number {
    if (this.#backoffMs === undefined) return this.#intervalMs;
    const ms = this.#waitMs * (0.8 + 0.4 * Math.random());
    this.#waitMs = Math.min(this.#waitMs * 2, this.#backoffMs);
    return ms;
  }

  /** Begins anew with the first interval. */
  reset(): void {
    this.#waitMs = this.#intervalMs;
  }
}
