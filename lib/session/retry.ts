/** Tries an opening again (`retry`, `forever`, `interval`, `backoff`). */
import type { Retry } from "../config/plan.ts";
import { L7mpError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";

export const noRetry: Retry = { count: 0, intervalMs: 1000, timeoutMs: 0 };

/**
 * Calls `open` until it succeeds, `retry.count` further tries have failed, or an error says that trying again cannot
 * help. Failed tries are logged at info. Rejects with the last error, or with the signal's reason.
 */
export async function withRetry<T>(open: () => Promise<T>, retry: Retry, signal: AbortSignal, log: Log): Promise<T> {
  let waitMs = retry.intervalMs;
  for (let tried = 0;; tried++) {
    signal.throwIfAborted();
    try {
      return await open();
    } catch (error) {
      const hopeless = !(error instanceof L7mpError) || !error.retryable;
      if (tried >= retry.count || hopeless || signal.aborted) throw error;
      const of = retry.count === Infinity ? "" : ` of ${retry.count}`;
      const next = retry.backoffMs === undefined ? waitMs : waitMs * (0.8 + 0.4 * Math.random());
      const seconds = Math.round(next) / 1000;
      log.info("connect.retry", `${messageOf(error)}; trying again in ${seconds} s (${tried + 1}${of})`);
      await sleep(next, signal);
      if (retry.backoffMs !== undefined) waitMs = Math.min(waitMs * 2, retry.backoffMs);
    }
  }
}

/** Waits `ms`; rejects with the signal's reason as soon as it aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
