/** How often values fell into which range: what a histogram shows. */

/** Upper ends of ranges, in seconds: sessions last from a millisecond to a day. */
export const sessionSeconds = [0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400] as const;
export const connectSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export class Distribution {
  readonly #bounds: readonly number[];
  /** One more than there are bounds: what lies above them all. */
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  add(value: number): void {
    const i = this.#bounds.findIndex((bound) => value <= bound);
    this.#counts[i < 0 ? this.#bounds.length : i]! += 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** For each bound, how many values were not above it; the last bound is `+Inf`. */
  *buckets(): Iterable<readonly [bound: number | "+Inf", count: number]> {
    let below = 0;
    for (const [i, count] of this.#counts.entries()) {
      below += count;
      yield [this.#bounds[i] ?? "+Inf", below];
    }
  }
}
