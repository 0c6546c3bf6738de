// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import type { LoadBalancerDocument } from "../config/document.ts";
import { ConfigError } from "../errors.ts";
import { clusterObject } from "./_test_cluster.ts";
import { readCircuitBreaker, readClusterPolicies, readHealthCheck, readOutlierDetection } from "./cluster_settings.ts";
import { loadBalancerDump, policies, readLoadBalancing } from "./load_balancing.ts";

function assertRefused(read: () => unknown, message: string): void {
  assertEquals(assertThrows(read, ConfigError).message, message);
}

Deno.test("health_check, outlier_detection and circuit_breaker have the defaults of their specification", () => {
  assertEquals(readHealthCheck({}, "h"), { intervalMs: 5000, timeoutMs: 1000, unhealthy: 3, healthy: 2 });
  assertEquals(readOutlierDetection({}, "o"), {
    consecutiveErrors: 5,
    intervalMs: 10_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 10,
    count: new Set(["connect", "reset", "timeout", "error"] as const),
  });
  assertEquals(readCircuitBreaker({}, "c"), {
    maxConnections: 1024,
    maxPending: 1024,
    maxRequests: 1024,
    maxRetries: 3,
  });
});

Deno.test("health_check, outlier_detection and circuit_breaker take what is given: milliseconds, or a time with its unit", () => {
  const health = { type: "tcp", interval: 100, timeout: "50ms", unhealthy: 1, healthy: 4 };
  assertEquals(readHealthCheck(health, "h"), { intervalMs: 100, timeoutMs: 50, unhealthy: 1, healthy: 4 });
  const outlier = { consecutive_errors: 1, interval: "1m", base_ejection_time: 10, count: ["exception"] };
  assertEquals(readOutlierDetection(outlier, "o"), {
    consecutiveErrors: 1,
    intervalMs: 60_000,
    baseEjectionMs: 10,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 10,
    count: new Set(["exception"] as const),
  });
  assertEquals(readCircuitBreaker({ max_retries: 0, max_pending: 7 }, "c"), {
    maxConnections: 1024,
    maxPending: 7,
    maxRequests: 1024,
    maxRetries: 0,
  });
});

Deno.test("settings of a cluster that cannot be are refused with their path and the nearest key", () => {
  const at = "clusters[0].health_check";
  assertRefused(() => readHealthCheck({ intervall: 1 }, at), `${at}.intervall: unknown key; did you mean "interval"?`);
  assertRefused(() => readHealthCheck([], at), `${at}: [] is not an object`);
  assertRefused(() => readHealthCheck({ type: "codec" }, at), `${at}.type: "codec" is not one of tcp`);
  assertRefused(() => readHealthCheck({ interval: 0 }, at), `${at}.interval: 0s out of range 1ms..2147483647ms`);
  assertRefused(() => readHealthCheck({ timeout: "inf" }, at), `${at}.timeout: inf out of range 1ms..2147483647ms`);
  assertRefused(() => readHealthCheck({ unhealthy: 0 }, at), `${at}.unhealthy: 0 out of range 1..`);
  assertRefused(() => readOutlierDetection({ interval: 0 }, "o"), "o.interval: 0s out of range 1ms..");
  assertRefused(
    () => readOutlierDetection({ count: ["conect"] }, "o"),
    `o.count[0]: "conect" is not one of connect, reset, timeout, error, exception`,
  );
  assertRefused(
    () => readOutlierDetection({ max_ejection_percent: 101 }, "o"),
    "o.max_ejection_percent: 101 out of range 0..100",
  );
  assertRefused(
    () => readCircuitBreaker({ max_retry: 1 }, "c"),
    `c.max_retry: unknown key; did you mean "max_retries"?`,
  );
});

Deno.test("unknown keys are tolerated where they must be, at every level", () => {
  assertEquals(readHealthCheck({ color: "red" }, "h", "ignore"), readHealthCheck({}, "h"));
  const document = { policy: "Random", color: "red", sticky: { key: "k", color: "red" } };
  assertEquals(readLoadBalancing(document, "l", { unknown: "ignore" }).sticky?.path, "k");
  assertRefused(
    () => readLoadBalancing({ policy: "Random", sticky: { key: "k", tll: 1 } }, "l"),
    `l.sticky.tll: unknown key; did you mean "ttl"?`,
  );
});

Deno.test("loadbalancer takes every policy, with a key where there is use for one", () => {
  for (const policy of policies) assertEquals(readLoadBalancing({ policy }, "l").policy, policy);
  assertEquals(readLoadBalancing({ policy: "ConsistentHash", key: "IP/src_addr" }, "l"), {
    policy: "HashRing",
    key: "IP/src_addr",
  });
  assertEquals(readLoadBalancing({ policy: "HashRing", key: "<RANDOM>" }, "l"), { policy: "HashRing", key: undefined });
  // The original took it, and looked away.
  assertEquals(readLoadBalancing({ policy: "Trivial", key: "x" }, "l"), { policy: "Trivial" });
  assertRefused(
    () => readLoadBalancing({ policy: "Random", key: "x" }, "l"),
    `l.key: has no effect with Random; did you mean "sticky" or policy "HashRing"?`,
  );
});

Deno.test("loadbalancer refuses unknown policies with the nearest known one", () => {
  assertRefused(() => readLoadBalancing({}, "l"), "l.policy: is missing");
  assertRefused(
    () => readLoadBalancing({ policy: "roundrobbin" }, "l"),
    `l.policy: unknown policy "roundrobbin"; did you mean "RoundRobin"?`,
  );
  assertRefused(
    () => readLoadBalancing({ policy: "Consistent" }, "l"),
    `l.policy: unknown policy "Consistent"; did you mean "ConsistentHash"?`,
  );
  assertRefused(
    () => readLoadBalancing({ policy: "None" }, "l"),
    `l.policy: "None" is for clusters without endpoints; did you mean "Trivial"?`,
  );
  assertRefused(() => readLoadBalancing({ policy: "Random", sticky: {} }, "l"), "l.sticky.key: is missing");
});

Deno.test("loadbalancer.sticky lasts for ever and for 10000 callers unless told otherwise", () => {
  const read = (sticky: LoadBalancerDocument["sticky"]) => readLoadBalancing({ policy: "Random", sticky }, "l").sticky;
  assertEquals(read({ key: "/IP/src_addr" }), { path: "/IP/src_addr", ttlMs: Infinity, maxKeys: 10_000 });
  assertEquals(read({ key: "k", ttl: "10m", max_keys: 5 }), { path: "k", ttlMs: 600_000, maxKeys: 5 });
});

Deno.test("i-21: a dump of a load balancer loads again and dumps the same", () => {
  const tcp = { protocol: "TCP", virtual: false };
  const documents: [LoadBalancerDocument | undefined, LoadBalancerDocument][] = [
    [undefined, { policy: "Trivial" }],
    [{ policy: "Trivial", key: "x" }, { policy: "Trivial" }],
    [{ policy: "HashRing" }, { policy: "HashRing", key: "<RANDOM>" }],
    [{ policy: "ConsistentHash", key: "IP/src_addr" }, { policy: "HashRing", key: "IP/src_addr" }],
    [{ policy: "Random", sticky: { key: "k", ttl: "1m" } }, { policy: "Random", sticky: { key: "k", ttl: "1m" } }],
  ];
  for (const [document, dump] of documents) {
    assertEquals(loadBalancerDump(document, tcp, "l"), dump);
    assertEquals(loadBalancerDump(dump, tcp, "l"), dump);
  }
});

Deno.test("i-21: a virtual cluster shows None or Trivial, and takes that back", () => {
  for (const protocol of ["L7mpController", "Stdio", "Logger", "Sync"]) {
    const cluster = { protocol, virtual: true };
    assertEquals(loadBalancerDump(undefined, cluster, "l"), { policy: "None" });
    assertEquals(loadBalancerDump({ policy: "None" }, cluster, "l"), { policy: "None" });
    assertEquals(loadBalancerDump({ policy: "HashRing", key: "k" }, cluster, "l"), { policy: "None" });
  }
  const echo = { protocol: "Echo", virtual: true };
  assertEquals(loadBalancerDump(undefined, echo, "l"), { policy: "Trivial" });
  assertThrows(() => loadBalancerDump({ policy: "Nonne" }, echo, "l"), ConfigError, "unknown policy");
});

Deno.test("readClusterPolicies() reads all settings, and refuses checks of a cluster without endpoints", () => {
  const object = clusterObject([], { policy: "Random" }, { health_check: { interval: 1 }, circuit_breaker: {} });
  const read = readClusterPolicies(object, "clusters[2]");
  assertEquals([read.loadBalancing.policy, read.healthCheck?.intervalMs, read.circuit?.maxRetries, read.outlier], [
    "Random",
    1,
    3,
    undefined,
  ]);
  assertRefused(
    () => readClusterPolicies({ ...object, virtual: true }, "clusters[2]"),
    "clusters[2].health_check: this cluster has no endpoints to check",
  );
  const bad = clusterObject([], { policy: "Rondom" }, {});
  assertRefused(
    () => readClusterPolicies(bad, "clusters[2]"),
    `clusters[2].loadbalancer.policy: unknown policy "Rondom"; did you mean "Random"?`,
  );
});
