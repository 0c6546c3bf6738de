/** Programs: `EXEC` without a shell, `SYSTEM` and `SHELL` with one, and the forms that take words after `--`. */
import { ConfigError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { programOptions, runProgram } from "./_program.ts";
import { checkTerminalDriver, checkTerminalOptions } from "./_program_terminal.ts";
import { splitWords } from "./_words.ts";

const execSpec = s.object({
  command: s.string({ help: "The program and its arguments, separated by spaces" }),
  arguments: s.list(s.string(), { help: "The program and its arguments, one each" }),
  ...programOptions,
});
type ExecSpec = s.SpecOf<typeof execSpec>;

function wordsOf({ command, arguments: words }: ExecSpec): readonly string[] {
  const all = words ?? splitWords(command ?? "");
  if (all.length === 0 || all[0] === "") throw new ConfigError("EXEC: no program given: usage EXEC:<command line>");
  return all;
}

/** Runs a program found in `PATH`. It sees the path it was found at as its name, unless `argv0` says otherwise. */
export const exec: Protocol<ExecSpec> = {
  name: "EXEC",
  types: [
    {
      names: ["EXEC"],
      role: "local",
      parameters: { form: "text", key: "command", label: "command line" },
      help:
        "A program, without a shell; its environment tells who called: L7MP_PEERADDR, L7MP_PEERPORT, L7MP_SESSION and others",
    },
    {
      names: ["EXEC-ARG"],
      role: "local",
      parameters: { form: "words", key: "arguments" },
      help: "A program and its arguments, after --",
    },
  ],
  kind: "byte",
  end: "half",
  spec: execSpec,
  check(spec) {
    wordsOf(spec);
    checkTerminalOptions(spec);
  },
  checkDriver: (spec, { driver }) => checkTerminalDriver(spec, driver),
  connect: (spec, context) => runProgram(wordsOf(spec), spec, "EXEC", context),
};

const shellSpec = s.object({
  command: s.string({ help: "The text for the shell" }),
  arguments: s.list(s.string(), { help: "The text for the shell, in words that are joined by spaces" }),
  ...programOptions,
});
type ShellSpec = s.SpecOf<typeof shellSpec>;

/** Runs its text with `/bin/sh -c`. */
export const system: Protocol<ShellSpec> = {
  name: "SYSTEM",
  types: [{
    names: ["SYSTEM", "CMD"],
    role: "local",
    parameters: { form: "text", key: "command", label: "shell text" },
    help: "A text for /bin/sh",
  }],
  kind: "byte",
  end: "half",
  spec: shellSpec,
  check(spec) {
    if (!spec.command) throw new ConfigError("SYSTEM: no command given: usage SYSTEM:<shell text>");
    checkTerminalOptions(spec);
  },
  checkDriver: (spec, { driver }) => checkTerminalDriver(spec, driver),
  connect: (spec, context) => runProgram(["/bin/sh", "-c", spec.command!], spec, "SYSTEM", context),
};

/** Runs its text with `$SHELL -c`; without a text the shell reads its commands from the stream. */
export const shell: Protocol<ShellSpec> = {
  name: "SHELL",
  types: [
    {
      names: ["SHELL", "SH-C"],
      role: "local",
      parameters: { form: "text", key: "command", label: "shell text", optional: true },
      help: "A text for $SHELL, or the shell itself",
    },
    {
      names: ["SHELL-ARG"],
      role: "local",
      parameters: { form: "words", key: "arguments" },
      help: "A text for $SHELL, after --",
    },
  ],
  kind: "byte",
  end: "half",
  spec: shellSpec,
  check: checkTerminalOptions,
  checkDriver: (spec, { driver }) => checkTerminalDriver(spec, driver),
  connect(spec, context) {
    const program = Deno.env.get("SHELL") ?? "/bin/sh";
    const text = spec.arguments?.join(" ") ?? spec.command;
    return runProgram(text ? [program, "-c", text] : [program], spec, "SHELL", context);
  },
};
