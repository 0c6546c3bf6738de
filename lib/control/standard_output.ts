/** Standard output belongs to the payload where an address uses it: the log cannot go there too. */
import type { SpecDocument } from "../config/document.ts";
import { ConfigError } from "../errors.ts";
import type { Snapshot } from "./objects.ts";

/** Throws `ConfigError`. */
export function checkStandardOutput({ admin, listeners, clusters }: Snapshot): void {
  if (admin.log_file !== "stdout") return;
  for (const [kind, objects] of [["listener", listeners], ["cluster", clusters]] as const) {
    for (const { name, spec } of objects.values()) {
      if (!writesToOutput(spec)) continue;
      const user = `${kind} ${JSON.stringify(name)}`;
      throw new ConfigError(`admin.log_file: standard output is used by ${user}; give a file, or stderr`);
    }
  }
}

/** STDIO and STDOUT, whatever lies over them. */
function writesToOutput({ protocol, stream = "stdio", transport, read, write }: SpecDocument): boolean {
  if (protocol === "Stdio") return stream === "stdio" || stream === "stdout";
  return [transport, read, write].some((inner) => inner !== undefined && writesToOutput(inner));
}
