// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Duplex } from "node:stream";
import { StreamError } from "../errors.ts";
import { bytesOf, patternBytes, readAll, settledAt, textOf } from "../../tests/support/streams.ts";
import { freeBlock, fromDuplex, toDuplex } from "./duplex.ts";
import { bytePair } from "./memory.ts";
import type { ByteStream } from "./stream.ts";

/** `lower`, counting what was read from it and recording how it was let go. */
function observed(lower: ByteStream): { stream: ByteStream; seen: { read: number; aborts: unknown[] } } {
  const seen = { read: 0, aborts: [] as unknown[] };
  const stream: ByteStream = {
    kind: "byte",
    info: lower.info,
    async read() {
      const view = await lower.read();
      seen.read += view?.length ?? 0;
      return view;
    },
    write: (bytes) => lower.write(bytes),
    closeWrite: () => lower.closeWrite(),
    abort(reason) {
      seen.aborts.push(reason);
      lower.abort(reason);
    },
  };
  return { stream, seen };
}

function closed(duplex: Duplex): Promise<void> {
  return new Promise((resolve) => duplex.once("close", () => resolve()));
}

Deno.test("toDuplex() gives copies, since a lent view is only valid until the next read", async () => {
  const [near, far] = bytePair({ capacityBytes: 8 });
  const { duplex } = await toDuplex(far);
  const chunks: Uint8Array[] = [];
  duplex.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  await near.write(bytesOf("one"));
  await settledAt(() => chunks.length, 5);
  await near.write(bytesOf("TWO: overwrites the ring"));
  await near.closeWrite();
  duplex.end();
  await closed(duplex);
  assertEquals(chunks.map(textOf).join(""), "oneTWO: overwrites the ring");
  near.abort();
});

Deno.test("toDuplex() gives blocks of 64 KiB at the most, in order, whatever is lent", async () => {
  const sent = patternBytes(300_000);
  const [near, far] = bytePair({ capacityBytes: sent.length });
  const { duplex } = await toDuplex(far);
  await near.write(sent);
  await near.closeWrite();
  const chunks: Uint8Array[] = [];
  for await (const chunk of duplex) chunks.push(chunk as Uint8Array);
  assert(chunks.length >= 5 && chunks.every(({ length }) => length <= 65_536));
  assertEquals(new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer()), sent);
  duplex.destroy();
  near.abort();
});

Deno.test("toDuplex() for a library that keeps nothing passes views on, and frees what was written", async () => {
  const sent = patternBytes(200_000);
  const [near, far] = bytePair({ capacityBytes: sent.length });
  const { duplex } = await toDuplex(far, { keepsNothing: true });
  const taken: Uint8Array<ArrayBuffer>[] = [];
  let copies = 0;
  duplex.on("data", (chunk: Uint8Array) => {
    if (chunk.length === chunk.buffer.byteLength) copies++;
    taken.push(new Uint8Array(chunk));
  });
  await near.write(sent);
  await settledAt(() => taken.length, 5);
  assertEquals(new Uint8Array(await new Blob(taken).arrayBuffer()), sent);
  assertEquals(copies, 0);
  const written = patternBytes(50_000);
  await new Promise((resolve) => duplex.write(written, resolve));
  assertEquals(written.length, 0);
  assertEquals(await near.read(), patternBytes(50_000));
  duplex.destroy();
  near.abort();
});

Deno.test("freeBlock() leaves memory alone that others share", () => {
  const shared = new Uint8Array(20_000);
  freeBlock(shared.subarray(0, 10_000));
  assertEquals(shared.length, 20_000);
  freeBlock(shared);
  assertEquals(shared.length, 0);
});

Deno.test("toDuplex() closes plainly after the end of both halves", async () => {
  const [near, far] = bytePair();
  const { stream, seen } = observed(far);
  const { duplex } = await toDuplex(stream);
  duplex.resume();
  duplex.end("last words");
  await near.closeWrite();
  assertEquals(textOf(await readAll(near)), "last words");
  if (!duplex.closed) await closed(duplex);
  assertEquals(seen.aborts, [undefined]);
});

Deno.test("toDuplex() lets what is behind the stream below leave by itself, and only then lets go of it", async () => {
  for (const destroyed of [false, true]) {
    const [near, far] = bytePair();
    const { stream, seen } = observed(far);
    const asked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    stream.finished = () => {
      asked.resolve();
      return gone.promise;
    };
    const { duplex } = await toDuplex(stream);
    duplex.resume();
    const closing = closed(duplex);
    if (destroyed) duplex.destroy();
    else {
      duplex.end();
      await near.closeWrite();
    }
    await closing;
    assertEquals(await near.read(), null, "it does not hear that this was all");
    await asked.promise;
    assertEquals(seen.aborts, []);
    gone.resolve();
    await settledAt(() => seen.aborts.length, 5);
    assertEquals(seen.aborts, [undefined]);
    near.abort();
  }
});

Deno.test("toDuplex() aborts with the error it is destroyed with", async () => {
  const [near, far] = bytePair();
  const { stream, seen } = observed(far);
  const { duplex } = await toDuplex(stream);
  const reason = new StreamError("on purpose");
  duplex.destroy(reason);
  await closed(duplex);
  assertStrictEquals(seen.aborts[0], reason);
  await assertRejects(() => near.read(), StreamError, "reset");
});

Deno.test("toDuplex() keeps the error of the stream below, read or written, without an error listener", async () => {
  for (const use of ["read", "write"] as const) {
    const [near, far] = bytePair({ capacityBytes: 4 });
    const adapted = await toDuplex(far);
    if (use === "read") adapted.duplex.resume();
    else adapted.duplex.write("more than fits");
    near.abort(new StreamError("power failure"));
    await closed(adapted.duplex);
    assert(adapted.lowerError instanceof StreamError, String(adapted.lowerError));
    assert(adapted.lowerError.message.includes("reset"), adapted.lowerError.message);
  }
});

Deno.test("toDuplex() tells when the end below was seen", async () => {
  const [near, far] = bytePair();
  const adapted = await toDuplex(far);
  adapted.duplex.resume();
  await near.write(bytesOf("x"));
  await settledAt(() => Number(adapted.sawEnd), 5);
  assertEquals(adapted.sawEnd, false);
  await near.closeWrite();
  await new Promise<void>((resolve) => adapted.duplex.once("end", () => resolve()));
  assertEquals(adapted.sawEnd, true);
  adapted.duplex.destroy();
});

Deno.test("toDuplex() with a gate stops reading while the upper side is full, and goes on at demand", async () => {
  const [near, far] = bytePair();
  const { stream, seen } = observed(far);
  const adapted = await toDuplex(stream);
  // What node:tls does: it takes everything at once, whether its own reader reads or not.
  const upper = { readableLength: 0 };
  adapted.gate(upper);
  adapted.duplex.on("data", (chunk: Uint8Array) => upper.readableLength += chunk.length);
  const total = 2 << 20;
  const writing = (async () => {
    const block = patternBytes(65_536);
    for (let written = 0; written < total; written += block.length) await near.write(block);
    await near.closeWrite();
  })();
  assert(await settledAt(() => seen.read) < 300_000, `${seen.read} bytes were read`);
  const end = new Promise<void>((resolve) => adapted.duplex.once("end", () => resolve()));
  const reading = setInterval(() => {
    upper.readableLength = 0;
    adapted.demand();
  });
  await end;
  clearInterval(reading);
  await writing;
  assertEquals(seen.read, total);
  adapted.duplex.destroy();
});

Deno.test("fromDuplex() ends like the Duplex and lends plain arrays", async () => {
  const [near, far] = bytePair();
  const stream = fromDuplex((await toDuplex(far)).duplex, far.info);
  await near.write(bytesOf("abc"));
  const view = (await stream.read())!;
  assertEquals(Object.getPrototypeOf(view), Uint8Array.prototype);
  assertEquals(textOf(view), "abc");
  await near.closeWrite();
  assertEquals(await stream.read(), null);
  assertEquals(await stream.read(), null);
  stream.abort();
  near.abort();
});
