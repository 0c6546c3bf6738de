/** Pseudo-terminals with the settings and the window that options ask for. */
import type { Driver, PseudoTerminal } from "../lib/driver.ts";
import { ConfigError } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import type { WindowSize } from "../lib/stream/stream.ts";
import { setTerminal, terminalOptions, type TerminalSettings } from "./_terminal.ts";

const group = "terminal";

/** Options of everything that makes a pseudo-terminal. */
export const pseudoTerminalOptions = {
  winsize: s.custom("COLUMNSxROWS", readSize, ({ columns, rows }) => `${columns}x${rows}`, {
    group,
    aliases: ["tiocswinsz"],
    help: "Size of the window; default: that of the terminal on the other side, where it is standard input",
    example: "132x43",
  }),
  ...terminalOptions,
};

export interface PseudoTerminalSettings extends TerminalSettings {
  readonly winsize?: WindowSize;
}

function readSize(text: string): WindowSize {
  const [, columns, rows] = /^(\d{1,5})[x:](\d{1,5})$/i.exec(text) ?? [];
  if (columns === undefined || rows === undefined || Number(columns) > 0xffff || Number(rows) > 0xffff) {
    throw new Error(`${JSON.stringify(text)} is not COLUMNSxROWS, such as 80x24`);
  }
  return { columns: Number(columns), rows: Number(rows) };
}

/** Throws a `ConfigError` where there are no pseudo-terminals; `what` wants one, and `instead` may do its job. */
export function needPseudoTerminals(what: string, driver: Driver, instead: string): void {
  if (driver.name === "native") return;
  const advice = Deno.build.os === "linux" ? "leave out --driver=portable" : instead;
  throw new ConfigError(`${what} needs the native driver, which only Linux has; ${advice}`, { code: "UNSUPPORTED" });
}

/** As `Driver.openTerminal`, set as `settings` say; without a window of its own it begins with the caller's. */
export async function openPseudoTerminal(
  settings: PseudoTerminalSettings,
  { driver, downstream }: Pick<Context, "driver" | "downstream">,
  onClose?: () => void,
): Promise<PseudoTerminal> {
  const terminal = await driver.openTerminal(onClose);
  try {
    setTerminal(settings, terminal.path);
    const size = downstream?.windowSize?.();
    if (settings.winsize) terminal.fixWindow(settings.winsize);
    else if (size) terminal.stream.info.resize!(size);
    return terminal;
  } catch (error) {
    terminal.stream.abort(error);
    throw error;
  }
}
