/** What every stream does on `abort`: reject what is pending and what comes later with one reason. */
import { StreamError } from "../errors.ts";

/** Remembers an abort. Operations that the system cannot interrupt are let go by `race`. */
export class AbortGate {
  readonly #name: string;
  #failure: { reason: unknown } | undefined;
  readonly #pending = new Set<(reason: unknown) => void>();

  /** `name` stands in the error of an abort without a reason: `read(name): stream is closed`. */
  constructor(name: string) {
    this.#name = name;
  }

  get aborted(): boolean {
    return this.#failure !== undefined;
  }

  /** Rejects everything pending. True the first time. */
  abort(reason?: unknown): boolean {
    if (this.#failure) return false;
    this.#failure = { reason };
    for (const reject of this.#pending) reject(this.#reason(this.#failure));
    this.#pending.clear();
    return true;
  }

  /** Made when it is asked for: most streams are closed and never used again. */
  #reason(failure: { reason: unknown }): unknown {
    return failure.reason ??= new StreamError(`read(${this.#name}): stream is closed`, { code: "CLOSED" });
  }

  /** Throws the reason once aborted. */
  check(): void {
    if (this.#failure) throw this.#reason(this.#failure);
  }

  /** Settles as `operation` does, or rejects at once on abort; what becomes of the operation then is nobody's affair. */
  async race<T>(operation: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    operation.then(resolve, reject);
    this.check();
    this.#pending.add(reject);
    try {
      return await promise;
    } finally {
      this.#pending.delete(reject);
    }
  }
}
