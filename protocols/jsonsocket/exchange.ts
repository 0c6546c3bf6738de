/** Reading and writing one message on a stream of either kind, with nothing lost of what comes after it. */
import { ConfigError, ConnectError, L7mpError } from "../../lib/errors.ts";
import { afterHandshake, afterHandshakeDatagrams } from "../../lib/stream/peek.ts";
import type { Stream, StreamInfo } from "../../lib/stream/stream.ts";
import { after } from "../../lib/stream/timer.ts";
import { encodeMessage, type JsonObject, MessageScanner, parseDatagram, parseMessage } from "./codec.ts";

/** The stream below after its first message, which it may lend until the next read. */
export interface Received {
  readonly message: JsonObject;
  /** What is left of the stream below, with what came right after the message still to be read, under `info`. */
  stream(info: StreamInfo): Stream;
}

/** Waits for the first message. Throws as the codec does, or a `ConnectError` when the stream ends before. */
export async function receiveMessage(lower: Stream): Promise<Received> {
  if (lower.kind === "byte") {
    const scanner = new MessageScanner();
    for (;;) {
      const chunk = await lower.read();
      if (chunk === null) throw closedEarly();
      const found = scanner.push(chunk);
      if (!found) continue;
      return { message: parseMessage(found.message), stream: (info) => afterHandshake(lower, found.rest, info) };
    }
  }
  const batch = await lower.receive();
  if (batch === null) throw closedEarly();
  const [first, ...rest] = batch;
  return {
    message: parseDatagram(first!.data),
    stream: (info) => afterHandshakeDatagrams(lower, rest, info),
  };
}

function closedEarly(): ConnectError {
  return new ConnectError("connection closed before the header was complete", { code: "CLOSED" });
}

/** Where there are types of messages, it is text. */
const text = { type: "text" } as const;

export async function sendMessage(lower: Stream, message: JsonObject): Promise<void> {
  const data = encodeMessage(message);
  await (lower.kind === "byte" ? lower.write(data) : lower.send([{ data, meta: text }]));
}

/**
 * Runs `work` on `lower`, which is aborted when `signal` is, or when the work takes longer than `limitMs`; then it
 * rejects with the signal's reason, or with a `ConnectError` that says so.
 */
export async function within<T>(
  lower: Stream,
  { signal, limitMs }: { readonly signal: AbortSignal; readonly limitMs: number },
  work: () => Promise<T>,
): Promise<T> {
  const onAbort = () => lower.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const late = new ConnectError(`no complete header within ${limitMs / 1000} s (handshake-timeout)`, {
    code: "ETIMEDOUT",
  });
  const timer = after(limitMs, () => lower.abort(late));
  try {
    signal.throwIfAborted();
    const result = await work();
    signal.throwIfAborted();
    return result;
  } finally {
    timer.stop();
    signal.removeEventListener("abort", onAbort);
  }
}

/** The facts of the stream below, under the name of this one. `transport` is the protocol the addresses belong to. */
export function infoOver({ info }: Stream, name: string, header?: JsonObject): StreamInfo {
  const { local, remote, halfCloses, protocol } = info;
  const facts = { transport: protocol, ...info.facts, ...(header && { jsonsocket: header }) };
  return { protocol: "JSONSocket", name, local, remote, halfCloses, facts };
}

/** A fault of the handshake, as a connection that did not come about; one of our own settings stays what it is. */
export function asConnectError(name: string, error: unknown): unknown {
  if (!(error instanceof L7mpError) || error instanceof ConfigError) return error;
  const again = !(error instanceof ConnectError) || error.retryable;
  return new ConnectError(`${name}: ${error.message}`, { code: error.code, retryable: again, cause: error });
}
