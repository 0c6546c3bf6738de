/** The listening side of a WebSocket: the opening handshake of RFC 6455 section 4.2. */
import { ProtocolError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { toDuplex } from "../../lib/stream/duplex.ts";
import { type ByteStream, type DatagramStream, formatAddress, type StreamInfo } from "../../lib/stream/stream.ts";
import { unavailable } from "../http/admission.ts";
import { Connection } from "../http/connection.ts";
import type { RequestHead } from "../http/head.ts";
import { refuse, statusText } from "../http/refusal.ts";
import { atLevel, readRequest } from "../http/request.ts";
import { loadWs, type WsRequest, type WsSocket } from "./_library.ts";
import { infoOver, wsOptions } from "./client.ts";
import { judge } from "./refusal.ts";
import { commaList, type WsSpec } from "./spec.ts";
import { WebSocketStream } from "./stream.ts";

const headBytes = 16_384;

/**
 * Reads the request on `lower`, which it owns. A request that is no WebSocket handshake, or not for us, is answered
 * here and rejects with `ProtocolError`; the others wait for `accept` (101) or `reject` (502).
 */
export async function serveWebSocket(lower: ByteStream, spec: WsSpec, context: Context): Promise<Incoming> {
  const from = lower.info.remote ? formatAddress(lower.info.remote) : lower.info.name;
  const connection = new Connection(lower);
  const { signal } = context;
  const head = await readRequest(connection, { name: `ws from ${from}`, maxBytes: headBytes, signal, plain: true });
  const refusal = judge(head, spec);
  if (refusal) {
    await refuse(connection, refusal);
    const { status, reason } = refusal;
    const message = `ws from ${from}: answered ${statusText(status)} to "${head.method} ${head.target}": ${reason}`;
    throw atLevel("warn", new ProtocolError(message));
  }
  const chosen = chooseSubprotocol(head, spec);
  const { method, target: path, version, headers } = head;
  const request = { method, path, host: headers["host"], version, headers };
  const facts = { ...lower.info.facts, ...request, subprotocol: chosen ?? "" };
  const info: StreamInfo = { ...infoOver(lower, `ws from ${from}`), facts };
  return {
    info,
    async accept(signal) {
      if (signal.aborted) connection.abort(signal.reason);
      signal.throwIfAborted();
      return await upgrade({ lower: connection, head, chosen, info, spec, context });
    },
    reject: (error) => refuse(connection, { ...unavailable(error), plain: true }),
  };
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
  readonly chosen: string | undefined;
  readonly info: StreamInfo;
  readonly spec: WsSpec;
  readonly context: Context;
}

async function upgrade({ lower, head, chosen, info, spec, context }: Upgrade): Promise<DatagramStream> {
  const { WebSocketServer } = await loadWs();
  let alive = () => {};
  const adapted = await toDuplex(lower, { onBytes: () => alive() });
  const server = new WebSocketServer({
    ...wsOptions(spec, context),
    noServer: true,
    clientTracking: false,
    handleProtocols: () => chosen ?? false,
  });
  server.on("headers", (lines) => lines.push(...spec.header ?? []));
  const { duplex } = adapted;
  const request = { method: "GET", url: head.target, headers: judged(head, chosen), on() {}, socket: duplex };
  let stream: WebSocketStream | undefined;
  server.handleUpgrade(request, duplex, nothing, (socket: WsSocket) => {
    stream = new WebSocketStream({ socket, adapted, lower, info, role: "listen", spec, context });
    alive = () => stream?.alive();
    stream.opened();
  });
  if (stream) return stream;
  // The library refuses an offer of compression that it cannot read, and has answered 400.
  throw new ProtocolError(`${info.name}: the handshake is malformed (RFC 6455 section 4.2)`);
}

/** What the library is to know of a request that has been judged: it would judge again, and otherwise. */
function judged({ headers }: RequestHead, chosen: string | undefined): WsRequest["headers"] {
  return {
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": headers["sec-websocket-key"],
    "sec-websocket-extensions": headers["sec-websocket-extensions"],
    "sec-websocket-protocol": chosen,
  };
}

/** What came after the request is read from the connection, as everything else is. */
const nothing = new Uint8Array(0);
