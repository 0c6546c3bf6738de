/** The listening side of a WebSocket: the opening handshake of RFC 6455 section 4.2. */
import { ConnectError, L7mpError, LimitError, ProtocolError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { toDuplex } from "../../lib/stream/duplex.ts";
import { type ByteStream, type DatagramStream, formatAddress, type StreamInfo } from "../../lib/stream/stream.ts";
import { HeadReader, type RequestHead } from "../http/head.ts";
import { loadWs, type WsSocket } from "./_library.ts";
import { infoOver, wsOptions } from "./client.ts";
import { judge, type Refusal, writeRefusal } from "./refusal.ts";
import { commaList, type WsSpec } from "./spec.ts";
import { WebSocketStream } from "./stream.ts";

/** A caller has this long to send its request. */
const headMs = 10_000;
const headBytes = 16_384;

/**
 * Reads the request on `lower`, which it owns. A request that is no WebSocket handshake, or not for us, is answered
 * here and rejects with `ProtocolError`; the others wait for `accept` (101) or `reject` (502).
 */
export async function serveWebSocket(lower: ByteStream, spec: WsSpec, context: Context): Promise<Incoming> {
  const from = lower.info.remote ? formatAddress(lower.info.remote) : lower.info.name;
  const { head, rest } = await readHead(lower, from, context);
  const refusal = judge(head, spec);
  if (refusal) {
    await writeRefusal(lower, refusal);
    const { status, reason } = refusal;
    throw new ProtocolError(`ws from ${from}: answered ${status} to "${head.method} ${head.target}": ${reason}`);
  }
  const chosen = chooseSubprotocol(head, spec);
  const { method, target: path, version, headers } = head;
  const request = { method, path, host: headers["host"], version, headers };
  const facts = { ...lower.info.facts, ...request, subprotocol: chosen ?? "" };
  const info: StreamInfo = { ...infoOver(lower, `ws from ${from}`), facts };
  return {
    info,
    async accept(signal) {
      if (signal.aborted) lower.abort(signal.reason);
      signal.throwIfAborted();
      return await upgrade({ lower, head, rest, chosen, info, spec, context });
    },
    reject: (error) => writeRefusal(lower, unavailable(error)),
  };
}

function unavailable(error: L7mpError): Refusal {
  const busy = error instanceof LimitError;
  return {
    status: busy ? "503 Service Unavailable" : "502 Bad Gateway",
    reason: busy ? "too many sessions" : "the server behind this one cannot be reached",
    headers: [],
  };
}

async function readHead(
  lower: ByteStream,
  from: string,
  { signal }: Context,
): Promise<{ head: RequestHead; rest: Uint8Array }> {
  const onAbort = () => lower.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const late = new LimitError(`ws from ${from}: no complete request within ${headMs / 1000} s`, { code: "ETIMEDOUT" });
  const timer = setTimeout(() => lower.abort(late), headMs);
  const reader = new HeadReader(headBytes);
  try {
    signal.throwIfAborted();
    for (let chunk = await lower.read(); chunk !== null; chunk = await lower.read()) {
      const found = reader.push(chunk);
      if (found) return found;
    }
    throw new ConnectError(`ws from ${from}: closed before its request was complete`);
  } catch (error) {
    await answerFault(lower, error);
    if (!(error instanceof ProtocolError) && !(error instanceof LimitError)) throw error;
    if (error === late) throw error;
    const kind = error instanceof LimitError ? LimitError : ProtocolError;
    throw new kind(`ws from ${from}: ${error.message}`, { code: error.code, cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Tells the caller what is wrong with its request, where that is what went wrong. */
async function answerFault(lower: ByteStream, error: unknown): Promise<void> {
  if (error instanceof ProtocolError) {
    await writeRefusal(lower, { status: "400 Bad Request", reason: error.message, headers: [] });
  } else if (error instanceof LimitError && error.code === "HEAD_TOO_BIG") {
    await writeRefusal(lower, { status: "431 Request Header Fields Too Large", reason: error.message, headers: [] });
  } else {
    lower.abort();
  }
}

/** Ours in the order of the caller's wishes; without any of ours, its first. Undefined: none was offered. */
function chooseSubprotocol(head: RequestHead, spec: WsSpec): string | undefined {
  const offered = commaList(head.headers["sec-websocket-protocol"]);
  const ours = commaList(spec.subprotocol);
  return ours.length === 0 ? offered[0] : offered.find((name) => ours.includes(name));
}

interface Upgrade {
  readonly lower: ByteStream;
  readonly head: RequestHead;
  /** What came after the request. */
  readonly rest: Uint8Array;
  readonly chosen: string | undefined;
  readonly info: StreamInfo;
  readonly spec: WsSpec;
  readonly context: Context;
}

async function upgrade({ lower, head, rest, chosen, info, spec, context }: Upgrade): Promise<DatagramStream> {
  const { WebSocketServer } = await loadWs();
  let alive = () => {};
  const adapted = await toDuplex(lower, () => alive());
  const server = new WebSocketServer({
    ...wsOptions(spec, context),
    noServer: true,
    clientTracking: false,
    handleProtocols: () => chosen ?? false,
  });
  server.on("headers", (lines) => lines.push(...spec.header ?? []));
  const { duplex } = adapted;
  const request = { method: "GET", url: head.target, headers: head.headers, on() {}, socket: duplex };
  let stream: WebSocketStream | undefined;
  server.handleUpgrade(request, duplex, await asBuffer(rest), (socket: WsSocket) => {
    stream = new WebSocketStream({ socket, adapted, lower, info, spec, context });
    alive = () => stream?.alive();
    stream.opened();
  });
  if (stream) return stream;
  // The library refuses what it cannot read in the handshake headers we leave to it, and has answered 400.
  throw new ProtocolError(`${info.name}: the handshake is malformed (RFC 6455 section 4.2)`);
}

/** `unshift` of a Node stream wants a Buffer. */
async function asBuffer(bytes: Uint8Array): Promise<Uint8Array> {
  const { Buffer } = await import("node:buffer");
  return Buffer.from(bytes);
}
