/** The text that Prometheus reads, made by prom-client, which is loaded with the first scrape. */
import type { Metric } from "prom-client";
import type { Family } from "./family.ts";

/** Families of one name are one. Those without samples are left out. */
export async function exposition(
  families: Iterable<Family>,
): Promise<{ readonly text: string; readonly contentType: string }> {
  const { default: client } = await import("prom-client");
  const registry = new client.Registry();
  const names = new Set<string>();
  for (const { samples, ...family } of families) {
    if (samples.length === 0 || names.has(family.name)) continue;
    names.add(family.name);
    const read = { ...family, values: samples, aggregator: "sum" };
    // What it asks of a metric beyond its own classes is not in its types.
    registry.registerMetric({ ...family, get: () => Promise.resolve(read) } as unknown as Metric);
  }
  return { text: await registry.metrics(), contentType: registry.contentType };
}
