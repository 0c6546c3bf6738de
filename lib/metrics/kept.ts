/** What is counted for things that come and go, by their names: it outlives them for a while, so that nothing counts back. */

export interface KeptOptions<T> {
  make(): T;
  /** Whether there still is what has these names. */
  isPresent(names: readonly string[]): boolean;
  now?(): number;
  /** How long a thing that has gone is kept. */
  readonly keepMs?: number;
  /** Beyond this many, those that have gone leave at once, the longest gone first. */
  readonly max?: number;
}

interface Entry<T> {
  readonly names: readonly string[];
  readonly value: T;
  /** When it was last counted for, or seen to be there. */
  seenAt: number;
}

export class Kept<T> {
  readonly #options: Required<KeptOptions<T>>;
  readonly #entries = new Map<string, Entry<T>>();

  constructor(options: KeptOptions<T>) {
    this.#options = { now: () => performance.now(), keepMs: 3_600_000, max: 10_000, ...options };
  }

  /** Made where it is missing. */
  of(...names: readonly string[]): T {
    const key = names.join("\0");
    let entry = this.#entries.get(key);
    if (!entry) {
      const { make, max } = this.#options;
      if (this.#entries.size >= max) this.#shrink();
      this.#entries.set(key, entry = { names, value: make(), seenAt: 0 });
    }
    entry.seenAt = this.#options.now();
    return entry.value;
  }

  /** All there are; what has been gone for too long is left out, and forgotten. */
  *all(): Iterable<readonly [names: readonly string[], value: T]> {
    const { isPresent, now, keepMs } = this.#options;
    for (const [key, entry] of this.#entries) {
      if (isPresent(entry.names)) entry.seenAt = now();
      if (now() - entry.seenAt > keepMs) this.#entries.delete(key);
      else yield [entry.names, entry.value];
    }
  }

  /** Makes room for a tenth of all, so that not every new one has to. */
  #shrink(): void {
    const { isPresent, max } = this.#options;
    const gone = [...this.#entries].filter(([, { names }]) => !isPresent(names));
    gone.sort(([, a], [, b]) => a.seenAt - b.seenAt);
    const surplus = this.#entries.size - Math.floor(max * 0.9);
    for (const [key] of gone.slice(0, surplus)) this.#entries.delete(key);
  }
}
