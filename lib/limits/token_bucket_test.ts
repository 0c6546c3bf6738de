// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { parseTokenBucket, TokenBucket, type TokenBucketSettings } from "./token_bucket.ts";

function bucketOf(settings: TokenBucketSettings) {
  const clock = { ms: 1000 };
  return { clock, bucket: new TokenBucket(settings, () => clock.ms) };
}

/** Tokens taken until there was none. */
function drain(bucket: TokenBucket): number {
  let taken = 0;
  while (bucket.take()) taken += 1;
  return taken;
}

Deno.test("TokenBucket starts full and fills at the end of every interval", () => {
  const { clock, bucket } = bucketOf({ maxTokens: 5, tokensPerFill: 2, fillIntervalMs: 100 });
  assertEquals(drain(bucket), 5);
  clock.ms += 99;
  assertEquals(drain(bucket), 0);
  clock.ms += 1;
  assertEquals(drain(bucket), 2);
  clock.ms += 250;
  assertEquals(drain(bucket), 4);
  // The half interval that was begun counts for the next.
  clock.ms += 50;
  assertEquals(drain(bucket), 2);
});

Deno.test("TokenBucket never holds more than its size", () => {
  const { clock, bucket } = bucketOf({ maxTokens: 3, tokensPerFill: 2, fillIntervalMs: 50 });
  clock.ms += 1e9;
  assertEquals(drain(bucket), 3);
  clock.ms += 1e12;
  assertEquals(drain(bucket), 3);
});

Deno.test("property: a bucket never gives more than its size and what has flowed in", () => {
  const settings = fc.record({
    maxTokens: fc.integer({ min: 1, max: 20 }),
    tokensPerFill: fc.integer({ min: 1, max: 20 }),
    fillIntervalMs: fc.integer({ min: 50, max: 500 }),
  });
  const waits = fc.array(fc.nat({ max: 300 }), { maxLength: 100 });
  fc.assert(fc.property(settings, waits, (settings, waits) => {
    const { clock, bucket } = bucketOf(settings);
    let taken = 0;
    for (const wait of waits) {
      clock.ms += wait;
      if (bucket.take()) taken += 1;
      const fills = Math.floor((clock.ms - 1000) / settings.fillIntervalMs);
      assert(taken <= settings.maxTokens + fills * settings.tokensPerFill);
    }
    clock.ms += settings.fillIntervalMs * settings.maxTokens;
    assertEquals(drain(bucket), settings.maxTokens);
  }));
});

Deno.test("parseTokenBucket() reads times with units, and one token a fill unless said", () => {
  assertEquals(parseTokenBucket({ max_tokens: 10, fill_interval: "1s" }, "b"), {
    maxTokens: 10,
    tokensPerFill: 1,
    fillIntervalMs: 1000,
  });
  assertEquals(parseTokenBucket({ max_tokens: 1, tokens_per_fill: 5, fill_interval: 50 }, "b"), {
    maxTokens: 1,
    tokensPerFill: 5,
    fillIntervalMs: 50,
  });
});

Deno.test("parseTokenBucket() refuses every mistake, with its path", () => {
  const cases: [document: unknown, message: string][] = [
    [5, "b: is not an object with max_tokens and fill_interval"],
    [{ fill_interval: "1s" }, "b.max_tokens: is missing"],
    [{ max_tokens: 1 }, "b.fill_interval: is missing"],
    [{ max_tokens: 0, fill_interval: "1s" }, "b.max_tokens: 0 out of range 1.."],
    [{ max_tokens: "9", fill_interval: "1s" }, 'b.max_tokens: "9" is not an integer'],
    [{ max_tokens: 1, tokens_per_fill: 0, fill_interval: "1s" }, "b.tokens_per_fill: 0 out of range 1.."],
    [{ max_tokens: 1, fill_interval: 49 }, "b.fill_interval: 49ms is not a time of at least 50ms"],
    [{ max_tokens: 1, fill_interval: "inf" }, "b.fill_interval: inf is not a time of at least 50ms"],
    [{ max_tokens: 1, fill_interval: "soon" }, 'b.fill_interval: "soon" is not a time such as 500ms or 2s'],
  ];
  for (const [document, message] of cases) {
    assertEquals(assertThrows(() => parseTokenBucket(document, "b"), ConfigError).message, message);
  }
});
