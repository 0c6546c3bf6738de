/** The callers of one listener that may be served: checks their address, waits when out of descriptors. */
import type { Endpoint } from "../config/plan.ts";
import { ConnectError, L7mpError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Incoming, Listener } from "../protocol.ts";
import { OnceAMinute } from "../stream/once_a_minute.ts";
import { after, sleep } from "../stream/timer.ts";
import { isToldLater, refusalOf } from "./admission.ts";
import { isBare } from "./open.ts";

const pauseMs = 1000;

export interface CallersOptions {
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Resolves when a session ends, so that descriptors may be free again. */
  sessionEnded(): Promise<unknown>;
  onRefused?(refusal: L7mpError): void;
}

export class Callers {
  readonly #iterator: AsyncIterator<Incoming>;
  readonly #endpoint: Endpoint;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #sessionEnded: CallersOptions["sessionEnded"];
  readonly #onRefused: CallersOptions["onRefused"];
  readonly #datagrams: boolean;
  readonly #pauseTold = new OnceAMinute();
  readonly #refusalTold = new OnceAMinute();

  constructor(
    listener: Listener,
    endpoint: Endpoint,
    options: CallersOptions,
  ) {
    this.#iterator = listener[Symbol.asyncIterator]();
    this.#endpoint = endpoint;
    this.#log = options.log;
    this.#signal = options.signal;
    this.#sessionEnded = options.sessionEnded;
    this.#onRefused = options.onRefused;
    this.#datagrams = endpoint.kind === "datagram" && isBare(endpoint);
  }

  /**
   * The next caller to serve; undefined once the listener is closed. With `timeoutMs`, rejects when nobody came in time.
   * Rejects with the signal's reason.
   */
  async next(timeoutMs?: number): Promise<Incoming | undefined> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(this.#signal.reason);
    this.#signal.addEventListener("abort", onAbort);
    const late = new ConnectError("accept: Connection timed out (accept-timeout)", { code: "ETIMEDOUT" });
    const timer = after(timeoutMs ?? Infinity, () => reject(late));
    try {
      this.#signal.throwIfAborted();
      for (;;) {
        const accepted = this.#accept();
        const caller = await Promise.race([accepted, promise]).catch((error) => {
          // Somebody may come in the same moment: nobody is left to serve him.
          accepted.then((caller) => caller?.reject(asRefusal(error))).catch(() => {});
          throw error;
        });
        if (!caller || await this.#allowed(caller)) return caller;
      }
    } finally {
      timer.stop();
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  async #accept(): Promise<Incoming | undefined> {
    for (;;) {
      try {
        const { value, done } = await this.#iterator.next();
        return done ? undefined : value;
      } catch (error) {
        if (!(error instanceof L7mpError) || !["EMFILE", "ENFILE"].includes(error.code)) throw error;
        if (this.#pauseTold.due()) {
          this.#log.warn("listener.paused", `${error.message}; accepting pauses until a session ends`);
        }
        await Promise.race([this.#sessionEnded(), sleep(pauseMs, this.#signal)]);
      }
    }
  }

  async #allowed(caller: Incoming): Promise<boolean> {
    const refusal = isToldLater(this.#endpoint) ? undefined : refusalOf(caller.info, this.#endpoint);
    if (!refusal) return true;
    await this.refuse(caller, refusal);
    return false;
  }

  /** Turns a caller away and tells it: where every datagram may be another caller, once a minute. */
  async refuse(caller: Incoming, refusal: L7mpError): Promise<void> {
    if (refusal.level === "warn" && (!this.#datagrams || this.#refusalTold.due())) {
      this.#log.warn("listener.refused", refusal.message);
    }
    this.#onRefused?.(refusal);
    await caller.reject(refusal).catch(() => {});
  }
}

function asRefusal(error: unknown): L7mpError {
  return error instanceof L7mpError ? error : new ConnectError(messageOf(error), { status: 503 });
}
