/** Lock files (`-L`, `-W`, `lockfile=`, `waitlock=`): a file with our pid in it, there as long as the lock is held. */
import { ConnectError, systemFault } from "../errors.ts";
import type { Log } from "../log.ts";
import { delegateBytes, delegateDatagrams } from "../stream/delegate.ts";
import type { Stream } from "../stream/stream.ts";
import { sleep } from "../stream/timer.ts";

/** How often a lock that is waited for is looked at. */
const pollMs = 200;

export interface LockOptions {
  /** Wait until nobody holds it, instead of failing. */
  readonly wait: boolean;
  readonly log: Log;
  /** Ends the waiting; the rejection is its reason. */
  readonly signal: AbortSignal;
}

/**
 * Makes the file and returns what removes it again, which may be called twice. A file that is there holds the lock,
 * whoever left it: of one whose maker is gone the message says so. Rejects with a `ConnectError`.
 */
export async function takeLock(path: string, { wait, log, signal }: LockOptions): Promise<() => void> {
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    if (make(path)) return released(path);
    const { text, gone } = holderOf(path);
    if (!wait) throw new ConnectError(`could not obtain lock "${path}"${text}`, { code: "EEXIST", side: "local" });
    if (!told) log[gone ? "warn" : "notice"]("lock.wait", `waiting for lock "${path}"${text}`);
    told = true;
    await sleep(pollMs, signal);
  }
}

/** What `open` opens, with the lock held from before it is opened until it is aborted. */
export async function locked(open: () => Promise<Stream>, path: string, options: LockOptions): Promise<Stream> {
  const unlock = await takeLock(path, options);
  let stream: Stream;
  try {
    stream = await open();
  } catch (error) {
    unlock();
    throw error;
  }
  const { native } = stream;
  const abort = (reason?: unknown) => {
    stream.abort(reason);
    unlock();
  };
  return stream.kind === "byte"
    ? delegateBytes(stream, { native, abort })
    : delegateDatagrams(stream, { native, abort });
}

/** False where it is there already. */
function make(path: string): boolean {
  let call = `open("${path}", O_WRONLY|O_CREAT|O_EXCL)`;
  try {
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o644 });
    call = `write("${path}")`;
    file.writeSync(new TextEncoder().encode(ours()));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    if (call.startsWith("write")) remove(path);
    const { code, text } = systemFault(error);
    throw new ConnectError(`${call}: ${text}`, { code, side: "local", retryable: false, cause: error });
  }
}

/** What removes it, once. Somebody may have removed it, and somebody else made it: theirs stays. */
function released(path: string): () => void {
  let held = true;
  return () => {
    if (held && contentOf(path) === ours()) remove(path);
    held = false;
  };
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Nobody is left to tell at the end.
  }
}

function ours(): string {
  return `${Deno.pid}\n`;
}

function contentOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** What is known of whoever made it; that it is gone only where the system has a list of those who are there. */
function holderOf(path: string): { readonly text: string; readonly gone: boolean } {
  const pid = /^\s*(\d+)\s*$/.exec(contentOf(path))?.[1];
  if (pid === undefined) return { text: "", gone: false };
  const gone = exists("/proc/self") && !exists(`/proc/${pid}`);
  return { text: gone ? `: process ${pid}, which made it, is gone; remove it` : `, held by process ${pid}`, gone };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
