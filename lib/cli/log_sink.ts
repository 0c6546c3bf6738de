/**
 * Where log lines, dumps and access logs go: standard error or a file. Writes are synchronous and whole, so lines of
 * different origin never mix and nothing is lost when the program exits.
 */
import { ConfigError, systemFault } from "../errors.ts";
import type { LogEntry } from "../log.ts";

export interface Sink {
  /**
   * Writes all of it before it returns; `entry` where it is one line of the log. Never throws: a log that cannot be
   * written must not end a session.
   */
  write(text: string | Uint8Array, entry?: LogEntry): void;
  /** Opens the file anew after it was moved away (SIGUSR2). */
  reopen(): void;
  close(): void;
}

interface Writer {
  writeSync(bytes: Uint8Array): number;
}

const encoder = new TextEncoder();
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes all of `text`, waiting where a non-blocking pipe or terminal is full, as a blocking one would. Throws what
 * the system says otherwise.
 */
export function writeWhole(writer: Writer, text: string | Uint8Array): void {
  let bytes = typeof text === "string" ? encoder.encode(text) : text;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writer.writeSync(bytes));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}

/** Standard error. What it does not take because nobody reads it any more is lost. */
export function standardError(): Sink {
  return streamSink(Deno.stderr);
}

/** Standard output, as `standardError`. */
export function standardOutput(): Sink {
  return streamSink(Deno.stdout);
}

function streamSink(writer: Writer): Sink {
  return {
    write(text) {
      try {
        writeWhole(writer, text);
      } catch {
        // There is no better place to say it.
      }
    },
    reopen() {},
    close() {},
  };
}

/**
 * Appends to a file, made where it is missing. `onFailure` hears of the first write that fails after each opening.
 * Throws `ConfigError` when the file cannot be opened.
 */
export function fileSink(path: string, onFailure: (message: string) => void): Sink {
  let file: Deno.FsFile | undefined = openForAppending(path);
  let complained = false;
  let closed = false;
  const complain = (error: unknown) => {
    if (!complained) onFailure(`${path}: ${systemFault(error).text}; lines are lost until this is mended`);
    complained = true;
  };
  return {
    write(text) {
      if (!file) return;
      try {
        writeWhole(file, text);
      } catch (error) {
        complain(error);
      }
    },
    reopen() {
      if (closed) return;
      try {
        const fresh = openForAppending(path);
        file?.close();
        file = fresh;
        complained = false;
      } catch (error) {
        complain(error);
      }
    },
    close() {
      closed = true;
      file?.close();
      file = undefined;
    },
  };
}

/** A file, as `fileSink`, or `-` for standard error. */
export function openSink(path: string, standard: Sink, onFailure: (message: string) => void): Sink {
  return path === "-" ? standard : fileSink(path, onFailure);
}

function openForAppending(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, append: true });
  } catch (error) {
    const { text } = systemFault(error);
    throw new ConfigError(`open(${JSON.stringify(path)}, O_WRONLY|O_CREAT|O_APPEND): ${text}`, { cause: error });
  }
}
