/** Short exchanges that come before a stream can be used: what is said without I/O, and the saying of it. */
import { ConnectError, L7mpError, LimitError, messageOf, ProtocolError } from "../lib/errors.ts";
import type { ByteStream } from "../lib/stream/stream.ts";
import { after } from "../lib/stream/timer.ts";

/** Our part of an exchange: a state machine without streams and clock. */
export interface Dialogue<Result> {
  /** What to send before anything has come; absent: the peer begins. */
  begin?(): Uint8Array;
  /** Gives it the next bytes; it keeps a copy of what it needs. Call `next` until that gives `null`. */
  push(chunk: Uint8Array): void;
  /**
   * What follows from the bytes so far: something to send, or the result and the bytes that came after its last one
   * (memory of its own). `null`: needs more. Throws `ConnectError`, `ProtocolError` or `LimitError`.
   */
  next(): { readonly send: Uint8Array } | { readonly result: Result; readonly rest: Uint8Array } | null;
}

export interface DialogueOptions {
  /** Begins every message: `socks5 p:1080`. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** The whole exchange may take this long. */
  readonly limitMs: number;
  /** What is not there in time or before the end: `answer`. */
  readonly awaited: string;
}

/**
 * Leads `dialogue` to its result over `lower`, which stays the caller's but is aborted on failure. Rejects with an
 * error of ours that begins with the name, or with the signal's reason.
 */
export async function converse<Result>(
  lower: ByteStream,
  dialogue: Dialogue<Result>,
  { name, signal, limitMs, awaited }: DialogueOptions,
): Promise<{ result: Result; rest: Uint8Array }> {
  const onAbort = () => lower.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const late = new ConnectError(`no complete ${awaited} within ${limitMs / 1000} s`, { code: "ETIMEDOUT" });
  const timer = after(limitMs, () => lower.abort(late));
  try {
    signal.throwIfAborted();
    if (dialogue.begin) await lower.write(dialogue.begin());
    for (;;) {
      const chunk = await lower.read();
      if (chunk === null) {
        throw new ConnectError(`connection closed before the ${awaited} was complete`, { code: "CLOSED" });
      }
      dialogue.push(chunk);
      for (let step = dialogue.next(); step !== null; step = dialogue.next()) {
        if ("result" in step) return step;
        await lower.write(step.send);
      }
    }
  } catch (error) {
    lower.abort();
    signal.throwIfAborted();
    throw named(name, error);
  } finally {
    timer.stop();
    signal.removeEventListener("abort", onAbort);
  }
}

/** `error` of the same class with the name in front; a lost connection is one that did not come about. */
function named(name: string, error: unknown): unknown {
  if (!(error instanceof L7mpError)) return error;
  const { code, retryable, cause = error } = error;
  const Kind = error instanceof ProtocolError ? ProtocolError : error instanceof LimitError ? LimitError : ConnectError;
  const again = Kind === ConnectError && !(error instanceof ConnectError) ? true : retryable;
  return new Kind(`${name}: ${messageOf(error)}`, { code, retryable: again, cause });
}
