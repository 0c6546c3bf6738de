/** A command line started through a file: what `--plan --show-secrets` prints for it, run with `-c`. */
import { type Arguments, readArguments } from "../../lib/cli/arguments.ts";
import { ConfigError } from "../../lib/errors.ts";

/** The words of a shell that does it with `command`; `file` is where the plan goes. A mere question is asked as it is. */
export function throughFile(command: readonly string[], args: readonly string[], file: string): string[] {
  const given = readOrNothing(args);
  if (given && given.mode !== "run") return [...command, ...args];
  const plan = [...command, "--plan", "--show-secrets", ...args].map(quoted).join(" ");
  const direct = [...command, ...args].map(quoted).join(" ");
  const configured = [...command, ...(given ? processOptions(given) : []), "-c", file].map(quoted).join(" ");
  // What has no plan has nothing to run either: the fault is told as it always is.
  const script = `if ${plan} <&- >${quoted(file)} 2>&-; then exec ${configured}; else exec ${direct}; fi`;
  return ["sh", "-c", script];
}

function readOrNothing(args: readonly string[]): Arguments | undefined {
  try {
    return readArguments(args);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** The options of a command line that are about the process, and of which a plan says nothing. */
function processOptions({ admin, adminAddress, announce, exitClass, ipVersion, log, program }: Arguments): string[] {
  return [
    // The default of a file is that of the original.
    ...(admin.log_level === undefined ? ["-d1"] : []),
    ...(program === "l7mp" ? [] : ["-lp", program]),
    ...(log.microseconds ? ["-lu"] : []),
    ...(ipVersion === 4 ? [] : [`-${ipVersion}`]),
    ...(announce === undefined ? [] : [announce === "-" ? "--announce" : `--announce=${announce}`]),
    ...(exitClass ? ["--exit-class"] : []),
    ...(adminAddress === undefined ? [] : [`--admin=${adminAddress}`]),
  ];
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
