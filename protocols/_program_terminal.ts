/** Programs on a pseudo-terminal of their own, which is the controlling one of their session. */
import type { Driver, PseudoTerminal } from "../lib/driver.ts";
import { ConfigError } from "../lib/errors.ts";
import * as s from "../lib/schema.ts";
import type { ProgramChannel } from "./_program_pipes.ts";
import { needPseudoTerminals, pseudoTerminalOptions, type PseudoTerminalSettings } from "./_pseudo_terminal.ts";
import type { Child } from "./_spawn.ts";

/** Options of program addresses that are about a terminal. */
export const programTerminalOptions = {
  pty: s.boolean({
    group: "programs",
    aliases: ["openpty", "ptmx"],
    help: "The program runs on a pseudo-terminal, as if somebody sat before it",
  }),
  ctty: s.boolean({
    group: "programs",
    aliases: ["tiocsctty"],
    help: "With pty: it is the controlling terminal of the program; always so",
  }),
  ...pseudoTerminalOptions,
};

export interface ProgramTerminalSettings extends PseudoTerminalSettings {
  readonly pty?: boolean;
  readonly ctty?: boolean;
}

/** Refuses options of a terminal where there is none. Throws a `ConfigError`. */
export function checkTerminalOptions(settings: ProgramTerminalSettings): void {
  if (settings.pty) return;
  const names = Object.keys(pseudoTerminalOptions) as (keyof typeof pseudoTerminalOptions)[];
  const given = names.find((name) => settings[name] !== undefined);
  if (given) throw new ConfigError(`option "${given}" is about a terminal; add "pty" to give the program one`);
}

/** Refuses `pty` where there are no pseudo-terminals. Throws a `ConfigError`. */
export function checkTerminalDriver({ pty }: ProgramTerminalSettings, driver: Driver): void {
  if (!pty) return;
  needPseudoTerminals('option "pty"', driver, "script does it: EXEC-ARG ... -- script -q /dev/null bash -i");
}

/**
 * What makes a shell open the terminal, whose path is its `$0`, before it becomes the program: who begins a session, as
 * our programs do, is controlled by the first terminal it opens. Its standard input is the terminal unless the program
 * is only read from, its standard output unless it is only written to.
 */
export const terminalRedirections = { both: '<>"$0" >&0', read: '1<>"$0"', write: '<>"$0"' } as const;

/** Our side of the terminal of `child`, which ends when neither it nor what it has started has it open any more. */
export class ProgramTerminal implements ProgramChannel {
  readonly #terminal: PseudoTerminal;

  constructor(terminal: PseudoTerminal, { stdout, status }: Child) {
    this.#terminal = terminal;
    const letGo = () => terminal.letGo();
    // A pipe in place of its standard output ends when the shell has opened the terminal and become the program.
    stdout?.pipeTo(new WritableStream()).then(letGo, letGo);
    status.then(letGo);
  }

  read(): Promise<Uint8Array | null> {
    return this.#terminal.stream.read();
  }

  stopReading(): void {}

  write(bytes: Uint8Array): Promise<void> {
    return this.#terminal.stream.write(bytes);
  }

  /** A terminal has no half-close: the program goes on waiting for input. */
  async closeWrite(): Promise<void> {}

  /** Hangs up: the program and what runs in its foreground get SIGHUP. */
  close(clean: boolean): void {
    this.#terminal.stream.abort(clean ? undefined : new Error("hung up"));
  }
}
