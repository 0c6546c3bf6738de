/** Reads what a cluster says about choosing among its endpoints and about their health. */
import type { ClusterObject } from "../control/objects.ts";
import { ConfigError } from "../errors.ts";
import * as s from "../schema.ts";
import type { CircuitLimits } from "./circuit.ts";
import type { HealthCheckSettings } from "./health_check.ts";
import { type LoadBalancing, readLoadBalancing } from "./load_balancing.ts";
import { type FaultKind, faultKinds, type OutlierSettings } from "./outlier.ts";
import { readSettings, type UnknownKeys } from "./read_settings.ts";

export interface ClusterPolicies {
  readonly loadBalancing: LoadBalancing;
  readonly healthCheck?: HealthCheckSettings;
  readonly outlier?: OutlierSettings;
  readonly circuit?: CircuitLimits;
}

/** Members of `health_check`. */
export const healthCheckSchema = s.object({
  type: s.choice(["tcp"], { default: "tcp", help: "How to check: tcp opens a connection and closes it" }),
  interval: s.duration({ default: 5000, help: "Time between checks" }),
  timeout: s.duration({ default: 1000, help: "Limit of one check" }),
  unhealthy: s.integer({ min: 1, default: 3, help: "Failures in a row that take an endpoint out" }),
  healthy: s.integer({ min: 1, default: 2, help: "Successes in a row that bring it back" }),
});

/** Members of `outlier_detection`. */
export const outlierDetectionSchema = s.object({
  consecutive_errors: s.integer({ min: 1, default: 5, help: "Errors in a row that take an endpoint out" }),
  interval: s.duration({ default: 10_000, help: "Time without ejection that shortens the next one by a step" }),
  base_ejection_time: s.duration({ default: 30_000, help: "How long, times the ejections in a row" }),
  max_ejection_time: s.duration({ default: 300_000, help: "How long at most" }),
  max_ejection_percent: s.integer({
    min: 0,
    max: 100,
    default: 10,
    help: "Endpoints out at a time; one always may be",
  }),
  count: s.list<FaultKind>(s.choice(faultKinds), {
    default: ["connect", "reset", "timeout", "error"],
    help: "Kinds of errors that count",
  }),
});

/** Members of `circuit_breaker`. */
export const circuitBreakerSchema = s.object({
  max_connections: s.integer({ min: 0, default: 1024, help: "Sessions at a time" }),
  max_pending: s.integer({ min: 0, default: 1024, help: "Sessions connecting at a time" }),
  max_requests: s.integer({ min: 0, default: 1024, help: "Requests at a time; a session is one" }),
  max_retries: s.integer({ min: 0, default: 3, help: "Sessions at a time that connect again after a failure" }),
});

export function readHealthCheck(document: unknown, at: string, unknown: UnknownKeys = "refuse"): HealthCheckSettings {
  const { interval, timeout, unhealthy, healthy } = readSettings(healthCheckSchema, document, at, unknown);
  return {
    intervalMs: limited(interval!, `${at}.interval`),
    timeoutMs: limited(timeout!, `${at}.timeout`),
    unhealthy: unhealthy!,
    healthy: healthy!,
  };
}

/** Longest time that a timer of the runtime can wait. */
const longestTimerMs = 2 ** 31 - 1;

/** Refuses times that no timer can wait. */
function limited(ms: number, at: string): number {
  if (ms >= 1 && ms <= longestTimerMs) return ms;
  throw new ConfigError(`${at}: ${s.printDuration(ms)} out of range 1ms..${s.printDuration(longestTimerMs)}`);
}

export function readOutlierDetection(document: unknown, at: string, unknown: UnknownKeys = "refuse"): OutlierSettings {
  const read = readSettings(outlierDetectionSchema, document, at, unknown);
  if (read.interval! < 1) {
    throw new ConfigError(`${at}.interval: ${s.printDuration(read.interval!)} out of range 1ms..`);
  }
  return {
    consecutiveErrors: read.consecutive_errors!,
    intervalMs: read.interval!,
    baseEjectionMs: read.base_ejection_time!,
    maxEjectionMs: read.max_ejection_time!,
    maxEjectionPercent: read.max_ejection_percent!,
    count: new Set<FaultKind>(read.count),
  };
}

export function readCircuitBreaker(document: unknown, at: string, unknown: UnknownKeys = "refuse"): CircuitLimits {
  const read = readSettings(circuitBreakerSchema, document, at, unknown);
  return {
    maxConnections: read.max_connections!,
    maxPending: read.max_pending!,
    maxRequests: read.max_requests!,
    maxRetries: read.max_retries!,
  };
}

/** Reads all of them; `at` is the path of the cluster. Throws `ConfigError` with the path and the nearest key. */
export function readClusterPolicies(
  cluster: Pick<ClusterObject, "loadbalancer" | "settings" | "virtual">,
  at: string,
  unknown: UnknownKeys = "refuse",
): ClusterPolicies {
  const { health_check, outlier_detection, circuit_breaker } = cluster.settings;
  const { virtual } = cluster;
  if (virtual && health_check !== undefined) {
    throw new ConfigError(`${at}.health_check: this cluster has no endpoints to check`);
  }
  if (virtual && outlier_detection !== undefined) {
    throw new ConfigError(`${at}.outlier_detection: this cluster has no endpoints to leave out`);
  }
  return {
    loadBalancing: readLoadBalancing(cluster.loadbalancer, `${at}.loadbalancer`, { virtual, unknown }),
    ...(health_check !== undefined && { healthCheck: readHealthCheck(health_check, `${at}.health_check`, unknown) }),
    ...(outlier_detection !== undefined &&
      { outlier: readOutlierDetection(outlier_detection, `${at}.outlier_detection`, unknown) }),
    ...(circuit_breaker !== undefined &&
      { circuit: readCircuitBreaker(circuit_breaker, `${at}.circuit_breaker`, unknown) }),
  };
}
