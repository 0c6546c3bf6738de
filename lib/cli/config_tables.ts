/** The fields of configurations, for the README: each place, and what its schema says. */
import { circuitBreakerSchema, healthCheckSchema, outlierDetectionSchema } from "../cluster/cluster_settings.ts";
import { loadBalancerSchema, stickySchema } from "../cluster/load_balancing.ts";
import type { RateLimitDocument, TokenBucketDocument } from "../config/document.ts";
import {
  adminSettings,
  clusterSettings,
  denySettings,
  endPointSettings,
  listenerSettings,
  retrySettings,
  routeSettings,
} from "../config/settings.ts";
import { type ObjectSchema, printDuration, type Schema } from "../schema.ts";

const places: readonly (readonly [place: string, schema: ObjectSchema])[] = [
  ["admin", adminSettings],
  ["listener, `options`", listenerSettings],
  ["action, `deny`", denySettings],
  ["route", routeSettings],
  ["route, `retry`", retrySettings],
  ["cluster", clusterSettings],
  ["cluster, `loadbalancer`", loadBalancerSchema],
  ["`loadbalancer`, `sticky`", stickySchema],
  ["cluster, `health_check`", healthCheckSchema],
  ["cluster, `outlier_detection`", outlierDetectionSchema],
  ["cluster, `circuit_breaker`", circuitBreakerSchema],
  ["endpoint", endPointSettings],
];

const rateLimit: Readonly<Record<keyof Omit<RateLimitDocument, "stat_prefix">, string>> = {
  token_bucket: "How many sessions may begin; those that find no token are refused",
  conditions: "A list of `match` and `token_bucket`: the first that matches a session counts it in its own bucket",
  per: "Paths into the session's metadata: each combination of their values has a bucket of its own",
  max_keys: "Such buckets kept; those not used for longest go first (10000)",
};

const tokenBucket: Readonly<Record<keyof TokenBucketDocument, string>> = {
  max_tokens: "Its size; it is full at first",
  tokens_per_fill: "Tokens added at the end of each interval (1)",
  fill_interval: "That interval, at least 50ms",
};

/** Rows of place, field and meaning. */
export function configRows(): string[][] {
  return [
    ...settingsRows(),
    ...rowsOf("listener `options` and cluster, `local_ratelimit`", rateLimit),
    ...rowsOf("`local_ratelimit`, `token_bucket`", tokenBucket),
  ];
}

function rowsOf(place: string, fields: Readonly<Record<string, string>>): string[][] {
  return Object.entries(fields).map(([key, meaning]) => [place, `\`${key}\``, meaning]);
}

function settingsRows(): string[][] {
  return places.flatMap(([place, { fields }]) =>
    Object.entries(fields).filter(([, { notes }]) => !notes.hidden).map(([key, schema]) => [
      place,
      `\`${key}\``,
      meaningOf(schema),
    ])
  );
}

function meaningOf({ type, notes: { help = "", default: value } }: Schema<unknown>): string {
  if (value === undefined || value === Infinity) return help;
  const shown = type === "seconds" ? printDuration(value as number) : [value].flat().join(", ");
  return `${help} (${shown})`;
}
