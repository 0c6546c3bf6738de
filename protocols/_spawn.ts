/** Starts a program in a process group of its own, with pipes to it. */
import { ConnectError, systemFault } from "../lib/errors.ts";
import { underUmask } from "./_file_options.ts";

export interface SpawnOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** What the program sees as its own name; absent: `program`. */
  readonly argv0?: string;
  /** Complete environment when `clearEnv`, else additions. */
  readonly env: Readonly<Record<string, string>>;
  readonly clearEnv: boolean;
  readonly cwd?: string;
  /** File mode creation mask it starts with. */
  readonly umask?: number;
  /** Whether its standard input is ours to write; else it shares our standard input. */
  readonly writes: boolean;
  /** Whether its standard output is ours to read; else it shares our standard output. */
  readonly reads: boolean;
}

export interface Child {
  readonly pid: number;
  readonly stdin?: WritableStream<Uint8Array>;
  readonly stdout?: ReadableStream<Uint8Array>;
  readonly status: Promise<{ readonly code: number; readonly signal: string | null }>;
  /** The process no longer waits for the child. */
  forget(): void;
}

/** Starts the program. Rejects with a `ConnectError` such as `execvp("nosuch"): No such file or directory`. */
export async function spawn(options: SpawnOptions): Promise<Child> {
  try {
    return options.argv0 === undefined ? spawnPlain(options) : await spawnNamed(options, options.argv0);
  } catch (error) {
    const { code, text } = systemFault(error);
    if (options.cwd !== undefined && /No such cwd/.test(text)) {
      throw new ConnectError(`chdir("${options.cwd}"): No such file or directory`, { code, retryable: false });
    }
    throw new ConnectError(`execvp("${options.program}"): ${executeFault(code, text)}`, {
      code,
      retryable: false,
      cause: error,
    });
  }
}

/** The runtime wraps the system's words in its own. */
function executeFault(code: string | undefined, text: string): string {
  if (code === "ENOENT") return "No such file or directory";
  if (code === "EACCES") return "Permission denied";
  const fault = text.replace(/^Failed to spawn '.*': /s, "");
  return code === "EMFILE" ? `${fault}; ulimit -n allows more of them, max-children fewer sessions` : fault;
}

function spawnPlain({ program, args, env, clearEnv, cwd, umask, writes, reads }: SpawnOptions): Child {
  const command = new Deno.Command(program, {
    args: [...args],
    env: { ...env },
    clearEnv,
    cwd,
    stdin: writes ? "piped" : "inherit",
    stdout: reads ? "piped" : "inherit",
    stderr: "inherit",
    // A group of its own, so that ending it ends what it has started.
    detached: true,
  });
  const child = underUmask(umask, () => command.spawn());
  return {
    pid: child.pid,
    stdin: writes ? child.stdin : undefined,
    stdout: reads ? child.stdout : undefined,
    status: child.status.then(({ code, signal }) => ({ code, signal })),
    forget: () => child.unref(),
  };
}

/** Only `node:child_process` can tell a program another name than that of its file. */
async function spawnNamed(options: SpawnOptions, argv0: string): Promise<Child> {
  const { program, args, env, clearEnv, cwd, umask, writes, reads } = options;
  const { spawn } = await import("node:child_process");
  const { Readable, Writable } = await import("node:stream");
  const child = underUmask(umask, () =>
    spawn(program, [...args], {
      argv0,
      env: clearEnv ? { ...env } : { ...Deno.env.toObject(), ...env },
      cwd,
      detached: true,
      stdio: [writes ? "pipe" : "inherit", reads ? "pipe" : "inherit", "inherit"],
    }));
  const status = new Promise<{ code: number; signal: string | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code: code ?? 128, signal }));
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  return {
    pid: child.pid!,
    stdin: child.stdin ? Writable.toWeb(child.stdin) as WritableStream<Uint8Array> : undefined,
    stdout: child.stdout ? Readable.toWeb(child.stdout) as unknown as ReadableStream<Uint8Array> : undefined,
    status,
    forget: () => child.unref(),
  };
}
