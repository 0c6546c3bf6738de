/** Tells those who watch of every session that begins, changes or ends. */
import type { SessionChange } from "./control.ts";

/** Changes kept for a reader that is slower than they come; beyond that the oldest are lost. */
const mostPending = 1024;

interface Subscriber {
  readonly pending: SessionChange[];
  wake(): void;
}

export class SessionWatch {
  readonly #subscribers = new Set<Subscriber>();
  readonly #closed = new AbortController();

  /** Changes from the first call of `next` on, until `signal` aborts or the watch is closed. */
  async *subscribe(signal: AbortSignal): AsyncGenerator<SessionChange> {
    // Not one signal of both: that would leave something with the one that stays.
    const signals = [signal, this.#closed.signal];
    let wake = Promise.withResolvers<void>();
    const subscriber: Subscriber = { pending: [], wake: () => wake.resolve() };
    const onAbort = () => wake.resolve();
    for (const one of signals) one.addEventListener("abort", onAbort);
    this.#subscribers.add(subscriber);
    try {
      while (!signals.some(({ aborted }) => aborted)) {
        const change = subscriber.pending.shift();
        if (change) {
          yield change;
          continue;
        }
        await wake.promise;
        wake = Promise.withResolvers();
      }
    } finally {
      for (const one of signals) one.removeEventListener("abort", onAbort);
      this.#subscribers.delete(subscriber);
    }
  }

  tell(change: SessionChange): void {
    for (const { pending, wake } of this.#subscribers) {
      pending.push(change);
      if (pending.length > mostPending) pending.shift();
      wake();
    }
  }

  close(): void {
    this.#closed.abort();
  }
}
