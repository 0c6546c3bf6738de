/** Opens a planned endpoint: its protocol, the layers on top, and the options that change how it ends. */
import { callerRule, defaultPollMs } from "../config/engine_options.ts";
import type { Endpoint, PlannedLayer } from "../config/plan.ts";
import { isWrapper } from "../config/stack.ts";
import { ConfigError, ConnectError } from "../errors.ts";
import type { Context, Incoming, Listener } from "../protocol.ts";
import { endAtByte, endAtEmpty, ignoreEnd, limitBytes, type Shut, shutBy } from "../stream/ends.ts";
import type { Stream } from "../stream/stream.ts";
import { after } from "../stream/timer.ts";
import { isToldLater, refusalOf } from "./admission.ts";
import { checkDriver, naming } from "./check_driver.ts";
import { LinkedAbort } from "./linked_abort.ts";
import { retryOf, withRetry } from "./retry.ts";

/** Makes one connection by `open`, which can make it again. */
export type Opening = (open: (context: Context) => Promise<Stream>, context: Context) => Promise<Stream>;

/**
 * Connects `endpoint`, which is not dual; `readbytes` and `escape` are left to the caller. `opening` makes the connection
 * itself, which may be that of many sessions, and is then asked only for the first of them. With `timeoutMs` above 0 each
 * attempt is limited; the error names the step that was running. Rejects with a `ConnectError`, or with
 * `context.signal`'s reason; nothing stays open then.
 */
export async function connect(
  endpoint: Endpoint,
  context: Context,
  timeoutMs = 0,
  opening: Opening = (open, own) => open(own),
): Promise<Stream> {
  const { layers } = endpoint;
  const sharing = sharedBy(endpoint);
  const lower = sharing ? layers.slice(0, layers.indexOf(sharing)) : layers;
  const open = (own: Context) => opening((again) => connectWithin(timeoutMs, endpoint, lower, again), own);
  if (!sharing) return withShutting(await open(context), endpoint);
  let stream = await sharing.layer.share!(open, sharing.spec, context);
  for (const layer of layers.slice(lower.length + 1)) stream = wrapped(stream, layer, context);
  return withShutting(stream, endpoint);
}

/** The layer that makes one connection do for many sessions, where there is one; what lies over it only looks on. */
export function sharedBy({ layers }: Endpoint): PlannedLayer | undefined {
  return layers.find(({ layer }) => layer.share);
}

async function connectWithin(
  timeoutMs: number,
  endpoint: Endpoint,
  layers: readonly PlannedLayer[],
  context: Context,
): Promise<Stream> {
  const progress = { step: "" };
  if (timeoutMs <= 0) return await connectLayers(endpoint, layers, context, progress);
  using limit = new LinkedAbort(context.signal);
  const timer = after(timeoutMs, () => {
    const seconds = timeoutMs / 1000;
    const text = `connect(${endpoint.name}): Connection timed out after ${seconds} s (connect-timeout)`;
    limit.abort(new ConnectError(`${text}, step: ${progress.step}`, { code: "ETIMEDOUT" }));
  });
  try {
    return await connectLayers(endpoint, layers, { ...context, signal: limit.signal }, progress);
  } finally {
    timer.stop();
  }
}

/** The source of `endpoint`, and `layers` over it. */
async function connectLayers(
  endpoint: Endpoint,
  layers: readonly PlannedLayer[],
  context: Context,
  progress: { step: string },
): Promise<Stream> {
  const { lockfile, waitlock } = endpoint.connect ?? {};
  const path = lockfile ?? waitlock;
  if (path === undefined) return await connectUnlocked(endpoint, layers, context, progress);
  const { locked } = await import("./lock_file.ts");
  progress.step = "lock";
  const { log, signal } = context;
  const open = () => connectUnlocked(endpoint, layers, context, progress);
  return await locked(open, path, { wait: waitlock !== undefined, log, signal });
}

async function connectUnlocked(
  endpoint: Endpoint,
  layers: readonly PlannedLayer[],
  context: Context,
  progress: { step: string },
): Promise<Stream> {
  let stream = await connectSource(endpoint, context, progress);
  for (const { layer, spec } of layers) {
    if (layer.wrap) {
      stream = wrapped(stream, { layer, spec }, context);
      continue;
    }
    if (!layer.client) throw new ConfigError(`${endpoint.name}: ${layer.name} cannot connect`);
    progress.step = layer.schemes[0] ?? layer.name;
    stream = await layer.client(stream, spec, context);
  }
  return stream;
}

async function connectSource(endpoint: Endpoint, context: Context, progress: { step: string }): Promise<Stream> {
  if ("dual" in endpoint.source) throw new TypeError("the halves of a dual address are opened one by one");
  const { protocol, spec } = endpoint.source;
  if (!protocol.connect) throw new ConfigError(`${endpoint.name}: ${protocol.name} cannot connect`);
  progress.step = protocol.name.toLowerCase();
  const direction = context.direction === "both" ? endpoint.direction : context.direction;
  return await protocol.connect(spec, { ...context, direction });
}

/** Whether nothing lies over the protocol of `endpoint` but what says nothing on the wire. */
export function isBare({ layers }: Endpoint): boolean {
  return layers.every(({ layer }) => isWrapper(layer));
}

/**
 * Lets the protocol and the layers of `endpoint` look around, get ready and warn; once, before anything of it opens.
 * Rejects with a `ConfigError` or a `ConnectError`, which names the address.
 */
export async function prepare(endpoint: Endpoint, context: Context): Promise<void> {
  if ("dual" in endpoint.source) {
    const { read, write } = endpoint.source.dual;
    await prepare(read, context);
    await prepare(write, context);
  } else {
    checkDriver(endpoint, context.driver);
    const { protocol, spec } = endpoint.source;
    naming(endpoint, () => protocol.prepare?.(spec, { ...context, direction: endpoint.direction }));
  }
  const role = endpoint.role === "listen" ? "listen" : "connect";
  for (const [i, { layer, spec }] of endpoint.layers.entries()) {
    await layer.prepare?.(spec, { role, carries: i < endpoint.layers.length - 1 }, context);
  }
}

/** Opens the listening socket of `endpoint`, tried again as its options say; layers wait for `welcome`. */
export async function listen(endpoint: Endpoint, context: Context): Promise<Listener> {
  if ("dual" in endpoint.source || !endpoint.source.protocol.listen) {
    throw new ConfigError(`${endpoint.name}: cannot listen`);
  }
  const { protocol, spec } = endpoint.source;
  const open = () => protocol.listen!(spec, context);
  const listener = await withRetry(open, retryOf(endpoint.listen), context.signal, context.log);
  const rule = endpoint.listen && callerRule(endpoint.listen);
  if (!rule || listener.address.family !== "unix" || isToldLater(endpoint)) return listener;
  // Only an inherited socket gets here: of others it is known before.
  await listener[Symbol.asyncDispose]();
  throw new ConfigError(`option "${rule}" does not apply to ${endpoint.name}: its callers have no IP address`);
}

/**
 * Runs the layers' server steps for one caller, in the session's own task. With `again` the caller came from another's
 * `next`, and the steps below that layer's are done. On failure the caller has been refused and everything released.
 */
export async function welcome(
  incoming: Incoming,
  endpoint: Endpoint,
  context: Context,
  again = false,
): Promise<Incoming> {
  const { layers } = endpoint;
  // Only the callers of the last of them reach the session.
  const last = layers.findLastIndex(({ layer }) => layer.server);
  for (const [i, { layer, spec }] of layers.entries()) {
    if (again && i < last) continue;
    if (layer.wrap) {
      incoming = wrappedIncoming(incoming, { layer, spec }, context);
      continue;
    }
    if (!layer.server) throw new ConfigError(`${endpoint.name}: ${layer.name} cannot listen`);
    const own = i === last || !context.followUps ? context : { ...context, followUps: false };
    incoming = await layer.server(await incoming.accept(context.signal), spec, own);
    const refusal = layer.tellsCaller ? refusalOf(incoming.info, endpoint) : undefined;
    if (!refusal) continue;
    await incoming.reject(refusal).catch(() => {});
    throw refusal;
  }
  return incoming;
}

function wrapped(stream: Stream, { layer, spec }: PlannedLayer, context: Context): Stream {
  try {
    return layer.wrap!(stream, spec, context);
  } catch (error) {
    stream.abort(error);
    throw error;
  }
}

/** Wrapped once it is accepted: until then it can be refused in its own terms. */
function wrappedIncoming(incoming: Incoming, layer: PlannedLayer, context: Context): Incoming {
  return {
    info: incoming.info,
    accept: async (signal) => wrapped(await incoming.accept(signal), layer, context),
    reject: (error) => incoming.reject(error),
    next: incoming.next && ((signal) => incoming.next!(signal)),
  };
}

/** Applies the options about ends to an open stream. */
export function withEnds(stream: Stream, endpoint: Endpoint): Stream {
  return withEndOfReading(withShutting(stream, endpoint), endpoint);
}

/** Those that count for the session, over all connections it may need. */
export function withEndOfReading(stream: Stream, { stream: { escape, readbytes } }: Endpoint): Stream {
  const limited = readbytes === undefined ? stream : limitBytes(stream, readbytes);
  return escape === undefined ? limited : endAtByte(limited, escape);
}

/** Those about the connection itself, however often it is opened. */
function withShutting(stream: Stream, { stream: options }: Endpoint): Stream {
  if (options.ignoreeof) stream = ignoreEnd(stream, options.pollinterval ?? defaultPollMs);
  if (options.null_eof && stream.kind === "datagram") stream = endAtEmpty(stream);
  const shut: Shut | undefined = options.shut_none
    ? "none"
    : options.shut_close
    ? "close"
    : options.shut_null
    ? "null"
    : undefined;
  return shut ? shutBy(stream, shut) : stream;
}
