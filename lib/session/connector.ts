/** Opens an address as its options say: tried again, kept alive, opened late or for every message, or called. */
import type { Endpoint, Retry } from "../config/plan.ts";
import { ConnectError, systemFault } from "../errors.ts";
import type { Context } from "../protocol.ts";
import { dual } from "../stream/dual.ts";
import { limitBytes } from "../stream/ends.ts";
import type { Stream, StreamInfo, StreamKind } from "../stream/stream.ts";
import { forEachMessage } from "./each_message.ts";
import { connect, isBare } from "./open.ts";
import { reconnecting } from "./reconnect.ts";
import { retryOf, withRetry } from "./retry.ts";
import { firstPeer } from "./one_peer.ts";
import { waitForData } from "./wait_for_data.ts";

/**
 * Opens `endpoint`, each half of a dual one by its own options; one that listens waits for its first peer. Rejects with a `ConnectError`, or with
 * `context.signal`'s reason; nothing stays open then.
 */
export async function openConnector(endpoint: Endpoint, retry: Retry, context: Context): Promise<Stream> {
  if ("dual" in endpoint.source) {
    const { read, write } = endpoint.source.dual;
    const reading = await openConnector(read, retryOf(read.connect), { ...context, direction: "read" });
    try {
      return dual(reading, await openConnector(write, retryOf(write.connect), { ...context, direction: "write" }));
    } catch (error) {
      reading.abort();
      throw error;
    }
  }
  if (endpoint.role === "listen") return await firstPeer(endpoint, context);
  const stream = await openLateOrNow(endpoint, retry, context);
  const { readbytes } = endpoint.stream;
  return readbytes === undefined ? stream : limitBytes(stream, readbytes);
}

async function openLateOrNow(endpoint: Endpoint, retry: Retry, context: Context): Promise<Stream> {
  const { name, kind, connect: { waitfordata, foreachmsg } = {} } = endpoint;
  const { maxMessageBytes, log } = context;
  // Sessions end such a stream by `abort`, so only its own signal counts.
  const open = (signal: AbortSignal) => openKept(endpoint, retry, { ...context, signal });
  if (foreachmsg) return forEachMessage({ name, open, maxMessageBytes, log });
  if (waitfordata) return waitForData(kind as StreamKind, infoBefore(endpoint), open);
  return await openKept(endpoint, retry, context);
}

/** What is known of a stream that is not open yet. */
function infoBefore(endpoint: Endpoint): StreamInfo {
  const { name, source } = endpoint;
  if ("dual" in source) throw new TypeError("the halves of a dual address are opened one by one");
  return { protocol: source.protocol.name, name, halfCloses: isBare(endpoint) && source.protocol.end === "half" };
}

async function openKept(endpoint: Endpoint, retry: Retry, context: Context): Promise<Stream> {
  const once = (signal: AbortSignal) => openOnce(endpoint, { ...context, signal }, retry.timeoutMs);
  const { signal, log, direction } = context;
  const stream = await withRetry(() => once(signal), retry, signal, log);
  if (!retry.reconnect || retry.reconnect.count === 0) return stream;
  return reconnecting(stream, { policy: { ...retry, ...retry.reconnect }, open: once, direction, log });
}

/** One connection, its preamble sent. */
async function openOnce(endpoint: Endpoint, context: Context, timeoutMs: number): Promise<Stream> {
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
