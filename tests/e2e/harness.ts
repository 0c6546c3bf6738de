/**
 * Acceptance cases: the real command, started as a user would, judged by what it prints, its exit status and what it
 * leaves behind. A case is declared once and runs for each program it applies to: always l7mp, and socat where the
 * same words mean the same to it, so that the expectation itself is checked.
 */

import { Child, type Program, type StartOptions } from "./child.ts";
import { throughFile } from "./through_file.ts";
import { type Bound, delay, eventually, isBound } from "./wait.ts";
// @ts-types="../deno_std.d.ts"
import { assertRejects } from "@std/assert";

const mainPath = `${import.meta.dirname}/../../main.ts`;

/** The program under test: this tree, or the command that the environment variable `L7MP` names (a compiled one). */
export const l7mp: Program = {
  name: "l7mp",
  command: Deno.env.has("L7MP") ? [Deno.env.get("L7MP")!] : [Deno.execPath(), "run", "-A", mainPath],
};
/** The same from this tree, able to tell what memory it really holds: see `heldMemory`. */
export const measuredL7mp: Program = {
  name: "l7mp",
  command: [
    Deno.execPath(),
    "run",
    "-A",
    "--v8-flags=--expose-gc,--max-semi-space-size=4",
    `--preload=${import.meta.dirname}/collect_garbage.ts`,
    mainPath,
  ],
};
/** The same, with every command line written to a file and started from there. */
const l7mpFromFile: Program = { name: "l7mp -c", command: l7mp.command };
export const socat: Program = { name: "socat", command: ["socat"] };

/**
 * Seconds that nobody waits for in vain: longer than the deadline of any case. As a linger it is one that no machine is too
 * slow for, and that no session needs by mistake.
 */
export const patience = "300";

function isL7mp(program: Program): boolean {
  return program.name === l7mp.name || program.name === l7mpFromFile.name;
}

/** The version an installed program prints, or undefined where it is absent. */
export function versionOf(command: string, args: readonly string[], pattern: RegExp): string | undefined {
  try {
    const { stdout, stderr } = new Deno.Command(command, { args: [...args], stdin: "null" }).outputSync();
    return new TextDecoder().decode(stdout).concat(new TextDecoder().decode(stderr)).match(pattern)?.[1];
  } catch {
    return undefined;
  }
}

const socatVersion = versionOf("socat", ["-V"], /socat version (\S+)/);

export interface CaseOptions {
  /** Whether the same words run with socat: any version, or only 1.8 and later. */
  readonly socat?: "any" | "1.8";
  /** Reason why an example of the specification does not run from a file as well. */
  readonly notFromFile?: string;
  /** Reason why this case cannot run here; it is then shown as ignored, with the reason in its name. */
  readonly skip?: string | undefined;
}

/**
 * Declares an acceptance case under the names `<name> l7mp`, for the specification's examples `<name> l7mp -c`, and
 * where asked `<name> socat`.
 */
export function acceptance(
  name: string,
  title: string,
  body: (run: Run) => Promise<void>,
  options: CaseOptions = {},
): void {
  declare(`${name} l7mp: ${title}`, l7mp, body, options.skip);
  if (/^E\d/.test(name)) {
    declare(`${name} l7mp -c: ${title}`, l7mpFromFile, body, options.skip ?? options.notFromFile);
  }
  if (options.socat === undefined) return;
  let skip = options.skip;
  if (socatVersion === undefined) skip ??= "socat is not installed";
  else if (options.socat === "1.8" && /^1\.[0-7]\./.test(socatVersion)) skip ??= `needs 1.8, here is ${socatVersion}`;
  declare(`${name} socat: ${title}`, socat, body, skip);
}

function declare(name: string, program: Program, body: (run: Run) => Promise<void>, skip?: string): void {
  Deno.test({
    name: skip === undefined ? name : `${name} (skipped: ${skip})`,
    ignore: skip !== undefined,
    fn: async () => {
      await using run = await Run.begin(program);
      await body(run);
      await run.finish();
    },
  });
}

/** One case in progress: owns its programs, peers, ports and temporary directory. */
export class Run implements AsyncDisposable {
  readonly program: Program;
  readonly dir: string;
  readonly #mark = crypto.randomUUID();
  readonly #children: Child[] = [];
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  /** What l7mp bound in this case. */
  readonly #bound: Bound[] = [];

  private constructor(program: Program, dir: string) {
    this.program = program;
    this.dir = dir;
  }

  static async begin(program: Program): Promise<Run> {
    return new Run(program, await Deno.makeTempDir({ prefix: "l7mp-e2e-" }));
  }

  get isL7mp(): boolean {
    return isL7mp(this.program);
  }

  path(name: string): string {
    return `${this.dir}/${name}`;
  }

  /** Runs at the end of the case, last registered first. */
  defer(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  /**
   * A free port that this case has to itself: an abstract socket name claims it until the case ends. It is claimed before
   * it is tried, so that nobody tries one that another case is about to bind.
   */
  port(): number {
    while (true) {
      const port = anyPort();
      const claim = claimOf(port);
      if (claim && isFree(port)) {
        this.defer(() => claim.close());
        return port;
      }
      claim?.close();
    }
  }

  /**
   * Starts the program of this case, or another. Expectations in `options` are checked at its end. Where its input ends by
   * itself, so that an answer must come within the linger, there is no such hurry: see `patience`.
   */
  spawn(args: readonly string[], options: StartOptions & { program?: Program } = {}): Child {
    const program = options.program ?? this.program;
    if (options.openInput) return this.#start(args, options);
    if (program.name === socat.name) return this.#start(["-t", patience, ...args], options);
    const words = `${Deno.env.get("L7MP_OPTS") ?? ""} -t ${patience}`;
    return this.#start(args, { ...options, env: { L7MP_OPTS: words, ...options.env } });
  }

  #start(args: readonly string[], options: StartOptions & { program?: Program }): Child {
    const program = options.program ?? this.program;
    const env = { L7MP_E2E_MARK: this.#markOf(program) };
    const child = this.program === l7mpFromFile && isL7mp(program)
      ? new Child(l7mpFromFile, args, options, env, throughFile(program.command, args, this.#planFile()))
      : new Child(program, args, options, env);
    this.#children.push(child);
    return child;
  }

  /** A name for the plan of one more program. */
  #planFile(): string {
    return this.path(`plan-${this.#children.length}.yaml`);
  }

  /** Starts a program and waits until it bound what the case is going to use. */
  async serve(args: readonly string[], bound: Bound, options: StartOptions & { program?: Program } = {}) {
    const child = this.#start(args, options);
    const where = JSON.stringify(bound);
    if (isL7mp(child.program)) this.#bound.push(bound);
    await eventually(`${child.program.name} to bind ${where}`, async () => {
      if (!child.running) throw new Error(`ended before it bound ${where}\n${child.describe()}`);
      return await isBound(bound, child.pid);
    }, { details: () => child.describe() });
    return child;
  }

  /** Starts a program, waits for its end, checks status and standard error, and gives what it printed. */
  async out(args: readonly string[], options: StartOptions & { program?: Program } = {}): Promise<string> {
    return (await this.spawn(args, options).end()).stdout;
  }

  /** Ends and checks all programs, and that l7mp left no process, port or socket file behind. */
  async finish(): Promise<void> {
    for (const child of this.#children.toReversed()) {
      // Only l7mp must end at SIGTERM and take all that it started with it: a busy socat does not.
      if (isL7mp(child.program) || !child.running) await child.finish();
    }
    if (!this.isL7mp) return;
    await eventually("end of all processes that l7mp started", async () => (await this.#marked(l7mp)).length === 0);
    for (const bound of this.#bound) {
      await eventually(`release of ${JSON.stringify(bound)}`, async () => !(await isBound(bound)));
      const path = "unix" in bound ? bound.unix : "unixDatagram" in bound ? bound.unixDatagram : undefined;
      if (path?.startsWith("/")) await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
    }
  }

  #markOf(program: Program): string {
    return `${this.#mark}:${isL7mp(program) ? l7mp.name : program.name}`;
  }

  /** The processes of this case that a program is, or that it started: they inherit its mark. */
  async #marked(program?: Program): Promise<number[]> {
    const mark = `L7MP_E2E_MARK=${program ? this.#markOf(program) : this.#mark}`;
    const found: number[] = [];
    for await (const entry of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(entry.name)) continue;
      const environment = await Deno.readTextFile(`/proc/${entry.name}/environ`).catch(() => "");
      if (environment.includes(mark)) found.push(Number(entry.name));
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    for (const pid of await this.#marked()) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It ended in this moment.
      }
    }
    for (const child of this.#children) await child.release();
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** A port below the range from which the kernel takes ports for connections by itself: none of those has it. */
function anyPort(): number {
  return 10_000 + Math.floor(Math.random() * 22_000);
}

/** Makes `port` one's own among cases; undefined: another has it. */
function claimOf(port: number): Deno.Listener | undefined {
  try {
    return Deno.listen({ transport: "unix", path: `\0l7mp-e2e-port-${port}` });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}

/**
 * Whether `port` is free for TCP and UDP, and no connection that ended lately had it: socat without `reuseaddr` could not
 * bind it. It is not bound to find out: a process that is started in that moment would hold it until it has begun.
 */
function isFree(port: number): boolean {
  const tables = ["tcp", "tcp6", "udp", "udp6"].map((name) => Deno.readTextFileSync(`/proc/net/${name}`));
  return !tables.join("").includes(`:${port.toString(16).toUpperCase().padStart(4, "0")} `);
}

/** A free port for a program that runs by itself. */
export function freePort(): number {
  for (let port = anyPort();; port = anyPort()) if (isFree(port)) return port;
}

/** Starts l7mp so that `heldMemory` can ask it. */
export function serveMeasured(run: Run, args: readonly string[], bound: Bound): Promise<Child> {
  const env = { L7MP_E2E_MEMORY: run.path("memory") };
  return run.serve(args, bound, { program: measuredL7mp, env, stderr: "any" });
}

/** What a program started by `serveMeasured` holds after it collected all garbage, in bytes. */
export async function heldMemory(run: Run, child: Child): Promise<Deno.MemoryUsage> {
  const path = `${run.path("memory")}.${child.pid}`;
  child.poke("SIGIO");
  const text = await eventually("the memory report", () => Deno.readTextFile(path).catch(() => ""));
  await Deno.remove(path);
  return JSON.parse(text);
}

/** Asserts that `probe` stays false for `ms`; only for "nothing happens", which cannot be observed otherwise. */
export async function stays(what: string, ms: number, probe: () => boolean): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    if (probe()) throw new Error(`must not happen: ${what}`);
    await delay(20);
  }
}

export { type Bound, type Child, eventually, type Program };
