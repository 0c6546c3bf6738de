/** A command line started through a file: what `--plan --show-secrets` prints for it, run with `-c`. */
import { readArguments } from "../../lib/cli/arguments.ts";
import { ConfigError } from "../../lib/errors.ts";

/** The words of a shell that does it with `command`; `file` is where the plan goes. */
export function throughFile(command: readonly string[], args: readonly string[], file: string): string[] {
  const plan = [...command, "--plan", "--show-secrets", ...args].map(quoted).join(" ");
  const direct = [...command, ...args].map(quoted).join(" ");
  const configured = [...command, ...processOptions(args), "-c", file].map(quoted).join(" ");
  // What has no plan has nothing to run either: the fault is told as it always is.
  const script = `if ${plan} <&- >${quoted(file)} 2>&-; then exec ${configured}; else exec ${direct}; fi`;
  return ["sh", "-c", script];
}

/** The options of a command line that are about the process, and of which a plan says nothing. */
function processOptions(args: readonly string[]): string[] {
  try {
    const { admin, announce, exitClass, log, program } = readArguments(args);
    return [
      // The default of a file is that of the original.
      ...(admin.log_level === undefined ? ["-d1"] : []),
      ...(program === "l7mp" ? [] : ["-lp", program]),
      ...(log.microseconds ? ["-lu"] : []),
      ...(announce === undefined ? [] : [announce === "-" ? "--announce" : `--announce=${announce}`]),
      ...(exitClass ? ["--exit-class"] : []),
    ];
  } catch (error) {
    if (error instanceof ConfigError) return [];
    throw error;
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
