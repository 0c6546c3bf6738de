/** Timers for limits that somebody has chosen. */

/** The runtime's timers hold 32-bit milliseconds, 24 days; one for longer fires at once. */
const longestTimerMs = 2 ** 31 - 1;

export interface Timer {
  /** May be called twice. */
  stop(): void;
}

/** A timer that is later than this tells that the process stood still: stopped, starved, or busy with something else. */
const stallMs = 20;
const longestAllowanceMs = 1000;

/**
 * Calls `action` once after `ms`, however long that is (Infinity: never), unless it is stopped before. A process that
 * stood still at that time gets as much again, at most a second, to see what came meanwhile: it may stop the timer. So
 * does one that stood still again; each time only for longer, lest one that is always late would wait for ever.
 */
export function after(ms: number, action: () => void): Timer {
  let timer: Timer;
  const look = (waitMs: number, toleratedMs: number) => {
    const due = performance.now() + waitMs;
    const last = () => {
      timer = wake(Math.min(waitMs, stallMs), () => {
        const lateMs = performance.now() - due;
        if (lateMs <= toleratedMs) action();
        else look(Math.min(lateMs, longestAllowanceMs), toleratedMs * 2);
      });
    };
    // The last of it is waited for by itself: a process that goes on just before sees what came meanwhile, too.
    if (waitMs > stallMs) timer = wake(waitMs - stallMs, last);
    else last();
  };
  look(ms, stallMs);
  return { stop: () => timer.stop() };
}

function wake(ms: number, action: () => void): Timer {
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
    const timer = wake(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Lets the runtime's event loop turn once: timers, signals, other I/O. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
