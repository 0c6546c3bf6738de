/** Timers for limits that somebody has chosen. */

/** The runtime's timers hold 32-bit milliseconds, 24 days; one for longer fires at once. */
export const longestTimerMs = 2 ** 31 - 1;

export interface Timer {
  /** May be called twice. */
  stop(): void;
}

/** Calls `action` once after `ms`, however long that is (Infinity: never), unless it is stopped before. */
export function after(ms: number, action: () => void): Timer {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = (leftMs: number) => {
    const step = Math.min(leftMs, longestTimerMs);
    timer = setTimeout(() => leftMs > step ? arm(leftMs - step) : action(), step);
  };
  if (ms !== Infinity) arm(ms);
  return {
    stop() {
      // The first use of the runtime's timers loads them, which takes a tenth of the time to a plain line's first byte.
      if (timer !== undefined) clearTimeout(timer);
    },
  };
}

/** Waits `ms`; rejects with the signal's reason as soon as it aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.stop();
      reject(signal.reason);
    };
    const timer = after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
