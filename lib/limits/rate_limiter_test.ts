// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import type { RateLimitDocument } from "../config/document.ts";
import { ConfigError } from "../errors.ts";
import { parseRateLimit, RateLimiter } from "./rate_limiter.ts";

const at = "listeners[0].options.local_ratelimit";

function limiterOf(document: RateLimitDocument) {
  const clock = { ms: 0 };
  return { clock, limiter: new RateLimiter(parseRateLimit(document, at), () => clock.ms) };
}

function bucket(max_tokens: number) {
  return { max_tokens, fill_interval: "1s" };
}

const from = (src_addr: unknown) => ({ IP: { src_addr } });

/** What is said to so many sessions in a row, `+` or `-`. */
function answers(limiter: RateLimiter, metadata: unknown, sessions: number): string {
  return Array.from({ length: sessions }, () => limiter.allow(metadata) ? "+" : "-").join("");
}

Deno.test("RateLimiter has one bucket for all sessions, and counts", () => {
  const { clock, limiter } = limiterOf({ token_bucket: bucket(2) });
  assertEquals(answers(limiter, from("10.0.0.1"), 1) + answers(limiter, from("10.0.0.2"), 2), "++-");
  clock.ms += 1000;
  assertEquals(answers(limiter, from("10.0.0.1"), 2), "+-");
  assertEquals([limiter.ok, limiter.rateLimited], [3, 2]);
});

Deno.test("RateLimiter: the first condition that matches decides, and nothing after it is asked", () => {
  const { limiter } = limiterOf({
    token_bucket: bucket(3),
    conditions: [
      { match: { op: "test", path: "/a", value: 1 }, token_bucket: bucket(1) },
      { match: { op: "defined", path: "/a" }, token_bucket: bucket(2) },
    ],
  });
  assertEquals(answers(limiter, { a: 1 }, 3), "+--");
  assertEquals(answers(limiter, { a: 2 }, 4), "++--");
  assertEquals(answers(limiter, { b: 1 }, 5), "+++--");
});

Deno.test("RateLimiter: without a bucket of its own passes what no condition matched", () => {
  const { limiter } = limiterOf({ conditions: [{ match: { op: "defined", path: "/a" }, token_bucket: bucket(1) }] });
  assertEquals(answers(limiter, {}, 5), "+++++");
  assertEquals(answers(limiter, { a: 1 }, 2), "+-");
  assertEquals([limiter.ok, limiter.rateLimited], [6, 1]);
});

Deno.test("RateLimiter: per has one bucket for each combination of values, of each condition", () => {
  const { limiter } = limiterOf({
    token_bucket: bucket(1),
    conditions: [{ match: { op: "test", path: "/vip", value: true }, token_bucket: bucket(2) }],
    per: ["/IP/src_addr", "user"],
  });
  assertEquals(answers(limiter, from("10.0.0.1"), 2), "+-");
  assertEquals(answers(limiter, from("10.0.0.2"), 2), "+-");
  assertEquals(answers(limiter, { ...from("10.0.0.1"), user: "u" }, 2), "+-");
  assertEquals(answers(limiter, { ...from("10.0.0.1"), vip: true }, 3), "++-");
  assertEquals(answers(limiter, {}, 2), "+-");
  // Neither the type of a value nor the place of a separator makes two callers one.
  assertEquals(answers(limiter, { IP: { src_addr: 1 } }, 1) + answers(limiter, { IP: { src_addr: "1" } }, 1), "++");
  const one = { IP: { src_addr: 'a","b' } };
  const other = { IP: { src_addr: "a" }, user: "b" };
  assertEquals(answers(limiter, one, 1) + answers(limiter, other, 1), "++");
});

Deno.test("RateLimiter keeps max_keys buckets and forgets the one longest unused", () => {
  const { limiter } = limiterOf({ token_bucket: bucket(1), per: ["/IP/src_addr"], max_keys: 2 });
  assertEquals(answers(limiter, from("a"), 1), "+");
  assertEquals(answers(limiter, from("b"), 1), "+");
  assertEquals(answers(limiter, from("a"), 1), "-");
  assertEquals(answers(limiter, from("c"), 1), "+");
  assertEquals(answers(limiter, from("a"), 1), "-");
  assertEquals(answers(limiter, from("b"), 1), "+");
});

Deno.test("RateLimiter keeps 10000 buckets unless said", () => {
  assertEquals(parseRateLimit({ token_bucket: bucket(1) }, at).maxKeys, 10_000);
});

Deno.test("RateLimiter takes texts that begin alike, and objects, for one", () => {
  const { limiter } = limiterOf({ token_bucket: bucket(1), per: ["/IP/src_addr"] });
  const long = "x".repeat(1000);
  assertEquals(answers(limiter, from(`${long}1`), 1) + answers(limiter, from(`${long}2`), 1), "+-");
  assertEquals(answers(limiter, from({ a: 1 }), 1) + answers(limiter, from({ b: 2 }), 1), "+-");
});

Deno.test("parseRateLimit() refuses every mistake, with its path", () => {
  const cases: [document: unknown, message: string][] = [
    [[], `${at}: is not an object`],
    [{}, `${at}: token_bucket or conditions is missing`],
    [{ conditions: [] }, `${at}: token_bucket or conditions is missing`],
    [{ conditions: {} }, `${at}.conditions: is not a list`],
    [{ conditions: [5] }, `${at}.conditions[0]: is not an object with match and token_bucket`],
    [{ conditions: [{ token_bucket: bucket(1) }] }, `${at}.conditions[0].match: is missing`],
    [{ conditions: [{ match: "*" }] }, `${at}.conditions[0].token_bucket: is missing`],
    [
      { conditions: [{ match: { op: "tset", path: "/", value: 1 }, token_bucket: bucket(1) }] },
      `${at}.conditions[0].match.op: unknown operation "tset"; did you mean "test"?`,
    ],
    [
      { conditions: [{ match: "*", token_bucket: { max_tokens: 1, fill_interval: 10 } }] },
      `${at}.conditions[0].token_bucket.fill_interval: 10ms is not a time of at least 50ms`,
    ],
    [{ token_bucket: 5 }, `${at}.token_bucket: is not an object with max_tokens and fill_interval`],
    [{ token_bucket: bucket(1), per: "/a" }, `${at}.per: is not a list of paths such as /IP/src_addr`],
    [{ token_bucket: bucket(1), per: ["/a", 5] }, `${at}.per[1]: 5 is not a path such as /IP/src_addr`],
    [{ token_bucket: bucket(1), max_keys: 0 }, `${at}.max_keys: 0 out of range 1..1000000`],
  ];
  for (const [document, message] of cases) {
    assertEquals(assertThrows(() => parseRateLimit(document as RateLimitDocument, at), ConfigError).message, message);
  }
});

Deno.test("property: allow() answers for any metadata, and counts every answer", () => {
  const { limiter } = limiterOf({
    token_bucket: bucket(10),
    conditions: [{ match: { op: "starts", path: "/a", value: "x" }, token_bucket: bucket(1) }],
    per: ["/", "/a", "/a/b"],
    max_keys: 5,
  });
  let asked = 0;
  fc.assert(fc.property(fc.oneof(fc.anything(), fc.record({ a: fc.anything() })), (metadata) => {
    limiter.allow(metadata);
    asked += 1;
  }));
  assert(asked > 0);
  assertEquals(limiter.ok + limiter.rateLimited, asked);
});
