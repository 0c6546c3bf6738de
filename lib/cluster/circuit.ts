/** Limits on the sessions of one cluster: more are refused at once, so that it is not overrun. */
import { LimitError } from "../errors.ts";

export interface CircuitLimits {
  /** Sessions that have a member or are connecting to one. */
  readonly maxConnections: number;
  /** Those that are still connecting. */
  readonly maxPending: number;
  /** As `maxConnections`: a session is a request. */
  readonly maxRequests: number;
  /** Those that are connecting again after a failure. */
  readonly maxRetries: number;
}

/** Places that one session takes. */
export interface Claim {
  /** No longer pending. May be called twice. */
  connected(): void;
  /** Gives all back. May be called twice. */
  release(): void;
}

export class Circuit {
  readonly #cluster: string;
  /** Absent: everything is counted and nothing refused. May change while sessions run. */
  limits: CircuitLimits | undefined;
  #connections = 0;
  #pending = 0;
  #retries = 0;
  #refused = 0;

  constructor(cluster: string, limits?: CircuitLimits) {
    this.#cluster = cluster;
    this.limits = limits;
  }

  get counts(): { connections: number; pending: number; retries: number; refused: number } {
    return {
      connections: this.#connections,
      pending: this.#pending,
      retries: this.#retries,
      refused: this.#refused,
    };
  }

  /** Takes places for a session. Throws a `LimitError` with status 503. */
  claim(isRetry: boolean): Claim {
    if (this.limits) this.#check(this.limits, isRetry);
    this.#connections++;
    this.#pending++;
    if (isRetry) this.#retries++;
    let state: "pending" | "connected" | "released" = "pending";
    const connected = () => {
      if (state !== "pending") return;
      state = "connected";
      this.#pending--;
      if (isRetry) this.#retries--;
    };
    const release = () => {
      connected();
      if (state !== "released") this.#connections--;
      state = "released";
    };
    return { connected, release };
  }

  #check({ maxConnections, maxPending, maxRequests, maxRetries }: CircuitLimits, isRetry: boolean): void {
    if (this.#connections >= maxConnections) this.#refuse(`${maxConnections} sessions`, "max_connections");
    if (this.#connections >= maxRequests) this.#refuse(`${maxRequests} sessions`, "max_requests");
    if (this.#pending >= maxPending) this.#refuse(`${maxPending} sessions connecting`, "max_pending");
    if (isRetry && this.#retries >= maxRetries) this.#refuse(`${maxRetries} sessions connecting again`, "max_retries");
  }

  #refuse(what: string, setting: string): never {
    this.#refused++;
    const text = `cluster "${this.#cluster}" has ${what}, as many as it may (circuit_breaker.${setting})`;
    throw new LimitError(text, { status: 503, code: "OVERFLOW", side: "upstream" });
  }
}
