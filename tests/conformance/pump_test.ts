// Every entry of pump()'s table keeps the same promises: nothing is lost or reordered, a slow sink holds the source back,
// what failed is named, and what moved is counted.
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess } from "@std/assert";
import { StreamError } from "../../lib/errors.ts";
import type { Driver } from "../../lib/driver.ts";
import { delegateDatagrams } from "../../lib/stream/delegate.ts";
import { bytePair, datagramPair } from "../../lib/stream/memory.ts";
import { pump, type PumpOptions } from "../../lib/stream/pump.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { driverNames, openDriver } from "../support/drivers.ts";
import { bytesOf, patternBytes, readAll, readBytes, receiveSome, settledAt, textOf } from "../support/streams.ts";

/** A source and a sink with their peers: `writer` is who says what the source gives, `reader` who gets it. */
interface Scene {
  readonly writer: ByteStream;
  readonly source: ByteStream;
  readonly sink: ByteStream;
  readonly reader: ByteStream;
}

type Pair = (driver: Driver) => Promise<[ByteStream, ByteStream]>;

const memory: Pair = async () => bytePair();
const never = new AbortController().signal;
const tcp: Pair = async (driver) => {
  const listener = await driver.listenStream({ family: "inet", host: "127.0.0.1", port: 0 }, { backlog: 1 });
  const [near, far] = await Promise.all([driver.connectStream(listener.local, {}, never), listener.accept()]);
  listener.close();
  return [near, far!];
};

interface Entry {
  readonly name: string;
  readonly source: Pair;
  readonly sink: Pair;
  readonly options?: Partial<PumpOptions>;
}

const entries: readonly Entry[] = [
  { name: "bytes", source: memory, sink: memory },
  { name: "plain", source: memory, sink: memory, options: { tap() {} } },
  ...(driverNames.includes("native")
    ? [
      { name: "native", source: tcp, sink: tcp },
      { name: "bytes from a socket", source: tcp, sink: memory },
      { name: "bytes to a socket", source: memory, sink: tcp },
      { name: "plain between sockets", source: tcp, sink: tcp, options: { tap() {} } },
    ]
    : []),
];

function start({ source, sink }: Scene, changes: Partial<PumpOptions> = {}) {
  const options: PumpOptions = {
    steps: [],
    payload: "byte",
    flow: { bytes: 0, messages: 0 },
    activity: { at: 0 },
    sides: { source: "downstream", sink: "upstream" },
    ...changes,
  };
  return { ...options, done: pump(source, sink, options) };
}

for (const { name, source, sink, options } of entries) {
  const pumpTest = (what: string, run: (scene: Scene) => Promise<void>) =>
    Deno.test(`pump() ${name}: ${what}`, async () => {
      const driver = await openDriver(driverNames[0]!);
      const [writer, from] = await source(driver);
      const [to, reader] = await sink(driver);
      try {
        await run({ writer, source: from, sink: to, reader });
      } finally {
        for (const stream of [writer, from, to, reader]) stream.abort();
        await driver.close();
      }
    });

  pumpTest("moves everything in order, counts it, and leaves the sink open", async (scene) => {
    const { writer, sink, reader } = scene;
    const before = performance.now();
    const { done, flow, activity } = start(scene, options);
    const sent = patternBytes(3_000_000);
    const writing = (async () => {
      for (let at = 0, size = 1; at < sent.length; at += size, size = size * 7 % 200_003 + 1) {
        await writer.write(sent.subarray(at, at + size));
      }
      await writer.closeWrite();
    })();
    assertEquals(await readBytes(reader, sent.length), sent);
    await writing;
    await done;
    assertEquals(flow.bytes, sent.length);
    assert(flow.messages > 1 && activity.at >= before);
    await sink.write(bytesOf("more"));
    assertEquals(textOf(await readBytes(reader, 4)), "more");
  });

  pumpTest("notes that data moved while more is awaited", async (scene) => {
    const { done, flow, activity } = start(scene, options);
    const before = performance.now();
    await scene.writer.write(bytesOf("x"));
    assertEquals(textOf(await readBytes(scene.reader, 1)), "x");
    while (flow.bytes === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals([flow.bytes, flow.messages], [1, 1]);
    assert(activity.at >= before, "no activity");
    await scene.writer.closeWrite();
    await done;
  });

  pumpTest("holds the source back while nobody reads, and loses nothing by it", async (scene) => {
    const { writer, sink, reader } = scene;
    const { done } = start(scene, options);
    const block = patternBytes(65_536);
    const total = 48 << 20;
    let written = 0;
    const writing = (async () => {
      for (; written < total; written += block.length) await writer.write(block);
      await writer.closeWrite();
    })();
    assertLess(await settledAt(() => written), 32 << 20, "the writer was never held back");
    const reading = (async () => {
      let read = 0;
      for (let view = await reader.read(); view; view = await reader.read()) {
        for (const at of [0, view.length - 1]) assertEquals(view[at], block[(read + at) % block.length]);
        read += view.length;
      }
      return read;
    })();
    await writing;
    await done;
    await sink.closeWrite();
    assertEquals(await reading, total);
  });

  pumpTest("names the side that failed", async (scene) => {
    const { done } = start(scene, options);
    const failed = done.then(() => "nothing", (error) => error.side);
    scene.writer.abort(new StreamError("gone"));
    assertEquals(await failed, "downstream");
  });

  pumpTest("names the side that takes no more", async (scene) => {
    const { done } = start(scene, options);
    const failed = done.then(() => "nothing", (error) => error.side);
    scene.reader.abort(new StreamError("gone"));
    const writing = (async () => {
      for (;;) await scene.writer.write(new Uint8Array(65_536));
    })().catch(() => {});
    assertEquals(await failed, "upstream");
    scene.source.abort(new StreamError("over"));
    await writing;
  });

  pumpTest("ends at once when the source ends without a byte", async (scene) => {
    const { done, flow } = start(scene, options);
    await scene.writer.closeWrite();
    await done;
    assertEquals(flow, { bytes: 0, messages: 0 });
    await scene.sink.closeWrite();
    assertEquals((await readAll(scene.reader)).length, 0);
  });
}

Deno.test("pump() counts what a datagram sink took, without what it dropped, and names the side that failed", async () => {
  const [writer, source] = datagramPair();
  const [sink, reader] = datagramPair();
  let dropped = 0;
  const leaky = Object.assign(Object.create(sink), {
    kind: "datagram",
    info: sink.info,
    send: (batch: readonly { readonly data: Uint8Array }[]) => {
      const kept = batch.filter(({ data }) => data.length < 5);
      dropped += batch.length - kept.length;
      return sink.send(kept);
    },
  });
  Object.defineProperty(leaky, "dropped", { get: () => dropped });
  const { done, flow } = start({ source, sink: leaky } as unknown as Scene, { payload: "datagram" });
  await writer.send(["a", "too long", "b"].map((text) => ({ data: bytesOf(text) })));
  assertEquals((await receiveSome(reader, 2)).map(textOf), ["a", "b"]);
  writer.abort(new StreamError("gone"));
  const error = await done.catch((error) => error);
  assertEquals([flow.messages, error.side], [2, "downstream"]);
  for (const stream of [source, sink, reader]) stream.abort();
});

Deno.test("pump() counts no less than nothing of what a sink takes that loses what comes from it meanwhile", async () => {
  const [writer, source] = datagramPair();
  const [sink, reader] = datagramPair();
  let dropped = 0;
  const losing = delegateDatagrams(sink, {
    send: (batch) => {
      dropped += 100;
      return sink.send(batch);
    },
  });
  Object.defineProperty(losing, "dropped", { get: () => dropped });
  const { done, flow } = start({ source, sink: losing } as unknown as Scene, { payload: "datagram" });
  await writer.send([{ data: bytesOf("a") }]);
  await receiveSome(reader, 1);
  await writer.closeWrite();
  await done;
  assertEquals(flow, { bytes: 1, messages: 0 });
  for (const stream of [source, sink, reader]) stream.abort();
});
