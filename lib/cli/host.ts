/** What the program gets from the system beside its arguments. */
import { type Sink, standardError, writeWhole } from "./log_sink.ts";

export interface Host {
  environment(name: string): string | undefined;
  /** Writes to standard output: help, version, plan. A reader that has gone is no error. */
  print(text: string): void;
  readonly standardError: Sink;
  readonly pid: number;
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
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
    standardError: standardError(),
    pid: Deno.pid,
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
