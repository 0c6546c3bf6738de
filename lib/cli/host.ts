/** What the program gets from the system beside its arguments. */
import { StreamError, systemFault } from "../errors.ts";
import { type Sink, standardError, standardOutput, writeWhole } from "./log_sink.ts";

export interface Host {
  environment(name: string): string | undefined;
  /** Writes to standard output: help, version, plan. A reader that has gone is no error. */
  print(text: string): void;
  /** For a log that is to go there (`log_file: stdout`). */
  readonly standardOutput: Sink;
  readonly standardError: Sink;
  /** Reads standard input to its end. */
  readInput(): Promise<string>;
  readonly pid: number;
  /** Name of the machine. */
  hostName(): string;
  /** Path of the socket of the system's logger. */
  readonly syslogPath: string;
  /** The name it was started under, where it can be known: `socat` implies `--compat=socat`. */
  readonly startedAs?: string;
}

/** The real one. */
export function systemHost(): Host {
  return {
    environment: (name) => Deno.env.get(name),
    print(text) {
      try {
        writeWhole(Deno.stdout, text);
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) return;
        const { code, text } = systemFault(error);
        throw new StreamError(`write(stdout): ${text}`, { code, side: "local", cause: error });
      }
    },
    standardOutput: standardOutput(),
    standardError: standardError(),
    readInput: () => new Response(Deno.stdin.readable).text(),
    pid: Deno.pid,
    hostName: () => Deno.hostname(),
    syslogPath: "/dev/log",
    startedAs: Deno.build.standalone ? startedAs() : undefined,
  };
}

/** Last part of the name that was typed; known on Linux only. */
function startedAs(): string | undefined {
  try {
    return Deno.readTextFileSync("/proc/self/cmdline").split("\0")[0]?.split("/").at(-1);
  } catch {
    return undefined;
  }
}
