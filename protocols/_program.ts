/** A running program as a byte stream. */
import { ConfigError, ConnectError, StreamError, systemFault } from "../lib/errors.ts";
import type { Context, Direction } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { AbortGate } from "../lib/stream/abort_gate.ts";
import type { ByteStream, StreamInfo } from "../lib/stream/stream.ts";
import { after, sleep, type Timer } from "../lib/stream/timer.ts";
import { inFolder } from "./_file_options.ts";
import { groupRuns, signalGroup } from "./_process_group.ts";
import { programEnvironment } from "./_program_environment.ts";
import { type ProgramChannel, ProgramPipes } from "./_program_pipes.ts";
import { ProgramTerminal, programTerminalOptions, terminalRedirections } from "./_program_terminal.ts";
import { openPseudoTerminal } from "./_pseudo_terminal.ts";
import { type Child, spawn } from "./_spawn.ts";

const group = "programs";

const signalHelp = (name: string) =>
  `${name} goes to the program instead of ending us, in a process that has only this session`;

/** Options of every program address. */
export const programOptions = {
  pipes: s.boolean({ group, help: "Talk to the program through pipes; so unless it has pty" }),
  setsid: s.boolean({ group, aliases: ["sid"], help: "The program begins a session of its own; always so" }),
  setpgid: s.boolean({ group, aliases: ["pgid"], help: "The program is in a process group of its own; always so" }),
  stderr: s.boolean({ group, help: "Standard error of the program goes to its output too" }),
  env: s.list(s.string({ pattern: /^[^=]+=/, expected: "NAME=VALUE" }), {
    group,
    aliases: ["environment", "setenv"],
    help: "Set NAME=VALUE for the program; repeatable",
    example: "TZ=UTC",
  }),
  clear_env: s.boolean({ group, help: "The program inherits no environment" }),
  cwd: s.string({ group, aliases: ["chdir", "cd"], help: "Folder the program starts in" }),
  path: s.string({ group, help: "PATH of the program, also to find it" }),
  argv0: s.string({ group, help: "Name the program sees as its own" }),
  login: s.boolean({ group, aliases: ["dash"], help: "As login shells are started: its name begins with -" }),
  umask: s.mode({ group, help: "File mode creation mask of the program" }),
  sigint: s.boolean({ group, help: signalHelp("SIGINT") }),
  sighup: s.boolean({ group, help: signalHelp("SIGHUP") }),
  sigquit: s.boolean({ group, help: signalHelp("SIGQUIT") }),
  kill_after: s.duration({ group, default: 1000, help: "Grace between TERM and KILL at the end" }),
  end_close: s.boolean({ group: "ends", help: "At the end only close the pipes; let the program run on" }),
  ...programTerminalOptions,
};
const programSchema = s.object(programOptions);
export type ProgramOptions = s.SpecOf<typeof programSchema>;

/** How long a silent grandchild may hold the output of a program that has exited. */
const drainMs = 1000;
/** How long the end of a program's output waits for word of how the program ended: usually there a moment later. */
const outcomeMs = 1000;
/** How long after a program closed its input its exit may be seen. */
const exitMs = 100;
/** When to look again whether what an ended program has started is gone; doubled each time. */
const firstLookMs = 5;
/** Signals by number, for messages; the runtime gives names. */
const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/**
 * Starts `words` and returns the stream to its standard input and from its standard output. Rejects with a
 * `ConnectError` when it cannot be started.
 */
export async function runProgram(
  words: readonly string[],
  options: ProgramOptions,
  protocol: string,
  context: Context,
): Promise<ByteStream> {
  context.signal.throwIfAborted();
  const { direction } = context;
  const [program] = words;
  if (!program) throw new ConfigError(`${protocol}: no program given`);
  const env = { ...programEnvironment(context), ...Object.fromEntries((options.env ?? []).map(splitVariable)) };
  if (options.path !== undefined) env.PATH = options.path;
  const bare = program.slice(program.lastIndexOf("/") + 1);
  const argv0 = options.login ? `-${options.argv0 ?? bare}` : options.argv0;
  const redirected = options.pty || options.stderr;
  if (redirected) needProgram(program, options.path ?? Deno.env.get("PATH") ?? "", options.cwd);
  const terminal = options.pty ? await openPseudoTerminal(options, context) : undefined;
  const redirections = [terminal ? terminalRedirections[direction] : "", options.stderr ? "2>&1" : ""].join(" ");
  let child: Child;
  try {
    child = await spawn({
      ...(redirected
        ? throughShell(words, argv0, redirections, terminal?.path)
        : { program, args: words.slice(1), argv0 }),
      env,
      clearEnv: options.clear_env ?? false,
      cwd: options.cwd,
      umask: options.umask,
      writes: direction !== "read" && !terminal,
      reads: direction !== "write",
    });
  } catch (error) {
    terminal?.stream.abort(error);
    throw error;
  }
  const channel = terminal ? new ProgramTerminal(terminal, child) : new ProgramPipes(child);
  const info = { protocol, name: `${protocol}:${program}`, resize: terminal?.stream.info.resize };
  const stream = new ProgramStream(child, channel, options, info, context);
  if (context.signal.aborted) {
    stream.abort(context.signal.reason);
    throw context.signal.reason;
  }
  context.log.info("program.start", `started ${program} as process ${child.pid}`, { pid: child.pid });
  return stream;
}

/**
 * A shell that redirects, then becomes the program; `path` is its `$0`. One that can give a program another name than
 * its own is needed where there is an `argv0`.
 */
function throughShell(words: readonly string[], argv0: string | undefined, redirections: string, path = "sh") {
  if (argv0 === undefined) {
    return { program: "/bin/sh", args: ["-c", `exec "$@" ${redirections}`, path, ...words] };
  }
  return { program: "bash", args: ["-c", `exec -a "$1" "\${@:2}" ${redirections}`, path, argv0, ...words] };
}

/** What the shell would only tell the peer: throws a `ConnectError` when `program` is nowhere to be found. */
function needProgram(program: string, path: string, folder: string | undefined): void {
  const places = program.includes("/") ? [""] : path.split(":").map((place) => `${place || "."}/`);
  const found = places.some((place) => {
    try {
      return Deno.statSync(inFolder(place + program, folder)).isFile;
    } catch {
      return false;
    }
  });
  if (found) return;
  throw new ConnectError(`execvp("${program}"): No such file or directory`, { code: "ENOENT", retryable: false });
}

function splitVariable(text: string): [string, string] {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}

const passedSignals = { sigint: "SIGINT", sighup: "SIGHUP", sigquit: "SIGQUIT" } as const;

/** Has the program and its group get the signals that `options` name, in our place; returns what undoes it. */
function passSignals(pid: number, options: ProgramOptions, { takeSignal }: Context): (() => void)[] {
  if (!takeSignal) return [];
  const keys = Object.keys(passedSignals) as (keyof typeof passedSignals)[];
  return keys.filter((key) => options[key]).map((key) => {
    const name = passedSignals[key];
    return takeSignal(name, () => signalGroup(pid, name));
  });
}

/**
 * What leads to and from a child. A `read` at the end of its output rejects where a signal ended it. `finished` tells
 * how it ended, also after an `abort` that came later; otherwise an `abort` kills it (TERM, later KILL, to its whole
 * group) unless `end_close`, and `finished` resolves once it and what it has started are gone or killed.
 */
class ProgramStream implements ByteStream {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly #child: Child;
  readonly #channel: ProgramChannel;
  readonly #options: ProgramOptions;
  readonly #direction: Direction;
  #exited = false;
  #inputLost = false;
  #inputClosed: Promise<void> | undefined;
  #outputEnded = false;
  readonly #gate: AbortGate;
  #ending: Promise<void> | undefined;
  /** Called when the child has exited, by a read that is waiting. */
  #onExit: (() => void) | undefined;

  constructor(
    child: Child,
    channel: ProgramChannel,
    options: ProgramOptions,
    info: StreamInfo,
    context: Context,
  ) {
    this.#child = child;
    this.#channel = channel;
    this.#options = options;
    this.#direction = context.direction;
    this.info = info;
    this.#gate = new AbortGate(info.name);
    const passed = passSignals(child.pid, options, context);
    child.status.then(() => {
      this.#exited = true;
      for (const stop of passed) stop();
      this.#onExit?.();
    });
  }

  async read(): Promise<Uint8Array | null> {
    this.#gate.check();
    if (this.#direction === "write" || this.#outputEnded) return null;
    const chunk = await this.#nextChunk();
    if (chunk) return chunk;
    const status = await this.#outcome();
    // What a program leaves that was killed is cut. Any other status it chose itself, when it had said what it wanted.
    if (status?.signal) this.#judge(status);
    this.#outputEnded = true;
    return null;
  }

  /** How the program ended; undefined: it runs on without its output. */
  async #outcome(): Promise<Awaited<Child["status"]> | undefined> {
    const late = Promise.withResolvers<undefined>();
    const timer = after(outcomeMs, () => late.resolve(undefined));
    try {
      return await this.#gate.race(Promise.race([this.#child.status, late.promise]));
    } finally {
      timer.stop();
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#gate.check();
    if (this.#direction === "read" || this.#inputClosed) {
      throw new StreamError(`write(${this.info.name}): Broken pipe`, { code: "EPIPE" });
    }
    if (bytes.length === 0) return;
    try {
      await this.#gate.race(this.#channel.write(bytes));
    } catch (error) {
      this.#gate.check();
      const { code, text } = systemFault(error);
      if (code === "EPIPE" && await this.#justExited()) return;
      throw new StreamError(`write(${this.info.name}): ${text}`, { code, cause: error });
    }
  }

  /**
   * Whether the first write that failed met a program that has ended: a moment earlier the pipe would have taken it
   * and it were lost as silently. How the program ended is for `finished` to say.
   */
  async #justExited(): Promise<boolean> {
    if (this.#inputLost) return false;
    this.#inputLost = true;
    const late = Promise.withResolvers<boolean>();
    const timer = after(exitMs, () => late.resolve(false));
    try {
      return await this.#gate.race(Promise.race([this.#child.status.then(() => true), late.promise]));
    } finally {
      timer.stop();
    }
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    // The program may be gone already, or has closed its input: nothing is lost by that.
    await (this.#inputClosed ??= this.#channel.closeWrite().catch(() => {}));
  }

  abort(reason?: unknown): void {
    if (!this.#gate.abort(reason)) return;
    this.#channel.close(reason === undefined);
    this.#ending = this.#end();
    this.#ending.catch(() => {});
  }

  async finished(): Promise<void> {
    if (this.#ending) return await this.#ending;
    const status = await this.#gate.race(this.#child.status).catch((reason) => {
      if (!this.#ending) throw reason;
    });
    if (!status) return await this.#ending;
    this.#judge(status);
  }

  /** Throws where the program has failed. */
  #judge({ code, signal }: Awaited<Child["status"]>): void {
    if (code === 0 && !signal) return;
    const how = signal ? `on signal ${signalNumbers[signal] ?? code - 128}` : `with status ${code}`;
    throw new StreamError(`child ${this.#child.pid} exited ${how}`, { code: "CHILD" });
  }

  /** The next output; null at its end, or when the child has exited and nothing came for `drainMs`. */
  async #nextChunk(): Promise<Uint8Array | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | null>();
    let timer: Timer | undefined;
    const startTimer = () => timer = after(drainMs, () => resolve(null));
    this.#channel.read().then(resolve, reject);
    if (this.#exited) startTimer();
    else this.#onExit = startTimer;
    try {
      const chunk = await this.#gate.race(promise);
      if (!chunk) this.#channel.stopReading();
      return chunk;
    } catch (error) {
      this.#gate.check();
      const { code, text } = systemFault(error);
      throw new StreamError(`read(${this.info.name}): ${text}`, { code, cause: error });
    } finally {
      this.#onExit = undefined;
      timer?.stop();
    }
  }

  async #end(): Promise<void> {
    if (this.#options.end_close) return this.#child.forget();
    if (this.#exited) return this.#judge(await this.#child.status);
    const group = this.#child.pid;
    signalGroup(group, "SIGTERM");
    const killed = new AbortController();
    const timer = after(this.#options.kill_after ?? 1000, () => {
      signalGroup(group, "SIGKILL");
      killed.abort();
    });
    await this.#child.status;
    // Nothing tells when what the program has started is gone.
    for (let ms = firstLookMs; !killed.signal.aborted && groupRuns(group); ms *= 2) {
      await sleep(ms, killed.signal).catch(() => {});
    }
    timer.stop();
  }
}
