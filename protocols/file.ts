/** Files: `OPEN`, `CREATE`, `GOPEN` and the websocat spellings. */
import { ConfigError, ConnectError } from "../lib/errors.ts";
import type { Context, Direction, Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import type { ByteStream, Stream } from "../lib/stream/stream.ts";
import { checkAccounts } from "./_accounts.ts";
import { inFolder, openOptions, ownershipOptions } from "./_file_options.ts";
import { type Handle, HandleStream } from "../lib/stream/handle_stream.ts";
import { accessOf, checkAccess, directionOf, type FileSpec, openFile } from "./_open_file.ts";
import { changeTerminal, terminalOptions, type TerminalSettings } from "./_terminal.ts";
import { unixClient } from "./unix.ts";

const path = s.string({ help: "Path of the file" });
const fileSpec = s.object({ path, ...openOptions, ...ownershipOptions });
type PathSpec = s.SpecOf<typeof fileSpec>;
const deviceSpec = s.object({ path, ...openOptions, ...ownershipOptions, ...terminalOptions });
type DeviceSpec = s.SpecOf<typeof deviceSpec>;

const parameters = { form: "text", key: "path", label: "path" } as const;

/**
 * Opens `spec.path` as a stream named after it; the settings of a terminal are restored at its end. A UNIX socket cannot
 * be opened: the error says what can.
 */
async function openStream(
  spec: PathSpec & TerminalSettings,
  flags: Partial<FileSpec>,
  protocol: string,
  context: Context,
): Promise<ByteStream> {
  context.signal.throwIfAborted();
  const all = { ...spec, ...flags };
  const name = spec.path!;
  const where = inFolder(name, spec.chdir);
  const info = await stat(where);
  if (info?.isSocket) {
    throw new ConnectError(`open("${name}"): Is a socket; use GOPEN or UNIX-CLIENT`, {
      code: "ENXIO",
      retryable: false,
    });
  }
  const file = await openFile(name, all, context);
  const handle = withTerminal(file, spec, where);
  const stream = new HandleStream(handle, { protocol, name }, directionOf(accessOf(all, context.direction)));
  if (context.signal.aborted) {
    stream.abort();
    throw context.signal.reason;
  }
  return stream;
}

/** Sets the terminal at `path` as `settings` say until `file` is closed. */
function withTerminal(file: Handle, settings: TerminalSettings, path: string): Handle {
  try {
    const restore = changeTerminal(settings, path);
    const close = (clean: boolean) => {
      restore();
      file.close(clean);
    };
    return { ...file, close };
  } catch (error) {
    file.close(false);
    throw error;
  }
}

function checkFile(type: string, spec: PathSpec, use: { readonly direction: Direction }): void {
  if (!spec.path) throw new ConfigError(`${type}: path is missing`);
  checkAccess(spec, use);
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // Whatever is wrong, opening says it better.
    return undefined;
  }
}

/** Opens a file as the options say; reading goes on after the end when the file grew. */
export const open: Protocol<DeviceSpec> = {
  name: "OPEN",
  types: [
    { names: ["OPEN", "FILE"], role: "local", parameters, help: "A file that exists, or with creat a new one" },
    {
      names: ["READFILE"],
      role: "local",
      parameters,
      preset: { rdonly: true },
      help: "A file, for reading",
    },
    {
      names: ["APPENDFILE"],
      role: "local",
      parameters,
      preset: { creat: true, wronly: true, append: true },
      help: "A file to write to at its end",
    },
  ],
  kind: "byte",
  end: "none",
  spec: deviceSpec,
  check: (spec, use) => checkFile("OPEN", spec, use),
  prepare: checkAccounts,
  connect: (spec, context) => openStream(spec, {}, "OPEN", context),
};

/** Creates or empties a file and writes to it. */
export const create: Protocol<PathSpec> = {
  name: "CREATE",
  types: [{
    names: ["CREATE", "CREAT", "WRITEFILE"],
    role: "local",
    parameters,
    direction: "write",
    help: "A new or emptied file to write to",
  }],
  kind: "byte",
  end: "none",
  spec: fileSpec,
  check: (spec, use) => checkFile("CREATE", spec, use),
  prepare: checkAccounts,
  async connect(spec, context) {
    if (context.direction !== "write") {
      throw new ConnectError(`CREATE: "${spec.path}" cannot be used for reading (use -u, or "!!")`, {
        retryable: false,
      });
    }
    return await openStream(spec, { creat: true, wronly: true, trunc: !spec.append }, "CREATE", context);
  },
};

/** Opens whatever stands at the path: a socket is connected to, a file appended to, a missing one created. */
export const gopen: Protocol<DeviceSpec> = {
  name: "GOPEN",
  types: [{
    names: ["GOPEN"],
    role: "local",
    parameters,
    help: "Whatever is at the path: file, pipe, device, UNIX socket; else a new file",
  }],
  kind: "either",
  end: "none",
  spec: deviceSpec,
  check: (spec, use) => checkFile("GOPEN", spec, use),
  prepare: checkAccounts,
  async connect(spec, context): Promise<Stream> {
    const at = inFolder(spec.path!, spec.chdir);
    const found = await stat(at);
    if (found?.isSocket) return await unixClient.connect!(unixClient.spec.parse({ address: at }, "GOPEN"), context);
    const writes = accessOf(spec, context.direction).write;
    if (!found) return await openStream(spec, { creat: spec.creat ?? true }, "GOPEN", context);
    if (found.isFile && writes) {
      return await openStream(spec, { append: spec.append ?? !spec.trunc }, "GOPEN", context);
    }
    return await openStream(spec, {}, "GOPEN", context);
  },
};
