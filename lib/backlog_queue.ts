/** Waiting for room in the backlog of a UNIX socket: the system tells nobody when there is some. */
import { sleep } from "./stream/timer.ts";

const firstRetryMs = 1;
const longestRetryMs = 50;

/**
 * Of those who wait for one path only the first asks, ever less often; so a thousand cost no more than one does, and
 * they get in in the order they came. A driver has one.
 */
export class BacklogQueue {
  /** By path: resolves when the last who waits for it has left. */
  readonly #last = new Map<string, Promise<void>>();

  /** Whether anybody waits for the path: room that is there now is for them, and whoever comes enters behind them. */
  isWaitedFor(path: string): boolean {
    return this.#last.has(path);
  }

  /**
   * Calls `attempt` until it gives something other than undefined, which stands for a full backlog. Rejects with what it
   * throws, or with the signal's reason.
   */
  async enter<T>(path: string, attempt: () => T | undefined | Promise<T | undefined>, signal: AbortSignal): Promise<T> {
    const before = this.#last.get(path);
    const { promise: turn, resolve: leave } = Promise.withResolvers<void>();
    const last = Promise.all([before, turn]).then(() => {
      if (this.#last.get(path) === last) this.#last.delete(path);
    });
    this.#last.set(path, last);
    try {
      if (before) await beforeAbort(before, signal);
      for (let waitMs = firstRetryMs;; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
        const result = await attempt();
        if (result !== undefined) return result;
        await sleep(waitMs, signal);
      }
    } finally {
      leave();
    }
  }
}

/** Resolves with `promise`; rejects with the signal's reason if that is sooner. */
async function beforeAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const cancel = () => reject(signal.reason);
  signal.addEventListener("abort", cancel, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
