/** The connecting side of a WebSocket: the opening handshake of RFC 6455 section 4.1. */
import { ConnectError, messageOf } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { type AdaptedDuplex, toDuplex } from "../../lib/stream/duplex.ts";
import type { ByteStream, DatagramStream, StreamInfo } from "../../lib/stream/stream.ts";
import { type HeaderLine, utf8Value } from "../http/head.ts";
import { replaced, requestLines } from "../http/target.ts";
import { loadWs, type WsOptions, type WsResponse } from "./_library.ts";
import { callersHandshake } from "./forwarding.ts";
import { commaList, type WsSpec } from "./spec.ts";
import { WebSocketStream } from "./stream.ts";
import { after } from "../../lib/stream/timer.ts";

/** How much of the body of a refusal is logged. */
const bodyBytes = 200;
const bodyMs = 1000;

/** Opens a WebSocket over `lower`, which it owns. Rejects with `ConnectError`, or the signal's reason. */
export async function connectWebSocket(lower: ByteStream, spec: WsSpec, context: Context): Promise<DatagramStream> {
  const { signal } = context;
  const onAbort = () => lower.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await open(lower, spec, context);
  } catch (error) {
    lower.abort();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function open(lower: ByteStream, spec: WsSpec, context: Context): Promise<DatagramStream> {
  const asked = callersHandshake(context, spec.path);
  const target = targetOf(lower, asked.path === undefined ? spec : { ...spec, path: asked.path });
  const host = spec.host ?? asked.host ?? target.host;
  const headers = await requestHeaders(host, asked.lines, spec, context);
  const subprotocols = spec.subprotocol === undefined ? asked.subprotocols : commaList(spec.subprotocol);
  const { WebSocket } = await loadWs();
  let alive = () => {};
  const adapted = await toDuplex(lower, { onBytes: () => alive() });
  const socket = new WebSocket(`ws://localhost${target.path}`, subprotocols, {
    ...wsOptions(spec, context),
    createConnection: () => adapted.duplex,
    headers,
  });
  const { promise, resolve, reject } = Promise.withResolvers<DatagramStream>();
  let answer: Readonly<Record<string, unknown>> = {};
  socket.on("upgrade", ({ headers }) => answer = headers);
  socket.on("open", () => {
    const facts = { ...lower.info.facts, path: target.path, headers: answer, subprotocol: socket.protocol };
    const info = { ...infoOver(lower, target.name), facts };
    const stream = new WebSocketStream({ socket, adapted, lower, info, role: "connect", spec, context });
    alive = () => stream.alive();
    stream.opened();
    resolve(stream);
  });
  socket.on("unexpected-response", (_request, response) => {
    refusal(target.name, response, context).then(reject);
  });
  socket.on("error", (error) => reject(handshakeError(target.name, error, adapted)));
  try {
    return await promise;
  } catch (error) {
    adapted.duplex.destroy();
    throw error;
  }
}

/** What the library, or the stream below, found wrong with the answer. */
function handshakeError(name: string, error: Error, { lowerError, sawEnd }: AdaptedDuplex): ConnectError {
  const failed = (why: string) =>
    new ConnectError(`${name}: WebSocket handshake failed: ${why}`, { cause: lowerError ?? error });
  if (error.message.includes("Pause on CONNECT/Upgrade")) {
    return failed('the answer 101 lacks "Upgrade: websocket" or "Connection: Upgrade" (RFC 6455 section 4.1)');
  }
  if (lowerError) return failed(messageOf(lowerError));
  if (error.message.startsWith("Parse Error: Expected HTTP/")) {
    const hint = "is it a WebSocket server? (wss:// for one behind TLS)";
    return new ConnectError(`${name}: the server's answer is not HTTP; ${hint}`, { cause: error });
  }
  return failed(sawEnd ? "the server closed the connection" : error.message);
}

/** Facts of the stream below, under the name of this one. */
export function infoOver(lower: ByteStream, name: string): StreamInfo {
  const { local, remote } = lower.info;
  return { protocol: "WebSocket", name, local, remote };
}

/** Options of the library that both sides share. */
export function wsOptions(spec: WsSpec, context: Context): WsOptions {
  return {
    maxPayload: spec.max_message ?? context.maxMessageBytes,
    // The library's default would refuse a message of 64 MiB in frames of 1 KiB.
    maxFragments: 262_144,
    perMessageDeflate: spec.compress === true,
    // How long to wait for the peer's close frame is the session's to say (linger).
    closeTimeout: 2 ** 31 - 1,
    // The library would drop a peer that pings while it reads nothing.
    autoPong: false,
  };
}

interface Target {
  /** For messages. */
  readonly name: string;
  /** For the Host header. */
  readonly host: string;
  readonly path: string;
}

function targetOf(lower: ByteStream, spec: WsSpec): Target {
  // A fragment is never sent; here it belongs to the path.
  const written = (spec.path ?? "").replaceAll("#", "%23");
  const path = written.startsWith("/") ? written : `/${written}`;
  const { remote } = lower.info;
  const secure = isSecure(lower);
  if (remote?.family === "unix") {
    return { name: `ws${secure ? "+tls" : ""}+unix://${remote.path}`, host: spec.host ?? "localhost", path };
  }
  const usualPort = secure ? 443 : 80;
  const port = spec.port ?? remote?.port ?? usualPort;
  const host = printHost(spec.address ?? remote?.host ?? "localhost");
  const at = port === usualPort ? host : `${host}:${port}`;
  return { name: `${secure ? "wss" : "ws"}://${at}${path}`, host: spec.host ?? at, path };
}

/** Whether the WebSocket over `lower` is a `wss://`. */
function isSecure(lower: ByteStream): boolean {
  return lower.info.protocol === "TLS";
}

function printHost(address: string): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
}

/** Headers of the request: the caller's, then those the options stand for, then those given by hand; the later win. */
async function requestHeaders(
  host: string,
  passed: readonly HeaderLine[],
  spec: WsSpec,
  context: Context,
): Promise<Record<string, string[]>> {
  const origin: HeaderLine[] = spec.origin === undefined ? [] : [["Origin", utf8Value(spec.origin)]];
  const headers: Record<string, string[]> = {};
  const known = new Map<string, string[]>();
  for (const [name, value] of await requestLines([["Host", host], ...replaced(passed, origin)], spec, context)) {
    const values = known.get(name.toLowerCase()) ?? [];
    if (values.length === 0) headers[name] = values;
    known.set(name.toLowerCase(), values);
    values.push(value);
  }
  return headers;
}

/** The error for an answer that is no upgrade; the beginning of its body is logged. */
async function refusal(name: string, response: WsResponse, { log }: Context): Promise<ConnectError> {
  const { statusCode, statusMessage, headers } = response;
  const body = await beginningOf(response);
  if (body !== "") log.info("ws.refused", `${name}: ${body}`);
  const location = headers["location"] === undefined ? "" : ` (Location: ${headers["location"]})`;
  const message = `${name}: server answered ${statusCode} ${statusMessage} instead of 101${location}`;
  return new ConnectError(message, { code: `HTTP_${statusCode}`, retryable: statusCode >= 500 });
}

function beginningOf(response: WsResponse): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const decoder = new TextDecoder();
    const done = () => {
      timer.stop();
      resolve(text.slice(0, bodyBytes));
    };
    // A body that does not come must not hold up the message.
    const timer = after(bodyMs, done);
    response.on("data", (data) => {
      text += decoder.decode(data, { stream: true });
      if (text.length >= bodyBytes) done();
    });
    for (const event of ["end", "close", "error"] as const) response.on(event, done);
  });
}
