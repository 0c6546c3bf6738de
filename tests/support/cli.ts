/** Runs the program inside the test's process, with everything it knows, and collects what it says. */
import type { Host } from "../../lib/cli/host.ts";
import { run } from "../../lib/cli/run.ts";
// A library that a test opens it must close; libc stays open.
import "../../lib/native/driver.ts";
import { loadPlugins } from "../../protocols/load.ts";

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  /** Without time, name and pid. */
  readonly log: string;
}

export async function runHere(
  words: readonly string[],
  environment: Record<string, string> = {},
  input = "",
  syslogPath = "/nowhere",
): Promise<Outcome> {
  let stdout = "";
  let log = "";
  const host: Host = {
    environment: (name) => environment[name],
    print: (text) => void (stdout += text),
    standardError: { write: (text) => void (log += text), reopen() {}, close() {} },
    standardOutput: { write: (text) => void (stdout += text), reopen() {}, close() {} },
    readInput: () => Promise.resolve(input),
    pid: 1,
    hostName: () => "machine",
    syslogPath,
  };
  const status = await run(words, loadPlugins, host);
  return { status, stdout, log: log.replace(/^\d{4}\/\d\d\/\d\d [\d:.]+ \S+\[1\] /gm, "") };
}

/** What `--check` has against a command line; "" when it is accepted. `--help` and the like need no check. */
export async function check(words: readonly string[]): Promise<string> {
  const end = words.indexOf("--");
  const checked = end < 0 ? [...words, "--check"] : [...words.slice(0, end), "--check", ...words.slice(end)];
  const { status, log } = await runHere(checked);
  return status === 0 ? "" : log;
}
