/** Opens what a session connects to as its options say: tried again, kept alive, opened late or for every message, or called. */
import type { Endpoint, Retry } from "../config/plan.ts";
import { ConnectError, systemFault } from "../errors.ts";
import type { Context } from "../protocol.ts";
import { dual } from "../stream/dual.ts";
import type { Stream, StreamInfo, StreamKind } from "../stream/stream.ts";
import { LinkedAbort } from "./linked_abort.ts";
import { connect, isBare, withEndOfReading } from "./open.ts";
import { retryOf, withRetry } from "./retry.ts";
import { firstPeer } from "./one_peer.ts";
import type { Stage } from "./stage.ts";
import { type Choice, fixedUpstream, type Upstream } from "./way.ts";

/**
 * Opens `upstream`, each half of a dual one by its own options; one that listens waits for its first peer. `stage` is
 * told what happens to it. Rejects with a `ConnectError`, or with `context.signal`'s reason; nothing stays open then.
 */
export async function openConnector(
  upstream: Upstream,
  retry: Retry,
  context: Context,
  stage?: Stage,
): Promise<Stream> {
  const { shape } = upstream;
  if (shape && "dual" in shape.source) {
    const { read, write } = shape.source.dual;
    const half = (endpoint: Endpoint, direction: "read" | "write") =>
      openConnector(fixedUpstream(endpoint), retryOf(endpoint.connect), { ...context, direction });
    const reading = await half(read, "read");
    try {
      return dual(reading, await half(write, "write"));
    } catch (error) {
      reading.abort();
      throw error;
    }
  }
  if (shape?.role === "listen") return await firstPeer(shape, context);
  const stream = await openLateOrNow(upstream, retry, context, stage);
  return shape ? withEndOfReading(stream, shape) : stream;
}

async function openLateOrNow(upstream: Upstream, retry: Retry, context: Context, stage?: Stage): Promise<Stream> {
  const { name, shape } = upstream;
  const { waitfordata, foreachmsg } = shape?.connect ?? {};
  const { maxMessageBytes, log } = context;
  // Sessions end such a stream by `abort`, so only its own signal counts.
  const open = (signal: AbortSignal) => openKept(upstream, retry, { ...context, signal }, stage);
  if (foreachmsg) return (await import("./each_message.ts")).forEachMessage({ name, open, maxMessageBytes, log });
  if (shape && waitfordata) {
    const { waitForData } = await import("./wait_for_data.ts");
    return waitForData(shape.kind as StreamKind, infoBefore(shape), open);
  }
  return await openKept(upstream, retry, context, stage);
}

/** What is known of a stream that is not open yet. */
function infoBefore(endpoint: Endpoint): StreamInfo {
  const { name, source } = endpoint;
  if ("dual" in source) throw new TypeError("the halves of a dual address are opened one by one");
  return { protocol: source.protocol.name, name, halfCloses: isBare(endpoint) && source.protocol.end === "half" };
}

async function openKept(upstream: Upstream, retry: Retry, context: Context, stage?: Stage): Promise<Stream> {
  const timeoutMs = upstream.connectTimeoutMs ?? retry.timeoutMs;
  const once = (signal: AbortSignal) => openOnce(upstream, { ...context, signal }, timeoutMs, stage);
  const { signal, log, direction } = context;
  const open = () => withRetry(() => once(signal), retry, signal, log, stage);
  if (!retry.reconnect || retry.reconnect.count === 0 || isSingular(upstream)) return await open();
  const { reconnecting } = await import("./reconnect.ts");
  const stream = await open();
  if (stream.info.answer) return stream;
  return reconnecting(stream, { policy: { ...retry, ...retry.reconnect }, open: once, direction, log, events: stage });
}

/** What has ended cannot be had again; nor is an answer asked for twice. */
function isSingular({ shape }: Upstream): boolean {
  return shape !== undefined && "protocol" in shape.source && shape.source.protocol.retriable === false;
}

/** One connection, its preamble sent. */
async function openOnce(upstream: Upstream, context: Context, timeoutMs: number, stage?: Stage): Promise<Stream> {
  const { metadata, signal } = context;
  signal.throwIfAborted();
  const choice = upstream.pick(metadata, stage?.failed ?? []);
  using attempt = new LinkedAbort(signal);
  stage?.connecting(choice, (reason) => attempt.abort(reason));
  const start = performance.now();
  try {
    const stream = await openChosen(choice, { ...context, signal: attempt.signal }, timeoutMs);
    choice.connected?.(performance.now() - start);
    stage?.connected(stream);
    return stream;
  } catch (error) {
    if (!signal.aborted) stage?.attemptFailed(choice, error);
    throw error;
  }
}

async function openChosen({ endpoint }: Choice, context: Context, timeoutMs: number): Promise<Stream> {
  const { preamble, preamble_file } = endpoint.connect ?? {};
  const first = preamble_file === undefined ? encode(preamble) : await readPreamble(preamble_file);
  const stream = await connect(endpoint, context, timeoutMs);
  if (first === undefined) return stream;
  try {
    await sendFirst(stream, first, context.signal);
    return stream;
  } catch (error) {
    stream.abort(error);
    throw error;
  }
}

function encode(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : new TextEncoder().encode(text);
}

/** Sends `data` before anything else: as one message where there are messages. */
export async function sendFirst(stream: Stream, data: Uint8Array, signal: AbortSignal): Promise<void> {
  const onAbort = () => stream.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await (stream.kind === "byte" ? stream.write(data) : stream.send([{ data }]));
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function readPreamble(file: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(file);
  } catch (error) {
    const { code, text } = systemFault(error);
    const message = `preamble-file: open("${file}", O_RDONLY): ${text}`;
    throw new ConnectError(message, { code, retryable: false, side: "local", cause: error });
  }
}
