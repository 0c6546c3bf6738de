/** The listening side of HTTP: each request is one byte session, several on a connection one after another. */
import { ProtocolError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { type ByteStream, formatAddress, type StreamInfo } from "../../lib/stream/stream.ts";
import { after } from "../../lib/stream/timer.ts";
import { admit, unavailable } from "./admission.ts";
import { Connection } from "./connection.ts";
import { type Framing, keepsAlive, noBody } from "./framing.ts";
import { afterEmptyLines, listOf, type RequestHead } from "./head.ts";
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
  const { framing } = admission;
  const info: StreamInfo = {
    ...infoOf(lower.info, from, head),
    respond: (answer) => stream.respond(answer),
    ...(asksForUpgrade(head, framing) && { awaitUpgrade: () => stream.awaitUpgrade() }),
  };
  const stream: HttpServerStream = new HttpServerStream(connection, {
    info,
    head,
    framing,
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
  const { method, target, version, headers, lines } = head;
  const facts = { ...below, method, path: target, host: headers["host"], version, headers, lines };
  return { protocol: "HTTP", name: `http from ${from}`, local, remote, halfCloses: true, answer: "written", facts };
}

/**
 * Whether the request asks to go on in another protocol (RFC 9110 section 7.8). Not HTTP/2 itself: its requests would
 * pass unseen by whoever judges those of this connection.
 */
function asksForUpgrade({ version, headers }: RequestHead, framing: Framing): boolean {
  const wanted = listOf(headers["upgrade"]);
  const asks = wanted.length > 0 && listOf(headers["connection"]).includes("upgrade");
  return version === "1.1" && asks && !wanted.includes("h2c") && framing === noBody;
}

/** Waits for the first bytes of another request. `null`: none came. */
async function nextRequest(connection: Connection, timeoutMs: number, signal: AbortSignal): Promise<Incoming | null> {
  const close = () => connection.abort();
  const timer = after(timeoutMs, close);
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    for (;;) {
      const chunk = await connection.read();
      if (chunk === null) break;
      // Empty lines before a request are tolerated (RFC 9112 section 2.2).
      const start = afterEmptyLines(chunk);
      if (start === chunk.length) continue;
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
    timer.stop();
    signal.removeEventListener("abort", close);
  }
  connection.abort();
  return null;
}
