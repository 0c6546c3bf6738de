/** Pings a peer that has been silent, and notices when it is gone. */
import { after, type Timer } from "../../lib/stream/timer.ts";

export interface HeartbeatOptions {
  /** Silence after which to ping. Absent or 0: never. */
  readonly intervalMs: number | undefined;
  /** Silence after a ping that means the peer is gone. Default 30 s. */
  readonly timeoutMs: number | undefined;
  ping(): void;
  fail(timeoutMs: number): void;
}

const defaultTimeoutMs = 30_000;

/** One timer at a time, for as long as it runs; its owner calls `stop`. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #lastLife = 0;
  #paused = false;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    const { intervalMs } = this.#options;
    if (this.#stopped || !intervalMs) return;
    this.alive();
    this.#waitForSilence(intervalMs);
  }

  /** Something came from the peer. */
  alive(): void {
    this.#lastLife = performance.now();
  }

  /** We do not listen for the time being, so silence says nothing. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.alive();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.stop();
  }

  #waitForSilence(intervalMs: number): void {
    const silentMs = this.#paused ? 0 : performance.now() - this.#lastLife;
    // A timer may fire a fraction of a millisecond early.
    if (silentMs < intervalMs - 1) {
      this.#timer = after(intervalMs - silentMs, () => this.#waitForSilence(intervalMs));
      return;
    }
    const timeoutMs = this.#options.timeoutMs || defaultTimeoutMs;
    const pinged = performance.now();
    this.#options.ping();
    this.#timer = after(timeoutMs, () => {
      if (this.#paused || this.#lastLife >= pinged) this.#waitForSilence(intervalMs);
      else this.#options.fail(timeoutMs);
    });
  }
}
