// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertThrows } from "@std/assert";
import { LimitError } from "../errors.ts";
import { Circuit, type CircuitLimits } from "./circuit.ts";

const roomy: CircuitLimits = { maxConnections: 100, maxPending: 100, maxRequests: 100, maxRetries: 100 };

function assertFull(circuit: Circuit, isRetry: boolean, what: string): void {
  const error = assertThrows(() => circuit.claim(isRetry), LimitError, `cluster "c" has ${what}`);
  assertEquals([error.status, error.code], [503, "OVERFLOW"]);
}

Deno.test("Circuit refuses sessions over max_connections until one is over", () => {
  const circuit = new Circuit("c", { ...roomy, maxConnections: 2 });
  const first = circuit.claim(false);
  first.connected();
  circuit.claim(false);
  assertFull(circuit, false, "2 sessions, as many as it may (circuit_breaker.max_connections)");
  first.release();
  first.release();
  circuit.claim(false);
  assertFull(circuit, false, "2 sessions,");
  assertEquals(circuit.counts, { connections: 2, pending: 2, retries: 0, refused: 2 });
});

Deno.test("Circuit refuses sessions over max_pending until one is connected", () => {
  const circuit = new Circuit("c", { ...roomy, maxPending: 1 });
  const first = circuit.claim(false);
  assertFull(circuit, false, "1 sessions connecting, as many as it may (circuit_breaker.max_pending)");
  first.connected();
  first.connected();
  circuit.claim(false);
  assertFull(circuit, false, "1 sessions connecting");
});

Deno.test("Circuit refuses retries over max_retries, and only them", () => {
  const circuit = new Circuit("c", { ...roomy, maxRetries: 1 });
  const first = circuit.claim(true);
  assertFull(circuit, true, "1 sessions connecting again, as many as it may (circuit_breaker.max_retries)");
  circuit.claim(false);
  first.release();
  circuit.claim(true).connected();
  circuit.claim(true);
});

Deno.test("Circuit refuses sessions over max_requests", () => {
  assertFull(
    new Circuit("c", { ...roomy, maxRequests: 0 }),
    false,
    "0 sessions, as many as it may (circuit_breaker.max_r",
  );
});

Deno.test("Circuit without limits only counts; limits given later count sessions from before", () => {
  const circuit = new Circuit("c");
  for (let i = 0; i < 5000; i++) circuit.claim(true);
  circuit.limits = { ...roomy, maxConnections: 5000, maxRequests: 6000 };
  assertFull(circuit, false, "5000 sessions");
  assertEquals(circuit.counts, { connections: 5000, pending: 5000, retries: 5000, refused: 1 });
});
