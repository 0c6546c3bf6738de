/** The listening side of HTTP: each request is one byte session, several on a connection one after another. */
import { L7mpError, LimitError, messageOf, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { type ByteStream, formatAddress, type StreamInfo } from "../../lib/stream/stream.ts";
import { admit, faultOf, unavailable } from "./admission.ts";
import { Connection, readHead } from "./connection.ts";
import { keepsAlive } from "./framing.ts";
import { HeadReader, type RequestHead } from "./head.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { HttpServerStream } from "./server_stream.ts";
import type { HttpSpec } from "./spec.ts";

/** A caller has this long to send the head of its request. */
const headMs = 10_000;
const headBytes = 65_536;
const keepaliveMs = 15_000;

/**
 * Reads the next request on `lower`, which it owns. One that is malformed or not for us is answered here and rejects;
 * the others wait for `accept` or `reject` (502, 503, 504).
 */
export async function serveHttp(lower: ByteStream, spec: HttpSpec, context: Context): Promise<Incoming> {
  const connection = lower instanceof Connection ? lower : new Connection(lower);
  const from = lower.info.remote ? formatAddress(lower.info.remote) : lower.info.name;
  const head = await readRequest(connection, from, context);
  const admission = admit(head, spec);
  if ("refusal" in admission) {
    await refuse(connection, admission.refusal);
    const { status, reason } = admission.refusal;
    const message = `http from ${from}: answered ${status} to "${head.method} ${head.target}": ${reason}`;
    throw atLevel("warn", new ProtocolError(message));
  }
  const timeoutMs = spec.keepalive_timeout ?? keepaliveMs;
  const stream = new HttpServerStream(connection, {
    info: infoOf(lower.info, from, head),
    head,
    framing: admission.framing,
    keepAlive: context.followUps === true && timeoutMs > 0 && keepsAlive(head),
    spec,
    context,
  });
  return {
    info: stream.info,
    async accept(signal) {
      if (signal.aborted) connection.abort(signal.reason);
      signal.throwIfAborted();
      await stream.begin();
      return stream;
    },
    reject: (error) => refuse(connection, { ...unavailable(error), bodiless: head.method === "HEAD" }),
    next: (signal) => stream.reusable ? nextRequest(connection, timeoutMs, signal) : Promise.resolve(null),
  };
}

function infoOf({ local, remote, facts: below }: StreamInfo, from: string, head: RequestHead): StreamInfo {
  const { method, target, version, headers } = head;
  const facts = { ...below, method, path: target, host: headers["host"], version, headers };
  return { protocol: "HTTP", name: `http from ${from}`, local, remote, halfCloses: true, answer: "written", facts };
}

async function readRequest(connection: Connection, from: string, { signal }: Context): Promise<RequestHead> {
  const name = `http from ${from}`;
  const onAbort = () => connection.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const reader = new HeadReader(headBytes);
  const said = () => reader.length > 0;
  // Health checks and browsers connect, and leave without a word.
  const level = () => said() ? "warn" : "info";
  let late: L7mpError | undefined;
  const timer = setTimeout(() => {
    const message = `${name}: no complete request within ${headMs / 1000} s`;
    late = atLevel(level(), new LimitError(message, { code: "ETIMEDOUT" }));
    // Reading goes on, so that the answer is not lost in a reset.
    if (said()) refuseWhileReading(connection, { status: 408, reason: "the request took too long" });
    else connection.abort();
  }, headMs);
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
    await refuse(connection, fault);
    const Kind = error instanceof LimitError ? LimitError : ProtocolError;
    const { code } = error as L7mpError;
    throw atLevel("warn", new Kind(`${name}: answered ${fault.status}: ${messageOf(error)}`, { code, cause: error }));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** What a caller does wrong is for the caller to mend. */
function atLevel<E extends L7mpError>(level: L7mpError["level"], error: E): E {
  error.level = level;
  return error;
}

/** As `refuse`, while a read is pending that ends with the connection. */
function refuseWhileReading(connection: Connection, refusal: Refusal): void {
  const never = Promise.reject(new StreamError("another reads"));
  refuse(connection, refusal, never);
}

/** Waits for the first bytes of another request. `null`: none came. */
async function nextRequest(connection: Connection, timeoutMs: number, signal: AbortSignal): Promise<Incoming | null> {
  const close = () => connection.abort();
  const timer = setTimeout(close, timeoutMs);
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    for (;;) {
      const chunk = await connection.read();
      if (chunk === null) break;
      // Empty lines before a request are tolerated (RFC 9112 section 2.2).
      const start = chunk.findIndex((byte) => byte !== 13 && byte !== 10);
      if (start < 0) continue;
      connection.unread(chunk.slice(start));
      return {
        info: connection.info,
        accept: () => Promise.resolve(connection),
        reject: async () => connection.abort(),
      };
    }
  } catch {
    // A connection that is lost between two requests concerns nobody.
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", close);
  }
  connection.abort();
  return null;
}
