/**
 * What every layer promises, as tests that any layer runs: the contract of the stream it makes, over memory streams
 * and over streams that move one byte at a time, and that it releases what lies under it.
 *
 *     layerSuite("WebSocket", "datagram", layerPair(ws, { client: {}, server: {} }));
 */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { StreamError } from "../../lib/errors.ts";
import type { Layer } from "../../lib/protocol.ts";
import { bytePair } from "../../lib/stream/memory.ts";
import type { ByteStream, DatagramStream, Stream } from "../../lib/stream/stream.ts";
import { testContext } from "../support/context.ts";
import { oneByte } from "../support/one_byte.ts";
import { type Pair, protocolSuite, type SuiteOptions } from "./protocol_suite.ts";

/** Makes both sides of the layer over two connected streams. */
export type OpenOver = (near: ByteStream, far: ByteStream) => Promise<Pair<Stream>>;

/** What a reader that does not read may hold back: the layer's own buffers on top of two of 64 KiB. */
const heldBackBytes = 4 << 20;
/** One byte at a time everything takes longer, and less is held back. */
const oneByteHeldBackBytes = 512 << 10;
const oneByteLargeBytes = 20_000;

/** Settings of both sides, in the document's form. */
export interface LayerSpecs {
  readonly client: Record<string, unknown>;
  readonly server: Record<string, unknown>;
}

export function layerPair<Spec>(
  layer: Layer<Spec>,
  specs: LayerSpecs,
): (near: Stream, far: Stream) => Promise<Pair<Stream>> {
  return async (near, far) => {
    const context = testContext();
    const connecting = layer.client!(near, layer.spec.parse(specs.client, ""), context);
    const incoming = await layer.server!(far, layer.spec.parse(specs.server, ""), context);
    const [client, server] = await Promise.all([connecting, incoming.accept(context.signal)]);
    return { near: client, far: server };
  };
}

export function layerSuite(
  name: string,
  kind: "byte" | "datagram",
  openOver: OpenOver,
  options: SuiteOptions = {},
): void {
  const open = (cut: (lower: ByteStream) => ByteStream) => async () => {
    const [near, far] = bytePair();
    return await openReleased(openOver, cut(near), cut(far));
  };
  run(name, open((lower) => lower), { heldBackBytes, ...options });
  run(`${name} one byte at a time`, open(oneByte), {
    heldBackBytes: oneByteHeldBackBytes,
    ...options,
    largeBytes: Math.min(oneByteLargeBytes, options.largeBytes ?? Infinity),
  });

  function run(name: string, open: () => Promise<Pair<Stream>>, options: SuiteOptions): void {
    if (kind === "byte") protocolSuite(name, kind, open as () => Promise<Pair<ByteStream>>, options);
    else protocolSuite(name, kind, open as () => Promise<Pair<DatagramStream>>, options);
  }

  for (const side of ["near", "far"] as const) {
    Deno.test(`${name} passes an error of the stream below on (${side})`, async () => {
      const [near, far] = bytePair();
      const pair = await openReleased(openOver, near, far);
      const reason = new StreamError("the cable is cut", { code: "ECUT" });
      const reading = nextOf(pair[side]).then(() => undefined, (error) => error);
      (side === "near" ? near : far).abort(reason);
      const error = await reading;
      assert(error instanceof StreamError, `not an error of ours: ${error}`);
      assert(error.message.includes("the cable is cut"), error.message);
      await release(pair);
    });
    Deno.test(`${name} tells a lost connection from an end (${side})`, async () => {
      const [near, far] = bytePair();
      const pair = await openReleased(openOver, near, far);
      const reading = nextOf(pair[side]).then(() => undefined, (error) => error);
      (side === "near" ? far : near).abort(new StreamError("power failure"));
      assert(await reading instanceof StreamError, "the loss looks like an end");
      await release(pair);
    });
  }
  Deno.test(`${name} releases the stream below after both ends`, async () => {
    const [near, far] = bytePair();
    const pair = await openReleased(openOver, near, far);
    await Promise.all([pair.near.closeWrite(), pair.far.closeWrite()]);
    assertEquals(await nextOf(pair.near), null);
    assertEquals(await nextOf(pair.far), null);
    await release(pair);
  });
}

function nextOf(stream: Stream): Promise<unknown> {
  return stream.kind === "byte" ? stream.read() : stream.receive();
}

async function release(pair: Pair<Stream>): Promise<void> {
  pair.near.abort();
  pair.far.abort();
  await pair.close!();
}

/** The layer over both, and a `close` that waits until it has released them: a layer may say goodbye first. */
async function openReleased(openOver: OpenOver, near: ByteStream, far: ByteStream): Promise<Pair<Stream>> {
  const [watchedNear, nearReleased] = watch(near);
  const [watchedFar, farReleased] = watch(far);
  const pair = await openOver(watchedNear, watchedFar);
  return {
    ...pair,
    async close() {
      await Promise.all([nearReleased, farReleased]);
    },
  };
}

function watch(lower: ByteStream): [ByteStream, Promise<void>] {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watched: ByteStream = {
    kind: "byte",
    info: lower.info,
    read: () => lower.read(),
    write: (bytes) => lower.write(bytes),
    closeWrite: () => lower.closeWrite(),
    abort(reason) {
      lower.abort(reason);
      resolve();
    },
  };
  return [watched, promise];
}
