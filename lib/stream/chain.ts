/** The steps of one direction, run one after the other without promises. */
import type { Step } from "../protocol.ts";
import type { Datagram } from "./stream.ts";

export class Chain {
  readonly #steps: readonly Step[];
  /** `#emit[i]` takes what step `i - 1` emits; the last one collects. */
  readonly #emit: ((data: Datagram) => void)[];
  #out: Datagram[] = [];

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    const emit: ((data: Datagram) => void)[] = [];
    emit[steps.length] = (data) => this.#out.push(data);
    for (let i = steps.length - 1; i >= 0; i--) emit[i] = (data) => steps[i]!.push(data, emit[i + 1]!);
    this.#emit = emit;
  }

  /** What comes out for one input, in order; valid until the next `push`. */
  push(data: Datagram): readonly Datagram[] {
    this.#out = [];
    this.#emit[0]!(data);
    return this.#out;
  }

  /** What is left after the last input; ends the steps in order, so each one's rest passes those behind it. */
  end(): readonly Datagram[] {
    this.#out = [];
    this.#steps.forEach((step, i) => step.end?.(this.#emit[i + 1]!));
    return this.#out;
  }
}
