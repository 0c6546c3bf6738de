/** `local_ratelimit`: how many sessions may begin in a time. */
import type { PredicateDocument, RateLimitDocument } from "../config/document.ts";
import { ConfigError } from "../errors.ts";
import { isObject } from "../metadata/plain_data.ts";
import { getAt, parsePath } from "../metadata/pointer.ts";
import { compilePredicate, type Predicate } from "../metadata/predicate.ts";
import { integer } from "../schema.ts";
import { parseTokenBucket, TokenBucket, type TokenBucketSettings } from "./token_bucket.ts";

export interface RateLimit {
  /** The first that matches decides with its own bucket; none of the others, nor `bucket`, is asked then. */
  readonly conditions: readonly { readonly matches: Predicate; readonly bucket: TokenBucketSettings }[];
  /** For what no condition matched; absent: that may pass. */
  readonly bucket?: TokenBucketSettings;
  /** Each combination of values at these paths has buckets of its own. */
  readonly per: readonly (readonly string[])[];
  /** Buckets kept at a time; the one longest unused goes first, and is full when it comes again. */
  readonly maxKeys: number;
}

const maxKeys = integer({ min: 1, max: 1_000_000, default: 10_000 });

/**
 * Checks a `local_ratelimit`, at `at` for messages. Throws a `ConfigError`. Wants `loadRegex` as `compilePredicate`
 * does. Keys it does not know are ignored.
 */
export function parseRateLimit(document: RateLimitDocument, at: string): RateLimit {
  if (!isObject(document) || Array.isArray(document)) throw new ConfigError(`${at}: is not an object`);
  const { token_bucket, conditions = [], per = [], max_keys } = document as RateLimitDocument;
  if (!Array.isArray(conditions)) throw new ConfigError(`${at}.conditions: is not a list`);
  if (token_bucket === undefined && conditions.length === 0) {
    throw new ConfigError(`${at}: token_bucket or conditions is missing`);
  }
  return {
    conditions: conditions.map((condition: unknown, i) => parseCondition(condition, `${at}.conditions[${i}]`)),
    bucket: token_bucket === undefined ? undefined : parseTokenBucket(token_bucket, `${at}.token_bucket`),
    per: parsePer(per, `${at}.per`),
    maxKeys: max_keys === undefined ? maxKeys.notes.default! : maxKeys.parse(max_keys, `${at}.max_keys`),
  };
}

function parseCondition(condition: unknown, at: string): RateLimit["conditions"][number] {
  if (!isObject(condition)) throw new ConfigError(`${at}: is not an object with match and token_bucket`);
  for (const key of ["match", "token_bucket"]) {
    if (condition[key] === undefined) throw new ConfigError(`${at}.${key}: is missing`);
  }
  return {
    matches: compilePredicate(condition.match as PredicateDocument, `${at}.match`),
    bucket: parseTokenBucket(condition.token_bucket, `${at}.token_bucket`),
  };
}

function parsePer(per: unknown, at: string): readonly (readonly string[])[] {
  if (!Array.isArray(per)) throw new ConfigError(`${at}: is not a list of paths such as /IP/src_addr`);
  return per.map((path: unknown, i) => {
    if (typeof path === "string") return parsePath(path);
    throw new ConfigError(`${at}[${i}]: ${JSON.stringify(path)} is not a path such as /IP/src_addr`);
  });
}

/** The state of one limit, shared by all sessions it counts. `now` is a clock in milliseconds that never goes back. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #now: () => number;
  /** Least recently used first. */
  readonly #buckets = new Map<string, TokenBucket>();
  #ok = 0;
  #rateLimited = 0;

  constructor(limit: RateLimit, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Sessions that were allowed so far. */
  get ok(): number {
    return this.#ok;
  }

  /** Sessions that were not. */
  get rateLimited(): number {
    return this.#rateLimited;
  }

  /** Counts a session with that metadata; false: it is one too many. */
  allow(metadata: unknown): boolean {
    const { conditions, bucket } = this.#limit;
    const i = conditions.findIndex(({ matches }) => matches(metadata));
    const settings = conditions[i]?.bucket ?? bucket;
    const allowed = !settings || this.#bucketOf(i, settings, metadata).take();
    if (allowed) this.#ok += 1;
    else this.#rateLimited += 1;
    return allowed;
  }

  #bucketOf(condition: number, settings: TokenBucketSettings, metadata: unknown): TokenBucket {
    const key = JSON.stringify([condition, ...this.#limit.per.map((path) => keyPart(getAt(metadata, path)))]);
    const bucket = this.#buckets.get(key) ?? new TokenBucket(settings, this.#now);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#limit.maxKeys) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}

// Callers choose these values, which are kept for long: longer texts that begin alike count as one, and so do objects.
const maxKeyPart = 256;

function keyPart(value: unknown): string | number | boolean | null {
  if (typeof value === "string") return value.slice(0, maxKeyPart);
  if (typeof value === "number" || typeof value === "boolean") return value;
  return isObject(value) ? {}.toString.call(value) : null;
}
