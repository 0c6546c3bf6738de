/** Decides when and with which status the program ends. The first reason counts; sessions are given up after a limit. */
import type { L7mpError } from "../errors.ts";
import type { Log } from "../log.ts";
import { after, type Timer } from "../stream/timer.ts";
import { internalError } from "./internal_error.ts";
import type { EndingSignal } from "./signals.ts";

/** What is to be ended. */
export interface Endable {
  /** Stops accepting at once, gives sessions `graceMs` to finish, then aborts them. Resolves when all are gone. */
  stop(graceMs: number): Promise<void>;
  /** Aborts the sessions that `stop` is waiting for. */
  cut(): void;
}

export interface EndingOptions {
  readonly log: Log;
  /** How long sessions may go on after the first SIGINT or SIGTERM. */
  readonly graceMs: number;
  /** Exit with the class of an error instead of 1. */
  readonly exitClass: boolean;
  /** How long cut sessions may take before the program exits regardless (a child that ignores SIGTERM). */
  readonly cutLimitMs: number;
}

/** Exit status of `--timeout`, as of the command `timeout`. */
const timeoutStatus = 124;

export class Ending {
  readonly #target: Endable;
  readonly #options: EndingOptions;
  readonly #done = Promise.withResolvers<number>();
  #ending = false;
  #limit: Timer | undefined;

  constructor(target: Endable, options: EndingOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Resolves once with the exit status, when everything has ended. */
  get status(): Promise<number> {
    return this.#done.promise;
  }

  /** Nothing is left to do. Its error, if any, has been logged. */
  byItself(error: L7mpError | undefined): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#finish(!error ? 0 : this.#options.exitClass ? error.exitStatus : 1);
  }

  bySignal({ number, patient }: { name: EndingSignal; number: number; patient: boolean }): void {
    if (this.#ending) return this.#cut(128 + number);
    this.#options.log.warn("signal", `exiting on signal ${number}`);
    this.#stop(patient ? this.#options.graceMs : 0, 128 + number);
  }

  byTimeout(afterMs: number): void {
    if (this.#ending) return;
    this.#options.log.error("timeout", `not done after ${afterMs / 1000} s (--timeout)`);
    this.#stop(0, timeoutStatus);
  }

  /** A fault of the program itself. */
  byFault(error: unknown): void {
    const { message, stack } = internalError(error);
    this.#options.log.fatal("internal", message);
    this.#options.log.debug("internal.stack", stack);
    if (!this.#ending) this.#stop(0, 1);
  }

  #stop(graceMs: number, status: number): void {
    this.#ending = true;
    this.#target.stop(graceMs).then(() => this.#finish(status), (error) => {
      this.byFault(error);
      this.#finish(status);
    });
    this.#giveUpLater(status, graceMs);
  }

  #cut(status: number): void {
    this.#target.cut();
    this.#giveUpLater(status);
  }

  #giveUpLater(status: number, graceMs = 0): void {
    this.#limit?.stop();
    this.#limit = after(graceMs + this.#options.cutLimitMs, () => this.#finish(status));
  }

  #finish(status: number): void {
    this.#limit?.stop();
    this.#done.resolve(status);
  }
}
