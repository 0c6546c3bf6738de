/** The listening side of HTTP: each request is one byte session, several on a connection one after another. */
import { ProtocolError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { type ByteStream, formatAddress, type StreamInfo } from "../../lib/stream/stream.ts";
import { admit, unavailable } from "./admission.ts";
import { Connection } from "./connection.ts";
import { keepsAlive } from "./framing.ts";
import type { RequestHead } from "./head.ts";
import { refuse } from "./refusal.ts";
import { atLevel, readRequest } from "./request.ts";
import { HttpServerStream } from "./server_stream.ts";
import type { HttpSpec } from "./spec.ts";

const headBytes = 65_536;
const keepaliveMs = 15_000;

/**
 * Reads the next request on `lower`, which it owns. One that is malformed or not for us is answered here and rejects;
 * the others wait for `accept` or `reject` (502, 503, 504).
 */
export async function serveHttp(lower: ByteStream, spec: HttpSpec, context: Context): Promise<Incoming> {
  const connection = lower instanceof Connection ? lower : new Connection(lower);
  const from = lower.info.remote ? formatAddress(lower.info.remote) : lower.info.name;
  const head = await readRequest(connection, {
    name: `http from ${from}`,
    maxBytes: headBytes,
    signal: context.signal,
  });
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
