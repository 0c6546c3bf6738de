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

const loggerDefaults = { log_file: "-", log_prefix: "" };

/** Means the same as `spec`. One that is shown as it is comes back itself. */
export function shownSpec(spec: SpecDocument): SpecDocument {
  if (!localToOriginal.has(spec.protocol)) return spec;
  const { port: _, bind: __, ...rest } = spec;
  if (spec.protocol === "Logger") return { ...rest, ...loggerDefaults, ...definedOf(rest) } as SpecDocument;
  return "port" in spec || "bind" in spec ? rest as SpecDocument : spec;
}

function definedOf(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
