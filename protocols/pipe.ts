/** Named pipes, and the unnamed one: an echo inside the process. */
import { L7mpError } from "../lib/errors.ts";
import type { Context, Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { byteEcho } from "../lib/stream/memory.ts";
import type { ByteStream } from "../lib/stream/stream.ts";
import { checkAccounts } from "./_accounts.ts";
import {
  failed,
  inFolder,
  openOptions,
  ownershipOptions,
  removeIfThere,
  setOwnership,
  underUmask,
} from "./_file_options.ts";
import { HandleStream } from "../lib/stream/handle_stream.ts";
import { accessOf, checkAccess, directionOf, openFile } from "./_open_file.ts";

/** Room of the unnamed pipe: as much as the system gives a pipe. */
const pipeBytes = 65_536;
const defaultMode = 0o666;

const pipeSpec = s.object({
  path: s.string({ help: "Path of a named pipe, made if missing; without it an echo inside the process" }),
  ...openOptions,
  ...ownershipOptions,
});
type PipeSpec = s.SpecOf<typeof pipeSpec>;

/** Makes the pipe unless something stands at `path`; tells whether it did. */
function makeMissing(path: string, spec: PipeSpec, { driver }: Context): boolean {
  if (spec.unlink || spec.unlink_early) removeIfThere(path);
  try {
    underUmask(spec.umask, () => driver.mkfifo(path, spec.mode ?? defaultMode));
    return true;
  } catch (error) {
    if (error instanceof L7mpError && error.code === "EEXIST") return false;
    throw error;
  }
}

async function openNamed(name: string, spec: PipeSpec, context: Context): Promise<ByteStream> {
  const path = inFolder(name, spec.chdir);
  const made = makeMissing(path, spec, context);
  const unlink_close = spec.unlink_close ?? made;
  try {
    // Before opening, which may wait for those who are let in by it; mkfifo's mode was cut by the process's umask.
    if (made) setOwnership(path, spec, context.driver);
    const found = await Deno.stat(path);
    if (!found.isFifo) throw failed(`open("${name}")`, new Error("Not a named pipe"));
    const flags = { ...spec, unlink: false, unlink_early: false, unlink_close };
    const handle = await openFile(name, flags, context);
    return new HandleStream(handle, { protocol: "PIPE", name }, directionOf(accessOf(spec, context.direction)));
  } catch (error) {
    if (made) removeIfThere(path);
    if (context.signal.aborted) throw context.signal.reason;
    throw error instanceof L7mpError ? error : failed(`open("${name}")`, error);
  }
}

/**
 * `PIPE:path`: opened both ways it never ends, since we hold its writing side ourselves; opened one way, opening waits
 * for a peer. Removed at the end if we made it. `PIPE` alone gives back what was written, 64 KiB at a time.
 */
export const pipe: Protocol<PipeSpec> = {
  name: "PIPE",
  types: [{
    names: ["PIPE", "FIFO"],
    role: "local",
    parameters: { form: "text", key: "path", label: "path", optional: true },
    help: "A named pipe; without a path an echo",
  }],
  kind: "byte",
  end: "half",
  spec: pipeSpec,
  check: checkAccess,
  prepare: checkAccounts,
  async connect(spec, context) {
    context.signal.throwIfAborted();
    if (spec.path) return await openNamed(spec.path, spec, context);
    return byteEcho({ capacityBytes: pipeBytes, info: { protocol: "PIPE", name: "PIPE" } });
  },
};
