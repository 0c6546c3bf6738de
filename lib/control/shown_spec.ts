/** The spec of a cluster as the REST API shows it: as given, but for what the original drops and completes. */
import type { SpecDocument } from "../config/document.ts";

/** Protocols of the original that connect to nobody: it takes a port and an address to bind, and forgets them. */
const localToOriginal: ReadonlySet<string> = new Set([
  "Echo",
  "Stdio",
  "Discard",
  "Logger",
  "JSONEncap",
  "JSONDecap",
  "Sync",
  "Metric",
  "Prometheus",
  "L7mpController",
]);

/** Means the same as `spec`. */
export function shownSpec(spec: SpecDocument): SpecDocument {
  const { protocol, port, bind, ...rest } = spec;
  if (!localToOriginal.has(protocol)) return spec;
  if (protocol === "Logger") {
    const { log_file = "-", log_prefix = "", ...options } = rest;
    return { protocol, log_file, log_prefix, ...options };
  }
  return port === undefined && bind === undefined ? spec : { protocol, ...rest };
}
