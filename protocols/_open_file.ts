/** Opening files with socat's flags, as handles of `HandleStream`. */
import { ConfigError } from "../lib/errors.ts";
import type { Context, Direction } from "../lib/protocol.ts";
import {
  failed,
  inFolder,
  type OpenOptions,
  type OwnershipOptions,
  prepare,
  removeIfThere,
  settle,
  underUmask,
} from "./_file_options.ts";
import type { Handle } from "../lib/stream/handle_stream.ts";
import { sleep } from "../lib/stream/timer.ts";

export type FileSpec = OpenOptions & OwnershipOptions;

/** What is asked of the system, before it is put in words or in the runtime's terms. */
interface Access {
  readonly read: boolean;
  readonly write: boolean;
}

/** The halves that are opened: what the options say, else what `direction` needs. */
export function accessOf(spec: OpenOptions, direction: Direction): Access {
  if (spec.rdwr) return { read: true, write: true };
  if (spec.rdonly) return { read: true, write: false };
  if (spec.wronly) return { read: false, write: true };
  return { read: direction !== "write", write: direction !== "read" };
}

/** The direction a file opened with `access` can be used in. */
export function directionOf({ read, write }: Access): Direction {
  return read && write ? "both" : read ? "read" : "write";
}

/** Only one of rdonly, wronly and rdwr, and one that leaves something to do in `direction`. */
export function checkAccess(spec: OpenOptions, { direction }: { readonly direction: Direction }): void {
  const given = (["rdonly", "wronly", "rdwr"] as const).filter((name) => spec[name]);
  if (given.length > 1) throw new ConfigError(`options ${given.map((g) => `"${g}"`).join(" and ")} exclude each other`);
  if (spec.wronly && direction === "read") throw new ConfigError('option "wronly": this address is only read from');
  if (spec.rdonly && direction === "write") throw new ConfigError('option "rdonly": this address is only written to');
  if (spec.excl && spec.creat === false) throw new ConfigError('option "excl" needs "creat"');
}

/** Who opens: which way, and until when it waits for the peer of a named pipe. */
type Opener = Pick<Context, "direction" | "signal" | "driver">;

/**
 * Opens `path`, carries out the options around it and returns its handle. Rejects with a `ConnectError` such as
 * `open("/x", O_WRONLY|O_CREAT): Permission denied`, or with the signal's reason; nothing stays open then.
 */
export async function openFile(path: string, given: FileSpec, { direction, signal, driver }: Opener): Promise<Handle> {
  const access = accessOf(given, direction);
  // The runtime does not open with O_TRUNC and O_APPEND at once, nor with O_TRUNC for reading only.
  const cutAppending = given.trunc && access.write && given.append;
  const cutReading = given.trunc && !access.write;
  const spec = cutAppending
    ? { ...given, trunc: false, ftruncate: given.ftruncate ?? 0 }
    : { ...given, trunc: given.trunc && !cutReading };
  const where = inFolder(path, spec.chdir);
  prepare(where, spec, driver);
  signal.throwIfAborted();
  const opened = new AbortController();
  const wake = () => void wakeOpen(where, opened.signal);
  signal.addEventListener("abort", wake, { once: true });
  const opening = needsNumericFlags(spec, access) ? openNumeric(where, spec, access) : open(where, spec, access);
  const file = await opening.finally(() => {
    signal.removeEventListener("abort", wake);
    opened.abort();
  });
  if (signal.aborted) {
    file.close();
    throw signal.reason;
  }
  let writer = file;
  // Without a writer such a pipe seems to be at its end: it has not begun.
  let begun = true;
  try {
    if (access.read && (access.write || spec.nonblock)) {
      const { isFile, isFifo } = await Deno.stat(where);
      if (access.write && !isFile) writer = await reopenToWrite(where, spec);
      begun = !isFifo;
    }
    if (cutReading && (await Deno.stat(where)).isFile) await truncate(where);
    await file.place(spec);
    settle(where, spec, driver);
  } catch (error) {
    file.close();
    if (writer !== file) writer.close();
    throw error;
  }
  return {
    read: async (buffer) => {
      const count = await file.read(buffer);
      if (count === null && !begun) throw new Deno.errors.WouldBlock("nobody has opened the pipe for writing yet");
      begun = true;
      return count;
    },
    write: (bytes) => writer.write(bytes),
    close: () => {
      file.close();
      if (writer !== file) writer.close();
      if (spec.unlink_close) removeQuietly(where);
    },
  };
}

async function truncate(path: string): Promise<void> {
  try {
    await Deno.truncate(path);
  } catch (error) {
    throw failed(`truncate("${path}")`, error);
  }
}

/** How often an `open` that is to come back is woken. */
const wakeMs = 5;

/**
 * An `open` that waits for the peer of a named pipe has one for a moment, and comes back; again and again until it has,
 * for it may only be about to wait.
 */
async function wakeOpen(path: string, opened: AbortSignal): Promise<void> {
  try {
    while (Deno.statSync(path).isFifo) {
      Deno.openSync(path, { read: true, write: true }).close();
      await sleep(wakeMs, opened);
    }
  } catch {
    // It has come back; or whatever hinders us: it ends with its peer, or with the program.
  }
}

/**
 * The runtime does one call at a time on an open file: a read that waits for a pipe or a terminal would hold up all
 * writing. So what is not a regular file is opened once more.
 */
function reopenToWrite(path: string, spec: FileSpec): Promise<OpenedFile> {
  const again = { ...spec, creat: false, excl: false, trunc: false };
  const access = { read: false, write: true };
  return needsNumericFlags(again, access) ? openNumeric(path, again, access) : open(path, again, access);
}

/** At the end of a stream nobody is left to tell: a path that cannot be removed stays. */
function removeQuietly(path: string): void {
  try {
    removeIfThere(path);
  } catch {
    return;
  }
}

interface OpenedFile {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
  /** Carries out `seek` and `ftruncate`. */
  place(spec: FileSpec): Promise<void>;
}

const createMode = 0o666;

/** PIPE_BUF of Linux. */
const pipeUnitBytes = 4096;

/** Whether the mask matters: nothing else can run while it is set, so what may have to wait is opened without. */
function masked({ umask, creat }: FileSpec): boolean {
  return umask !== undefined && creat === true;
}

/** The runtime's own `open` has no O_NONBLOCK, O_NOCTTY, O_SYNC, O_DSYNC, and creates only what it may write. */
function needsNumericFlags(spec: OpenOptions, { write }: Access): boolean {
  const { nonblock, noctty, sync, dsync, creat, excl } = spec;
  return !!(nonblock || noctty || sync || dsync || (excl && !creat) || (!write && creat));
}

async function open(path: string, spec: FileSpec, { read, write }: Access): Promise<OpenedFile> {
  const options: Deno.OpenOptions = {
    read,
    write,
    append: write && spec.append,
    truncate: spec.trunc,
    create: spec.creat && !spec.excl,
    createNew: spec.creat && spec.excl,
    ...(spec.creat && { mode: spec.mode ?? createMode }),
  };
  const call = `open("${path}", ${flagNames(spec, { read, write }).join("|")})`;
  let file: Deno.FsFile;
  try {
    file = masked(spec) ? underUmask(spec.umask, () => Deno.openSync(path, options)) : await Deno.open(path, options);
  } catch (error) {
    throw failed(call, error);
  }
  return {
    read: (buffer) => file.read(buffer),
    write: (bytes) => file.write(bytes),
    close: () => file.close(),
    async place({ seek, seek_cur, seek_end, ftruncate }) {
      try {
        if (ftruncate !== undefined) await file.truncate(ftruncate);
        if (seek !== undefined) await file.seek(seek, Deno.SeekMode.Start);
        if (seek_cur !== undefined) await file.seek(seek_cur, Deno.SeekMode.Current);
        if (seek_end !== undefined) await file.seek(seek_end, Deno.SeekMode.End);
      } catch (error) {
        throw failed(`${ftruncate === undefined ? "lseek" : "ftruncate or lseek"}("${path}")`, error);
      }
    },
  };
}

/** `node:fs` takes the flags as they are; it cannot seek, so the offset is kept here. */
async function openNumeric(path: string, spec: FileSpec, access: Access): Promise<OpenedFile> {
  const fs = await import("node:fs");
  const { constants } = fs;
  const names = flagNames(spec, access);
  let flags = 0;
  for (const name of names) flags |= constants[name as keyof typeof constants] as number;
  let fd: number;
  try {
    const mode = spec.mode ?? createMode;
    fd = masked(spec)
      ? underUmask(spec.umask, () => fs.openSync(path, flags, mode))
      : await new Promise<number>((resolve, reject) =>
        fs.open(path, flags, mode, (error, fd) => error ? reject(error) : resolve(fd))
      );
  } catch (error) {
    throw failed(`open("${path}", ${names.join("|")})`, error);
  }
  const unitBytes = spec.nonblock ? unitOf(fs.fstatSync(fd)) : undefined;
  let offset: number | null = null;
  const moved = (count: number) => {
    if (offset !== null) offset += count;
    return count;
  };
  return {
    read: (buffer) =>
      new Promise((resolve, reject) =>
        fs.read(
          fd,
          buffer,
          0,
          buffer.length,
          offset,
          (error, count) => error ? reject(error) : resolve(count === 0 ? null : moved(count)),
        )
      ),
    write: (bytes) =>
      unitBytes !== undefined
        ? writeInUnits(fs.writeSync, fd, bytes, unitBytes)
        : new Promise((resolve, reject) =>
          fs.write(fd, bytes, 0, bytes.length, offset, (error, count) => error ? reject(error) : resolve(moved(count)))
        ),
    close: () => fs.closeSync(fd),
    async place({ seek, seek_cur, seek_end, ftruncate }) {
      try {
        if (ftruncate !== undefined) fs.ftruncateSync(fd, ftruncate);
        if (seek !== undefined) offset = seek;
        if (seek_cur !== undefined) offset = (offset ?? 0) + seek_cur;
        if (seek_end !== undefined) offset = fs.fstatSync(fd).size + seek_end;
      } catch (error) {
        throw failed(`ftruncate("${path}")`, error);
      }
      if (offset !== null && offset < 0) throw failed(`lseek("${path}")`, new Error("Invalid argument"));
    },
  };
}

/** What a file opened with O_NONBLOCK takes whole or not at all; undefined: one that takes everything. */
function unitOf(file: { isFIFO(): boolean; isCharacterDevice(): boolean }): number | undefined {
  return file.isFIFO() ? pipeUnitBytes : file.isCharacterDevice() ? 1 : undefined;
}

/**
 * The runtime writes all of what it is given in as many calls as that takes, and where one of them fails it does not tell
 * how much had gone: so it gets no more than what one call takes.
 */
function writeInUnits(
  writeSync: (fd: number, bytes: Uint8Array, at: number, length: number) => number,
  fd: number,
  bytes: Uint8Array,
  unitBytes: number,
): Promise<number> {
  let written = 0;
  try {
    while (written < bytes.length) {
      written += writeSync(fd, bytes, written, Math.min(unitBytes, bytes.length - written));
    }
  } catch (error) {
    if (written === 0) return Promise.reject(error);
  }
  return Promise.resolve(written);
}

function flagNames(spec: OpenOptions, { read, write }: Access): string[] {
  const names = [read && write ? "O_RDWR" : write ? "O_WRONLY" : "O_RDONLY"];
  const optional = { O_CREAT: "creat", O_EXCL: "excl", O_TRUNC: "trunc", O_APPEND: "append" } as const;
  for (const [flag, option] of Object.entries(optional)) if (spec[option]) names.push(flag);
  const rest = { O_NONBLOCK: "nonblock", O_NOCTTY: "noctty", O_SYNC: "sync", O_DSYNC: "dsync" } as const;
  for (const [flag, option] of Object.entries(rest)) if (spec[option]) names.push(flag);
  return names;
}
