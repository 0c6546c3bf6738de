/** Standard output belongs to the payload where an address uses it: the log does not go there then. */
import type { AdminDocument, SpecDocument } from "../config/document.ts";
import type { Snapshot } from "./objects.ts";

/** Who uses standard output, where the log was meant to go there: `cluster "stdio"`. */
export function outputUser({ admin, listeners, clusters }: Snapshot): string | undefined {
  if (admin.log_file !== "stdout") return undefined;
  for (const [kind, objects] of [["listener", listeners], ["cluster", clusters]] as const) {
    for (const { name, spec } of objects.values()) if (writesToOutput(spec)) return `${kind} ${JSON.stringify(name)}`;
  }
  return undefined;
}

/** The settings in force: the log keeps away from standard output that is used. */
export function adminInForce(snapshot: Snapshot): AdminDocument {
  const { admin } = snapshot;
  return outputUser(snapshot) === undefined ? admin : { ...admin, log_file: undefined };
}

/** STDIO and STDOUT, whatever lies over them. */
function writesToOutput({ protocol, stream = "stdio", transport, read, write }: SpecDocument): boolean {
  if (protocol === "Stdio") return stream === "stdio" || stream === "stdout";
  return [transport, read, write].some((inner) => inner !== undefined && writesToOutput(inner));
}
