/** Reads the request of a caller who may be slow, malicious or gone. */
import { L7mpError, LimitError, messageOf, ProtocolError, StreamError } from "../../lib/errors.ts";
import { faultOf } from "./admission.ts";
import { type Connection, readHead } from "./connection.ts";
import { HeadReader, type RequestHead } from "./head.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { after } from "../../lib/stream/timer.ts";

/** A caller has this long to send the head of its request. */
const headMs = 10_000;

export interface RequestOptions {
  /** Begins every message: `http from AF=2 10.0.0.1:4711`. */
  readonly name: string;
  /** Bound of the head. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** Faults are answered with a line of text, not JSON. */
  readonly plain?: boolean;
}

/**
 * Reads the head of the next request; what comes after it is unread. A caller that sends something else, too much or too
 * slowly is told so, and the connection closed, before it rejects.
 */
export async function readRequest(
  connection: Connection,
  { name, maxBytes, signal, plain }: RequestOptions,
): Promise<RequestHead> {
  const onAbort = () => connection.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const reader = new HeadReader(maxBytes);
  const said = () => reader.length > 0;
  // Health checks and browsers connect, and leave without a word.
  const level = () => said() ? "warn" : "info";
  let late: L7mpError | undefined;
  const timer = after(headMs, () => {
    const message = `${name}: no complete request within ${headMs / 1000} s`;
    late = atLevel(level(), new LimitError(message, { code: "ETIMEDOUT" }));
    // Reading goes on, so that the answer is not lost in a reset.
    if (said()) refuseWhileReading(connection, { status: 408, reason: "the request took too long", plain });
    else connection.abort();
  });
  try {
    signal.throwIfAborted();
    const head = await readHead(connection, reader);
    if (late) throw late;
    if (head) return head;
    throw atLevel(level(), new StreamError(`${name}: closed before its request was complete`, { code: "CUT" }));
  } catch (error) {
    if (late) throw late;
    const fault = faultOf(error);
    if (!fault) {
      connection.abort();
      signal.throwIfAborted();
      throw error instanceof L7mpError ? atLevel(level(), error) : error;
    }
    await refuse(connection, { ...fault, plain });
    const Kind = error instanceof LimitError ? LimitError : ProtocolError;
    const { code } = error as L7mpError;
    throw atLevel("warn", new Kind(`${name}: answered ${fault.status}: ${messageOf(error)}`, { code, cause: error }));
  } finally {
    timer.stop();
    signal.removeEventListener("abort", onAbort);
  }
}

/** What a caller does wrong is for the caller to mend. */
export function atLevel<E extends L7mpError>(level: L7mpError["level"], error: E): E {
  error.level = level;
  return error;
}

/** As `refuse`, while a read is pending that ends with the connection. */
function refuseWhileReading(connection: Connection, refusal: Refusal): void {
  const never = Promise.reject(new StreamError("another reads"));
  refuse(connection, refusal, never);
}
