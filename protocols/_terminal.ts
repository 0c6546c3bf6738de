/** Terminal settings of standard input, changed for as long as a stream is open. */
import { ConnectError } from "../lib/errors.ts";

export interface TerminalSettings {
  readonly raw?: boolean;
  readonly rawer?: boolean;
  readonly cfmakeraw?: boolean;
  readonly echo?: boolean;
}

/**
 * Applies `settings` to standard input and returns what undoes it; calling that twice is harmless. Without settings
 * nothing is touched. Throws a `ConnectError` when standard input is no terminal.
 */
export function changeTerminal(settings: TerminalSettings): () => void {
  const raw = settings.raw || settings.rawer || settings.cfmakeraw;
  const quiet = settings.echo === false;
  if (!raw && !quiet && settings.echo === undefined) return () => {};
  if (!Deno.stdin.isTerminal()) {
    const option = raw ? "raw" : "echo";
    const text = `tcgetattr(stdin): Inappropriate ioctl for device; option "${option}" needs a terminal`;
    throw new ConnectError(text, { code: "ENOTTY", retryable: false });
  }
  const before = stty("-g");
  // The runtime's raw mode also silences the echo; only socat's plain `raw` keeps it.
  if (raw) Deno.stdin.setRaw(true);
  const keepsEcho = settings.echo ?? !(settings.rawer || settings.cfmakeraw);
  if (raw && keepsEcho) stty("echo");
  if (!raw) stty(quiet ? "-echo" : "echo");
  let changed = true;
  return () => {
    if (!changed) return;
    changed = false;
    if (raw) Deno.stdin.setRaw(false);
    stty(before);
  };
}

/** Runs `stty` on our standard input and returns what it printed. */
function stty(setting: string): string {
  const { success, stdout, stderr } = new Deno.Command("stty", { args: [setting], stdin: "inherit" }).outputSync();
  const text = new TextDecoder();
  if (!success) {
    throw new ConnectError(`tcsetattr(stdin): ${text.decode(stderr).trim()}`, { code: "ENOTTY", retryable: false });
  }
  return text.decode(stdout).trim();
}
