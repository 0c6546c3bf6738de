/** The fields of configurations, for the README: each place, and what its schema says. */
import { circuitBreakerSchema, healthCheckSchema, outlierDetectionSchema } from "../cluster/cluster_settings.ts";
import { loadBalancerSchema, stickySchema } from "../cluster/load_balancing.ts";
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

/** Rows of place, field and meaning. */
export function configRows(): string[][] {
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
