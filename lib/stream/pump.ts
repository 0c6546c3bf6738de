/**
 * Moves one direction of a session. The table at the end holds the ways to do it, fastest first; the plain loop is last
 * and serves everything. All ways keep one chunk or batch in flight: the next is read when the sink took the last.
 */
import { L7mpError, type Side } from "../errors.ts";
import type { Step } from "../protocol.ts";
import { Chain } from "./chain.ts";
import { longestCharacterBytes, wholeCharacters } from "./characters.ts";
import { isNativeByteHandle, type NativeByteHandle, wouldBlock } from "./native_handle.ts";
import {
  type ByteStream,
  type Datagram,
  type DatagramStream,
  type Stream,
  type StreamKind,
  writingHalf,
} from "./stream.ts";

/** Sees what is about to be written; must not keep it. */
export type Tap = (data: Uint8Array) => void;

/** What one direction has moved so far, counted when the sink took it. */
export interface Flow {
  bytes: number;
  messages: number;
}

/** When data last moved in either direction, by `performance.now()`. */
export interface Activity {
  at: number;
}

export interface PumpOptions {
  /** In the order data flows; empty: everything passes as it is. */
  readonly steps: readonly Step[];
  /** What comes out of the last step: blocks of bytes, or messages. */
  readonly payload: StreamKind;
  readonly flow: Flow;
  readonly activity: Activity;
  /** Which side each end is, for errors that do not know. */
  readonly sides: { readonly source: Side; readonly sink: Side };
  /** Largest block to hand on, in bytes (`-b`); a message larger than it is cut, as socat does. */
  readonly blockBytes?: number;
  readonly tap?: Tap;
  /** Told of every message that `blockBytes` cuts. */
  readonly onCut?: (bytes: number) => void;
}

/** A block that becomes a message is at most this large where the target names no limit. */
const messageBlockBytes = 65_536;

/** Messages to a byte sink are gathered up to this size into one write. */
const gatherBytes = 65_536;

interface Entry {
  readonly name: string;
  can(source: Stream, sink: Stream, options: PumpOptions): boolean;
  run(source: Stream, sink: Stream, options: PumpOptions): Promise<void>;
}

/**
 * Moves everything from `source` to `sink` until the source ends; the sink is left open for its owner to shut. Rejects
 * with the first error of either, its side filled in; aborts neither.
 */
export function pump(source: Stream, sink: Stream, options: PumpOptions): Promise<void> {
  const target = writingHalf(sink);
  return table.find((entry) => entry.can(source, target, options))!.run(source, target, options);
}

async function plainLoop(source: Stream, sink: Stream, options: PumpOptions): Promise<void> {
  const { sides, payload, activity } = options;
  const write = writer(sink, options);
  const steps = sink.kind === "datagram" && sink.takesText && payload === "byte"
    ? [...options.steps, wholeCharacters(blockLimit(sink, options))]
    : options.steps;
  const chain = steps.length > 0 ? new Chain(steps) : undefined;
  for (;;) {
    const batch = await from(sides.source, source.kind === "byte" ? readBlock(source) : source.receive());
    if (batch === null) break;
    if (!chain) await write(batch);
    // One at a time: what a step emits may be a view of memory it reuses at its next input.
    else for (const one of batch) await write(chain.push(one));
    activity.at = performance.now();
  }
  if (chain) await write(chain.end());
}

async function readBlock(source: ByteStream): Promise<readonly Datagram[] | null> {
  const data = await source.read();
  return data === null ? null : [{ data }];
}

/** Bytes to bytes with nothing to look at: no arrays, no objects per chunk. */
async function byteLoop(source: Stream, sink: Stream, { flow, activity, sides }: PumpOptions): Promise<void> {
  if (source.kind !== "byte" || sink.kind !== "byte") throw new TypeError("byteLoop() needs two byte streams");
  for (;;) {
    let bytes: Uint8Array | null;
    try {
      bytes = await source.read();
    } catch (error) {
      throw onSide(sides.source, error);
    }
    if (bytes === null) return;
    const { length } = bytes;
    try {
      await sink.write(bytes);
    } catch (error) {
      throw onSide(sides.sink, error);
    }
    flow.bytes += length;
    flow.messages++;
    activity.at = performance.now();
  }
}

/**
 * Descriptor to descriptor, without a promise per chunk: reads and sends at once while both are ready, waits only when
 * one is not. The buffer is the pool's again before every wait for the source; while the sink is stuck it holds what the
 * sink has not taken.
 */
async function nativeLoop(from: Stream, to: Stream, { flow, activity, sides }: PumpOptions): Promise<void> {
  const source = from.native as NativeByteHandle;
  const sink = to.native as NativeByteHandle;
  for (;;) {
    const buffer = source.takeBuffer(source.readBytes);
    let side = sides.source;
    try {
      const count = source.tryRead(buffer, buffer.length);
      if (count === 0) return;
      side = sides.sink;
      for (let sent = 0; sent < count;) {
        const taken = sink.trySend(buffer, sent, count);
        if (taken === wouldBlock) await sink.waitWritable();
        else sent += taken;
      }
      if (count > 0) {
        flow.bytes += count;
        flow.messages++;
        activity.at = performance.now();
        continue;
      }
    } catch (error) {
      throw onSide(side, error);
    } finally {
      source.giveBuffer(buffer);
    }
    try {
      await source.waitReadable();
    } catch (error) {
      throw onSide(sides.source, error);
    }
  }
}

function writer(sink: Stream, options: PumpOptions): (batch: readonly Datagram[]) => Promise<void> {
  const { flow, tap, sides, payload, blockBytes = Infinity } = options;
  if (sink.kind === "byte") {
    return async (batch) => {
      for (const data of payload === "byte" ? pieces(batch, blockBytes) : gathered(batch, options)) {
        tap?.(data);
        await from(sides.sink, sink.write(data));
        flow.bytes += data.length;
        flow.messages++;
      }
    };
  }
  const limit = blockLimit(sink, options);
  return async (batch) => {
    const ready = payload === "byte"
      ? Array.from(pieces(batch, limit), (data) => ({ data }))
      : blockBytes === Infinity
      ? batch
      : batch.map((one) => cut(one, options));
    if (ready.length === 0) return;
    if (tap) { for (const { data } of ready) tap(data); }
    let bytes = 0;
    for (const { data } of ready) bytes += data.length;
    const { dropped } = sink;
    await from(sides.sink, sink.send(ready));
    flow.bytes += bytes;
    // Meanwhile it may have lost of what comes from it, too.
    flow.messages += Math.max(0, ready.length - (sink.dropped - dropped));
  };
}

/** Largest message that a block of bytes becomes. */
function blockLimit(sink: DatagramStream, { blockBytes = Infinity }: PumpOptions): number {
  const most = Math.min(blockBytes, sink.maxDatagramBytes ?? messageBlockBytes);
  return sink.takesText ? Math.max(most, longestCharacterBytes) : most;
}

/** The bytes of a batch in blocks of at most `limit`. */
function* pieces(batch: readonly Datagram[], limit: number): Generator<Uint8Array> {
  for (const { data } of batch) {
    if (data.length <= limit) {
      if (data.length > 0) yield data;
    } else {
      for (let at = 0; at < data.length; at += limit) yield data.subarray(at, at + limit);
    }
  }
}

/** Messages for a byte sink, neighbours joined so that a batch of small ones is one write. */
function* gathered(batch: readonly Datagram[], options: PumpOptions): Generator<Uint8Array> {
  const limit = Math.min(options.blockBytes ?? Infinity, gatherBytes);
  for (let first = 0; first < batch.length;) {
    let bytes = cut(batch[first]!, options).data.length;
    let end = first + 1;
    while (end < batch.length && bytes + batch[end]!.data.length <= limit) bytes += batch[end++]!.data.length;
    if (bytes > 0) yield end === first + 1 ? cut(batch[first]!, options).data : joined(batch.slice(first, end), bytes);
    first = end;
  }
}

function joined(batch: readonly Datagram[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const { data } of batch) {
    all.set(data, at);
    at += data.length;
  }
  return all;
}

function cut(datagram: Datagram, { blockBytes = Infinity, onCut }: PumpOptions): Datagram {
  if (datagram.data.length <= blockBytes) return datagram;
  onCut?.(datagram.data.length);
  return { ...datagram, data: datagram.data.subarray(0, blockBytes) };
}

async function from<T>(side: Side, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw onSide(side, error);
  }
}

function onSide(side: Side, error: unknown): unknown {
  if (error instanceof L7mpError) error.side ??= side;
  return error;
}

function untouched({ steps, tap, blockBytes }: PumpOptions): boolean {
  return steps.length === 0 && tap === undefined && blockBytes === undefined;
}

const table: readonly Entry[] = [
  {
    name: "native",
    can: ({ native: source }, { native: sink }, options) =>
      isNativeByteHandle(source) && isNativeByteHandle(sink) && untouched(options),
    run: nativeLoop,
  },
  {
    name: "bytes",
    can: (source, sink, options) => source.kind === "byte" && sink.kind === "byte" && untouched(options),
    run: byteLoop,
  },
  { name: "plain", can: () => true, run: plainLoop },
];
