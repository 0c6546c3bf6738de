/** Opens what a session connects to as its options say: tried again, kept alive, opened late or for every message, or called. */
import type { Endpoint, Retry } from "../config/plan.ts";
import { ConnectError, systemFault } from "../errors.ts";
import type { Context } from "../protocol.ts";
import { dual } from "../stream/dual.ts";
import type { Stream, StreamInfo, StreamKind } from "../stream/stream.ts";
import { LinkedAbort } from "./linked_abort.ts";
import { connect, isBare, sharedBy, withEndOfReading } from "./open.ts";
import type { ReconnectEvents } from "./reconnect.ts";
import { retryOf, withRetry } from "./retry.ts";
import { firstPeer } from "./one_peer.ts";
import { Fellows, type Stage } from "./stage.ts";
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

/** Gives `first` the means to be opened again, where that is asked for; `events` hears of it. */
type Keep = (first: Stream, again: (signal: AbortSignal) => Promise<Stream>, events?: ReconnectEvents) => Stream;

async function openKept(upstream: Upstream, retry: Retry, context: Context, stage?: Stage): Promise<Stream> {
  const { signal, log } = context;
  const keep = await keepOf(upstream, retry, context);
  // The one connection of many sessions comes back once, for all; among several endpoints each session finds its own.
  const together = upstream.single && upstream.shape !== undefined && sharedBy(upstream.shape) !== undefined;
  const timeoutMs = upstream.connectTimeoutMs ?? retry.timeoutMs;
  const once = (signal: AbortSignal) =>
    openOnce(upstream, { ...context, signal }, timeoutMs, stage, together ? keep : undefined);
  const stream = await withRetry(() => once(signal), retry, signal, log, stage);
  return together ? stream : keep(stream, once, stage);
}

async function keepOf(upstream: Upstream, retry: Retry, { direction, log }: Context): Promise<Keep> {
  const { reconnect } = retry;
  if (!reconnect || reconnect.count === 0 || isSingular(upstream)) return (first) => first;
  const { reconnecting } = await import("./reconnect.ts");
  const policy = { ...retry, ...reconnect };
  return (first, open, events) =>
    first.info.answer ? first : reconnecting(first, { policy, open, direction, log, events });
}

/** What has ended cannot be had again; nor is an answer asked for twice. */
function isSingular({ shape }: Upstream): boolean {
  return shape !== undefined && "protocol" in shape.source && shape.source.protocol.retriable === false;
}

/** One attempt, at the endpoint that is picked for it. What `keep` is given may be the connection of other sessions too. */
async function openOnce(
  upstream: Upstream,
  context: Context,
  timeoutMs: number,
  stage: Stage | undefined,
  keep: Keep | undefined,
): Promise<Stream> {
  const { metadata, signal } = context;
  signal.throwIfAborted();
  const choice = upstream.pick(metadata, stage?.failed ?? []);
  using attempt = new LinkedAbort(signal);
  stage?.connecting(choice, (reason) => attempt.abort(reason));
  const start = performance.now();
  const own = { ...context, signal: attempt.signal };
  const fellows = keep && fellowsOf(choice, context);
  const opening = async (open: (context: Context) => Promise<Stream>, of: Context) => {
    const again = (signal: AbortSignal) => openGreeted(choice, open, { ...of, signal });
    const first = await again(of.signal);
    return keep ? keep(first, again, fellows) : first;
  };
  try {
    const stream = await connect(choice.endpoint, own, timeoutMs, opening);
    choice.connected?.(performance.now() - start);
    stage?.connected(stream, fellows);
    return stream;
  } catch (error) {
    if (!signal.aborted) stage?.attemptFailed(choice, error);
    throw error;
  }
}

/** Those who share the connection to what was chosen. */
function fellowsOf({ endpoint }: Choice, { shared }: Context): Fellows {
  const make = () => new Fellows();
  return shared?.(sharedBy(endpoint)!, make) ?? make();
}

/** One connection, its preamble sent. */
async function openGreeted(
  { endpoint }: Choice,
  open: (context: Context) => Promise<Stream>,
  context: Context,
): Promise<Stream> {
  const { preamble, preamble_file } = endpoint.connect ?? {};
  const first = preamble_file === undefined ? encode(preamble) : await readPreamble(preamble_file);
  const stream = await open(context);
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
