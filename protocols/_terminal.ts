/** Settings of terminals and serial lines, changed for as long as a stream is open. */
import { ConnectError, systemFault } from "../lib/errors.ts";
import * as s from "../lib/schema.ts";

const group = "terminal";
const flag = (help: string) => s.boolean({ group, help });
const count = (help: string) => s.integer({ min: 0, group, help });

/** In the order in which they are carried out: what sets many comes before what sets one. */
export const terminalOptions = {
  sane: flag("All settings as they usually are"),
  raw: flag("Pass every byte on at once, unchanged; restored at the end"),
  rawer: flag("As raw, without echo"),
  cfmakeraw: flag("As raw, as the C library's function does it"),
  echo: flag("echo=0: do not show what is typed"),
  icanon: flag("Input comes in lines that can be edited (icanon=0: key by key)"),
  isig: flag("Ctrl-C and the like are signals"),
  iexten: flag("Further keys with a meaning"),
  icrnl: flag("CR comes in as newline"),
  inlcr: flag("Newline comes in as CR"),
  igncr: flag("CR does not come in"),
  istrip: flag("Bytes come in with seven bits"),
  opost: flag("Output is changed as the settings for it say"),
  onlcr: flag("Newline goes out as CR newline"),
  ixon: flag("Ctrl-S and Ctrl-Q from the other end stop and start output"),
  ixoff: flag("Ctrl-S and Ctrl-Q are sent when input comes too fast"),
  crtscts: flag("The lines RTS and CTS stop and start both ends"),
  clocal: flag("Modem lines mean nothing"),
  hupcl: flag("Hang up with the last close"),
  cs5: flag("Five bits a byte"),
  cs6: flag("Six bits a byte"),
  cs7: flag("Seven bits a byte"),
  cs8: flag("Eight bits a byte"),
  cstopb: flag("Two stop bits"),
  parenb: flag("A parity bit"),
  parodd: flag("Odd parity"),
  ispeed: count("Bits per second, in"),
  ospeed: count("Bits per second, out"),
  min: count("Bytes that a read waits for, with icanon=0"),
  time: count("Tenths of a second that a read waits, with icanon=0"),
  b1200: flag("1200 bits per second"),
  b2400: flag("2400 bits per second"),
  b4800: flag("4800 bits per second"),
  b9600: flag("9600 bits per second"),
  b19200: flag("19200 bits per second"),
  b38400: flag("38400 bits per second"),
  b57600: flag("57600 bits per second"),
  b115200: flag("115200 bits per second"),
  b230400: flag("230400 bits per second"),
  b460800: flag("460800 bits per second"),
  b921600: flag("921600 bits per second"),
};
type Name = keyof typeof terminalOptions;

export type TerminalSettings = { readonly [name in Name]?: boolean | number };

/**
 * Applies `settings` to the terminal at `path`, or to standard input, and returns what undoes it; calling that twice is
 * harmless. Without settings nothing is touched. Throws a `ConnectError` when there is no terminal.
 */
export function changeTerminal(settings: TerminalSettings, path?: string): () => void {
  const [first] = givenOf(settings);
  if (first === undefined) return () => {};
  const { output: before, fault } = stty(["-g"], path);
  if (fault !== undefined) {
    throw failed(`tcgetattr(${shown(path)}): ${fault}; option "${first}" needs a terminal`);
  }
  let changed = true;
  const restore = () => {
    if (changed) stty([before], path);
    changed = false;
  };
  try {
    setTerminal(settings, path);
  } catch (error) {
    restore();
    throw error;
  }
  return restore;
}

/** Applies `settings` to the terminal at `path`, or to standard input, for good. Throws a `ConnectError`. */
export function setTerminal(settings: TerminalSettings, path?: string): void {
  const words = givenOf(settings).flatMap((name) => wordsFor(name, settings[name]!));
  if (words.length === 0) return;
  const { fault } = stty(words, path);
  if (fault !== undefined) throw failed(`tcsetattr(${shown(path)}): ${fault}`);
}

/** The names of what is set, in the order in which it is carried out. */
function givenOf(settings: TerminalSettings): readonly Name[] {
  return (Object.keys(terminalOptions) as Name[]).filter((name) => settings[name] !== undefined);
}

function shown(path: string | undefined): string {
  return path === undefined ? "stdin" : `"${path}"`;
}

/** What an option is to `stty`, whose names are socat's but for a few. */
function wordsFor(name: Name, value: boolean | number): string[] {
  if (typeof value === "number") return [name, String(value)];
  if (/^(b\d+|cs\d|sane|rawer|cfmakeraw)$/.test(name)) {
    if (!value) return [];
    return name.startsWith("b")
      ? [name.slice(1)]
      : name === "rawer" || name === "cfmakeraw"
      ? ["raw", "-echo"]
      : [name];
  }
  return [value ? name : `-${name}`];
}

function failed(text: string): ConnectError {
  return new ConnectError(text, { code: "ENOTTY", retryable: false });
}

/** Runs `stty` for the terminal at `path`, or standard input, and returns what it printed, or what is wrong. */
function stty(words: string[], path: string | undefined): { readonly output: string; readonly fault?: string } {
  const text = new TextDecoder();
  const args = path === undefined ? words : ["-F", path, ...words];
  try {
    const command = new Deno.Command("stty", { args, env: { LC_ALL: "C" }, stdin: "inherit" });
    const { success, stdout, stderr } = command.outputSync();
    // `stty: 'standard input': Inappropriate ioctl for device`
    return success
      ? { output: text.decode(stdout).trim() }
      : { output: "", fault: text.decode(stderr).trim().split("\n")[0]!.split(": ").at(-1) };
  } catch (error) {
    return { output: "", fault: `execvp("stty"): ${systemFault(error).text}` };
  }
}
