/** Answers to the pings of a peer. */

/** Answers that may be on their way at once. */
const mostPongs = 100;

/**
 * Answers each ping; of those that a peer sends without reading the answers only the last, as RFC 6455 section 5.5.3
 * allows, so that memory is bounded.
 */
export class Pongs {
  readonly #send: (data: Uint8Array, done: () => void) => void;
  #underWay = 0;
  /** What the peer pinged with last, when it is not answered yet. */
  #waiting: Uint8Array | undefined;

  /** `send` keeps `data` and calls `done` when it has been taken, or cannot be. */
  constructor(send: (data: Uint8Array, done: () => void) => void) {
    this.#send = send;
  }

  /** `data` is memory of its own. */
  answer(data: Uint8Array): void {
    if (this.#underWay === mostPongs) {
      this.#waiting = data;
      return;
    }
    this.#underWay++;
    this.#send(data, () => {
      this.#underWay--;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting) this.answer(waiting);
    });
  }
}
