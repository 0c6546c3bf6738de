/** `PTY`: a new pseudo-terminal, for programs that want a terminal or a serial line to talk to. */
import type { PseudoTerminal } from "../lib/driver.ts";
import { ConnectError } from "../lib/errors.ts";
import type { Context, Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import type { ByteStream } from "../lib/stream/stream.ts";
import { sleep } from "../lib/stream/timer.ts";
import { checkAccounts } from "./_accounts.ts";
import { failed, removeIfThere, setOwnership } from "./_file_options.ts";
import { pathFields } from "./_path_options.ts";
import { needPseudoTerminals, openPseudoTerminal, pseudoTerminalOptions } from "./_pseudo_terminal.ts";

const group = "terminal";

const ptySpec = s.object({
  link: s.string({
    group,
    aliases: ["symbolic-link"],
    help: "Path of a symbolic link to the device; removed at the end",
  }),
  wait_slave: s.boolean({
    group,
    aliases: ["waitslave"],
    help: "Wait until somebody opens the device, and end when nobody has it open any more",
  }),
  pty_interval: s.duration({
    group,
    aliases: ["pty-intervall"],
    default: 200,
    help: "With wait-slave: how often to look whether somebody has opened it",
  }),
  mode: pathFields.mode,
  user: pathFields.user,
  group: pathFields.group,
  // Ways to the same thing, of systems that have several.
  openpty: s.boolean({ hidden: true, help: "Always so" }),
  ptmx: s.boolean({ hidden: true, help: "Always so" }),
  ...pseudoTerminalOptions,
});
type PtySpec = s.SpecOf<typeof ptySpec>;

/** Points `link` to `path`; one that is there is replaced, anything else is not. Throws a `ConnectError`. */
function makeLink(link: string, path: string): void {
  const call = `symlink("${path}", "${link}")`;
  const found = statLink(link);
  if (found && !found.isSymlink) {
    throw new ConnectError(`${call}: File exists, and is no link; remove it or choose another name`, {
      code: "EEXIST",
      retryable: false,
    });
  }
  if (found) removeIfThere(link);
  try {
    Deno.symlinkSync(path, link);
  } catch (error) {
    throw failed(call, error);
  }
}

function statLink(link: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(link);
  } catch {
    // Whatever is wrong, making the link says it better.
    return undefined;
  }
}

/** Removes `link` if it still leads to `path`: a later one may have taken its place. Nobody is left to tell. */
function removeLink(link: string, path: string): void {
  try {
    if (Deno.readLinkSync(link) === path) Deno.removeSync(link);
  } catch {
    return;
  }
}

async function openPty(spec: PtySpec, context: Context): Promise<ByteStream> {
  const { driver, log, signal } = context;
  signal.throwIfAborted();
  let linked: PseudoTerminal | undefined;
  const terminal = await openPseudoTerminal(spec, context, () => {
    if (linked) removeLink(spec.link!, linked.path);
  });
  const { path, stream } = terminal;
  try {
    setOwnership(path, spec, driver);
    if (spec.link) {
      makeLink(spec.link, path);
      linked = terminal;
    }
    log.notice("pty.open", `PTY is ${path}`, { path });
    if (spec.wait_slave) {
      terminal.letGo();
      while (!terminal.inUse()) await sleep(spec.pty_interval!, signal);
    }
    signal.throwIfAborted();
    return stream;
  } catch (error) {
    stream.abort(error);
    throw error;
  }
}

/**
 * Without `wait-slave` the stream goes on while programs open and close the device, and ends with the session alone.
 * There is no half-close: the other side's end is for the linger limit to follow.
 */
export const pty: Protocol<PtySpec> = {
  name: "PTY",
  types: [{
    names: ["PTY"],
    role: "local",
    parameters: { form: "none" },
    help: "A new pseudo-terminal; its name is logged (-d -d), and link= gives it one of your choice",
    example: "link=/tmp/ttyV0,rawer",
  }],
  kind: "byte",
  end: "none",
  spec: ptySpec,
  checkDriver(_spec, { driver }) {
    needPseudoTerminals("a pseudo-terminal", driver, `socat stands in where it is installed: exec:'socat - "PTY,..."'`);
  },
  prepare: checkAccounts,
  connect: openPty,
};
