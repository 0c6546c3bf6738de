/** `-r` and `-R`: raw copies of what sessions transfer, appended to files. */
import fs from "node:fs";
import { ConnectError, systemFault } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Copy } from "../stream/copied.ts";
import { sleep } from "../stream/timer.ts";
import { expandName } from "./file_name.ts";

/** What a pipe takes whole or not at all (PIPE_BUF): the runtime does not tell how much of a larger write it took. */
const pipeBytes = 4096;

/** The longest wait between two looks at whether a pipe takes more. */
const longestPauseMs = 50;

/** The copies that are open. */
export class RawCopies {
  readonly #program: string;
  readonly #open = new Set<RawCopy>();

  constructor(program: string) {
    this.#program = program;
  }

  /**
   * Appends to the file, made where it is missing, whose name may have `variables` and others in it: see `expandName`.
   * Throws a `ConnectError`; a named pipe must have a reader.
   */
  open(name: string, variables: Readonly<Record<string, string>>, log: Log): Copy {
    const path = expandName(name, {
      program: this.#program,
      pid: Deno.pid,
      session: variables,
      environment: (name) => Deno.env.get(name),
    });
    const copy: RawCopy = new RawCopy(path, log, () => this.#open.delete(copy));
    this.#open.add(copy);
    return copy;
  }

  /** Opens every file anew after it was moved away (SIGUSR2). */
  reopen(): void {
    for (const copy of this.#open) copy.reopen();
  }
}

class RawCopy implements Copy {
  readonly #path: string;
  readonly #log: Log;
  readonly #onClose: () => void;
  readonly #closed = new AbortController();
  #file: number | undefined;
  /** Written at a time. */
  #stepBytes = Infinity;

  constructor(path: string, log: Log, onClose: () => void) {
    this.#path = path;
    this.#log = log;
    this.#onClose = onClose;
    try {
      this.#begin();
    } catch (error) {
      const { code, text } = systemFault(error);
      const hint = code === "ENXIO" ? "; nobody reads from this pipe" : "";
      throw new ConnectError(`${callOf(path)}: ${text}${hint}`, {
        code,
        side: "local",
        retryable: false,
        cause: error,
      });
    }
  }

  /** A file takes all at once; a pipe that is full is asked again, so that nothing else waits for its reader. */
  async write(data: Uint8Array): Promise<void> {
    let rest = data;
    for (let pauseMs = 1; rest.length > 0 && this.#file !== undefined;) {
      try {
        rest = rest.subarray(fs.writeSync(this.#file, rest.subarray(0, this.#stepBytes)));
        pauseMs = 1;
      } catch (error) {
        if (systemFault(error).code !== "EAGAIN") return this.#lose(`write("${this.#path}")`, error);
        await sleep(pauseMs, this.#closed.signal).catch(() => {});
        pauseMs = Math.min(2 * pauseMs, longestPauseMs);
      }
    }
  }

  reopen(): void {
    const before = this.#file;
    if (before === undefined) return;
    try {
      this.#begin();
      fs.closeSync(before);
    } catch (error) {
      this.#lose(callOf(this.#path), error);
    }
  }

  close(): void {
    this.#closed.abort();
    if (this.#file !== undefined) fs.closeSync(this.#file);
    this.#file = undefined;
    this.#onClose();
  }

  #begin(): void {
    const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = fs.constants;
    const isPipe = fs.statSync(this.#path, { throwIfNoEntry: false })?.isFIFO() === true;
    this.#file = fs.openSync(this.#path, O_WRONLY | O_CREAT | O_APPEND | (isPipe ? O_NONBLOCK : 0));
    this.#stepBytes = isPipe ? pipeBytes : Infinity;
  }

  /** The copy is lost from here on, the traffic is not. */
  #lose(call: string, error: unknown): void {
    this.#log.error("copy.lost", `${call}: ${systemFault(error).text}; the session's copy ends here`);
    this.close();
  }
}

function callOf(path: string): string {
  return `open("${path}", O_WRONLY|O_CREAT|O_APPEND)`;
}
