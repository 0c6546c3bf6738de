/**
 * Aborted with another signal, or by its holder. Unlike `AbortSignal.any` it leaves nothing with the other signal once it
 * is disposed, so that one signal can outlive any number of attempts.
 */
export class LinkedAbort extends AbortController implements Disposable {
  readonly #other: AbortSignal;
  readonly #onAbort = (): void => this.abort(this.#other.reason);

  constructor(other: AbortSignal) {
    super();
    this.#other = other;
    if (other.aborted) this.#onAbort();
    else other.addEventListener("abort", this.#onAbort, { once: true });
  }

  [Symbol.dispose](): void {
    this.#other.removeEventListener("abort", this.#onAbort);
  }
}
