/** A token bucket without a timer: what would have flowed in is reckoned when somebody asks. */
import { ConfigError } from "../errors.ts";
import { duration, integer, printDuration } from "../schema.ts";

export interface TokenBucketSettings {
  /** Size, and what is in it at first. */
  readonly maxTokens: number;
  /** Added at the end of every interval. */
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

const minFillIntervalMs = 50;
const count = integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const interval = duration();

/** Checks a `token_bucket`, at `at` for messages. Throws a `ConfigError`. */
export function parseTokenBucket(document: unknown, at: string): TokenBucketSettings {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ConfigError(`${at}: is not an object with max_tokens and fill_interval`);
  }
  const { max_tokens, tokens_per_fill = 1, fill_interval } = document as Record<string, unknown>;
  if (max_tokens === undefined) throw new ConfigError(`${at}.max_tokens: is missing`);
  if (fill_interval === undefined) throw new ConfigError(`${at}.fill_interval: is missing`);
  const fillIntervalMs = interval.parse(fill_interval, `${at}.fill_interval`);
  if (fillIntervalMs < minFillIntervalMs || fillIntervalMs === Infinity) {
    const written = printDuration(fillIntervalMs);
    throw new ConfigError(`${at}.fill_interval: ${written} is not a time of at least ${minFillIntervalMs}ms`);
  }
  return {
    maxTokens: count.parse(max_tokens, `${at}.max_tokens`),
    tokensPerFill: count.parse(tokens_per_fill, `${at}.tokens_per_fill`),
    fillIntervalMs,
  };
}

/** Starts full. `now` is a clock in milliseconds that never goes back. */
export class TokenBucket {
  readonly #settings: TokenBucketSettings;
  readonly #now: () => number;
  #tokens: number;
  /** When the last interval that counted ended. */
  #filledAt: number;

  constructor(settings: TokenBucketSettings, now: () => number) {
    this.#settings = settings;
    this.#now = now;
    this.#tokens = settings.maxTokens;
    this.#filledAt = now();
  }

  /** Takes a token; false: there is none. */
  take(): boolean {
    this.#fill();
    if (this.#tokens === 0) return false;
    this.#tokens -= 1;
    return true;
  }

  #fill(): void {
    const { maxTokens, tokensPerFill, fillIntervalMs } = this.#settings;
    const intervals = Math.floor((this.#now() - this.#filledAt) / fillIntervalMs);
    if (intervals < 1) return;
    this.#filledAt += intervals * fillIntervalMs;
    this.#tokens = Math.min(maxTokens, this.#tokens + intervals * tokensPerFill);
  }
}
