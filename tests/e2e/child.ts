/** One running program: its input, everything it printed, its end, and what is expected of all three. */

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, fail } from "@std/assert";
import { concat } from "../../lib/stream/concat.ts";
import { defaultDeadlineMs, eventually, within } from "./wait.ts";

export interface Program {
  readonly name: string;
  readonly command: readonly string[];
}

export interface StartOptions {
  /** Written to standard input, which then ends. Without it and without `openInput`, standard input is empty. */
  readonly input?: string | Uint8Array;
  /** Standard input is a pipe that stays open; see `write` and `endInput`. */
  readonly openInput?: boolean;
  /** Shell redirections, such as `>/dev/full` or `>&-`. */
  readonly redirect?: string;
  /** Words in front of the program, such as `nsenter -t 1 -n`. */
  readonly prefix?: readonly string[];
  readonly env?: Record<string, string>;
  /** The program reads its standard output itself (`stdoutStream`); nothing is collected. */
  readonly rawOutput?: boolean;
  /** Expected exit status: 0 unless said, or 143 for one that the case lets run until its end. */
  readonly code?: number;
  /**
   * Expected lines on standard error. For l7mp exactly these, one line each, in this order; nothing unless said. For
   * others each must match some line. `any` checks nothing.
   */
  readonly stderr?: RegExp | readonly RegExp[] | "any";
}

/** A log line of ours. */
const logLine = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d(\.\d+)? l7mp\[\d+\] [FEWNID] \S/;

export class Child {
  readonly program: Program;
  readonly args: readonly string[];
  readonly #options: StartOptions;
  readonly #process: Deno.ChildProcess;
  readonly #stdout: Uint8Array[] = [];
  readonly #stderr: Uint8Array[] = [];
  readonly #done: Promise<Deno.CommandStatus>;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #status: Deno.CommandStatus | undefined;
  #signalled: Deno.Signal | undefined;
  #checked = false;

  /** `command` is what starts it where that is not the program's own command with `args`. */
  constructor(
    program: Program,
    args: readonly string[],
    options: StartOptions,
    env: Record<string, string>,
    command: readonly string[] = [...program.command, ...args],
  ) {
    this.program = program;
    this.args = args;
    this.#options = options;
    let words = [...(options.prefix ?? []), ...command];
    if (options.redirect !== undefined) words = ["sh", "-c", `exec "$@" ${options.redirect}`, "sh", ...words];
    const piped = options.input !== undefined || options.openInput === true;
    this.#process = new Deno.Command(words[0]!, {
      args: words.slice(1),
      cwd: new URL("../..", import.meta.url),
      env: { ...env, ...options.env },
      stdin: piped ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#done = this.#run(piped);
    // A failure is seen by whoever awaits it later; until then it is not "unhandled".
    this.#done.catch(() => {});
  }

  async #run(piped: boolean): Promise<Deno.CommandStatus> {
    const reading = [this.#collect(this.#process.stderr, this.#stderr)];
    if (!this.#options.rawOutput) reading.push(this.#collect(this.#process.stdout, this.#stdout));
    if (piped) this.#writer = this.#process.stdin.getWriter();
    if (this.#options.input !== undefined) {
      const { input } = this.#options;
      await this.write(input);
      await this.endInput();
    }
    const status = await this.#process.status;
    await this.endInput();
    await Promise.all(reading);
    this.#status = status;
    return status;
  }

  async #collect(stream: ReadableStream<Uint8Array>, into: Uint8Array[]): Promise<void> {
    for await (const chunk of stream) into.push(chunk);
  }

  get pid(): number {
    return this.#process.pid;
  }
  get stdoutBytes(): Uint8Array {
    return concat(this.#stdout);
  }
  get stdout(): string {
    return new TextDecoder().decode(this.stdoutBytes);
  }
  get stderr(): string {
    return new TextDecoder().decode(concat(this.#stderr));
  }
  /** Standard output of a child started with `rawOutput`. The caller reads it to its end or cancels it. */
  get stdoutStream(): ReadableStream<Uint8Array> {
    return this.#process.stdout;
  }
  get running(): boolean {
    return this.#status === undefined;
  }

  /** Resolves when the pipe took it; a program that no longer reads its input is not an error here. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    await this.#writer?.write(bytes).catch(() => {});
  }

  async endInput(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close().catch(() => {});
  }

  kill(signal: Deno.Signal): void {
    if (this.#status !== undefined) return;
    this.#signalled = signal;
    try {
      this.#process.kill(signal);
    } catch (error) {
      // It ended by itself in this moment.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Sends a signal that is not meant to end the program. */
  poke(signal: Deno.Signal): void {
    if (this.#status !== undefined) throw new Error(`it has ended by itself\n${this.describe()}`);
    this.#process.kill(signal);
  }

  /** Waits until it printed text that matches. */
  async prints(expected: string | RegExp, deadlineMs = defaultDeadlineMs): Promise<void> {
    const matches = () => typeof expected === "string" ? this.stdout.includes(expected) : expected.test(this.stdout);
    await eventually(`${expected} on standard output`, matches, { deadlineMs, details: () => this.describe() });
  }

  /** Waits until it logged a line that matches, and returns the match. */
  async logs(expected: RegExp, deadlineMs = defaultDeadlineMs): Promise<RegExpMatchArray> {
    return await eventually(`${expected} on standard error`, () => this.stderr.match(expected), {
      deadlineMs,
      details: () => this.describe(),
    });
  }

  /** Waits for its end and checks status and standard error against what was expected at the start. */
  async end(deadlineMs = defaultDeadlineMs): Promise<this> {
    let status: Deno.CommandStatus;
    try {
      status = await within("end of the program", this.#done, deadlineMs);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.describe()}`);
    }
    this.#checked = true;
    const byUs = this.#signalled;
    if (byUs !== "SIGKILL") {
      const wanted = this.#options.code ?? (byUs ? 128 + signalNumber(byUs) : 0);
      // Started from a file, a program tells the class of its error.
      if (wanted === 1 && this.program.name === "l7mp -c") assert(status.code > 0 && status.code < 7, this.describe());
      else assertEquals(status.code, wanted, this.describe());
    }
    this.#checkStderr(byUs !== undefined && byUs !== "SIGKILL");
    return this;
  }

  #checkStderr(signalled: boolean): void {
    const wanted = this.#options.stderr ?? [];
    if (wanted === "any") return;
    const patterns = wanted instanceof RegExp ? [wanted] : [...wanted];
    const lines = this.#lines();
    if (!this.program.name.startsWith("l7mp")) {
      for (const pattern of patterns) {
        if (!lines.some((line) => pattern.test(line))) fail(`no line matches ${pattern}\n${this.describe()}`);
      }
      return;
    }
    if (signalled) patterns.push(/ W exiting on signal \d+$/);
    assertEquals(lines.length, patterns.length, `unexpected lines on standard error\n${this.describe()}`);
    patterns.forEach((pattern, i) => {
      const line = lines[i]!;
      if (!logLine.test(line) && !line.startsWith("LISTEN ")) fail(`not a log line: ${line}\n${this.describe()}`);
      if (!pattern.test(line)) fail(`"${line}" does not match ${pattern}\n${this.describe()}`);
    });
  }

  /** For the end of a case that succeeded: ends it with SIGTERM if it still runs and checks what was not yet checked. */
  async finish(): Promise<void> {
    if (this.#checked) return;
    if (this.running) {
      await this.#saidAll();
      this.kill("SIGTERM");
    }
    await this.end();
  }

  /** What it is to say it may not have said yet. */
  async #saidAll(): Promise<void> {
    const wanted = this.#options.stderr ?? [];
    if (wanted === "any" || !this.program.name.startsWith("l7mp")) return;
    const count = wanted instanceof RegExp ? 1 : wanted.length;
    await eventually(`${count} lines on standard error`, () => !this.running || this.#lines().length >= count, {
      details: () => this.describe(),
    });
  }

  /** What it has said, without what only a start from a file makes it say. */
  #lines(): string[] {
    const fromFile = this.program.name === "l7mp -c";
    return this.stderr.split("\n").filter((line) =>
      line !== "" && !(fromFile && / W message boundaries are lost; insert /.test(line))
    );
  }

  /** After its end, however that came: makes sure that nothing of it stays open here. */
  async release(): Promise<void> {
    await within("end after SIGKILL", this.#done).catch(() => {});
    if (this.#options.rawOutput) await this.#process.stdout.cancel().catch(() => {});
  }

  describe(): string {
    const state = this.#status === undefined ? "running" : `code ${this.#status.code}`;
    const text = (s: string) => s.length > 4000 ? s.slice(0, 4000) + `... (${s.length} characters)` : s;
    return `--- ${this.program.name} ${this.args.map((a) => JSON.stringify(a)).join(" ")}\n` +
      `    pid ${this.pid}, ${state}\n--- stdout\n${text(this.stdout)}\n--- stderr\n${text(this.stderr)}\n---`;
  }
}

function signalNumber(signal: Deno.Signal): number {
  const numbers: Partial<Record<Deno.Signal, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };
  return numbers[signal] ?? fail(`no number for ${signal}`);
}
