/** `-L` and `-W`: one program at a time. */
import { L7mpError } from "../errors.ts";
import type { Log } from "../log.ts";
import { takeLock } from "../session/lock_file.ts";

export class ProcessLock {
  readonly #path: string;
  readonly #wait: boolean;
  readonly #log: Log;
  readonly #over = new AbortController();
  #unlock: (() => void) | undefined;

  constructor({ path, wait }: { readonly path: string; readonly wait: boolean }, log: Log) {
    this.#path = path;
    this.#wait = wait;
    this.#log = log;
  }

  /** Does `action` once the lock is held, if that comes to be before `release`. The error that says it is not is logged. */
  async hold(action: () => Promise<{ error?: L7mpError }>): Promise<{ error?: L7mpError }> {
    const { signal } = this.#over;
    try {
      this.#unlock = await takeLock(this.#path, { wait: this.#wait, log: this.#log, signal });
    } catch (error) {
      if (signal.aborted) return {};
      if (!(error instanceof L7mpError)) throw error;
      this.#log.error("lock.error", error.message, { code: error.code });
      return { error };
    }
    if (!signal.aborted) return await action();
    this.#unlock();
    return {};
  }

  /** Removes the file, or waits for it no longer. */
  release(): void {
    this.#over.abort();
    this.#unlock?.();
  }
}
