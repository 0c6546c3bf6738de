/** The contract of `ByteStream`, test by test. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertRejects, assertStrictEquals } from "@std/assert";
import { L7mpError, StreamError } from "../../lib/errors.ts";
import { oneByte } from "../support/one_byte.ts";
import { bytesOf, patternBytes, readAll, readBytes, settledAt, textOf } from "../support/streams.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import type { ContractTest } from "./protocol_suite.ts";

const heldBackBytes = 16 << 20;
const largeBytes = 64 << 20;
const blockBytes = 65_536;

export const byteTests: readonly ContractTest<ByteStream>[] = [
  {
    name: "gives what was written, in order",
    async run({ near, far }) {
      const sent = patternBytes(10_000);
      const writing = (async () => {
        for (let at = 0, size = 1; at < sent.length; at += size, size = size * 3 % 1009 + 1) {
          await near.write(sent.subarray(at, at + size));
        }
      })();
      assertEquals(await readBytes(far, sent.length), sent);
      await writing;
    },
  },
  {
    name: "passes single bytes",
    async run({ near, far }) {
      const sent = patternBytes(300);
      const writing = oneByte(near).write(sent);
      const reader = oneByte(far);
      for (const byte of sent) assertEquals(Array.from((await reader.read())!), [byte]);
      await writing;
    },
  },
  {
    name: "keeps a lent view until the next read",
    async run({ near, far }) {
      await near.write(bytesOf("first"));
      const view = (await far.read())!;
      const copy = view.slice();
      await near.write(bytesOf("second and longer"));
      await new Promise((resolve) => setTimeout(resolve, 0));
      assertEquals(view, copy);
      const rest = "first".length + "second and longer".length - view.length;
      assertEquals(textOf(copy) + textOf(await readBytes(far, rest)), "firstsecond and longer");
    },
  },
  {
    name: "keeps no reference to what was written",
    async run({ near, far }) {
      const buffer = bytesOf("before");
      await near.write(buffer);
      buffer.fill(0);
      assertEquals(textOf(await readBytes(far, 6)), "before");
    },
  },
  {
    name: "writes nothing for an empty write",
    async run({ near, far }) {
      await near.write(new Uint8Array(0));
      await near.write(bytesOf("x"));
      assertEquals(textOf((await far.read())!), "x");
    },
  },
  {
    name: "holds a writer back until its reader reads",
    async run({ near, far }, options) {
      const limit = options.heldBackBytes ?? heldBackBytes;
      const total = limit + (1 << 20);
      const block = patternBytes(blockBytes);
      let written = 0;
      const writing = (async () => {
        while (written < total) {
          await near.write(block);
          written += block.length;
        }
        await near.closeWrite();
      })();
      assertLess(await settledAt(() => written), limit, "the writer was never held back");
      let read = 0;
      for (let view = await far.read(); view !== null; view = await far.read()) {
        assertEquals(view[0], block[read % block.length]);
        read += view.length;
      }
      await writing;
      assertEquals(read, written);
    },
  },
  {
    name: "carries a large amount unchanged",
    async run({ near, far }, options) {
      const total = options.largeBytes ?? largeBytes;
      const blocks = [0, 1, 2].map((seed) => patternBytes(blockBytes + seed, seed));
      const writing = (async () => {
        for (let at = 0, i = 0; at < total; i++) {
          const block = blocks[i % 3]!.subarray(0, total - at);
          await near.write(block);
          at += block.length;
        }
        await near.closeWrite();
      })();
      let [read, block, at] = [0, 0, 0];
      for (let view = await far.read(); view !== null; view = await far.read()) {
        for (let used = 0; used < view.length;) {
          const expected = blocks[block % 3]!;
          const count = Math.min(view.length - used, expected.length - at);
          assert(
            sameBytes(view.subarray(used, used + count), expected.subarray(at, at + count)),
            `differs near ${read}`,
          );
          [used, at, read] = [used + count, at + count, read + count];
          if (at === expected.length) [block, at] = [block + 1, 0];
        }
      }
      await writing;
      assertEquals(read, total);
    },
  },
  {
    name: "half-closes from the near side",
    run: ({ near, far }) => halfClose(near, far),
  },
  {
    name: "half-closes from the far side",
    pairOnly: true,
    run: ({ near, far }) => halfClose(far, near),
  },
  {
    name: "ends a pending read by half-close",
    async run({ near, far }) {
      const reading = far.read();
      await near.closeWrite();
      assertEquals(await reading, null);
    },
  },
  {
    name: "keeps everything that was written before the half-close",
    async run({ near, far }) {
      const sent = patternBytes(30_000);
      await near.write(sent);
      await near.closeWrite();
      assertEquals(await readAll(far), sent);
    },
  },
  {
    name: "refuses to write after the half-close",
    async run({ near }) {
      await near.closeWrite();
      await assertRejects(() => near.write(bytesOf("x")), StreamError);
    },
  },
  {
    name: "may be closed and aborted twice",
    async run({ near }) {
      await near.closeWrite();
      await near.closeWrite();
      near.abort();
      near.abort();
      near.abort(new StreamError("late"));
    },
  },
  {
    name: "rejects pending and later calls with the reason of an abort",
    async run({ near }) {
      const reason = new StreamError("on purpose");
      const reading = near.read();
      near.abort(reason);
      assertStrictEquals(await reading.catch((error) => error), reason);
      assertStrictEquals(await near.read().catch((error) => error), reason);
      assertStrictEquals(await near.write(bytesOf("x")).catch((error) => error), reason);
    },
  },
  {
    name: "rejects a held back write on abort",
    async run({ near }, options) {
      const reason = new StreamError("on purpose");
      const block = patternBytes(blockBytes);
      let written = 0;
      const limit = 2 * (options.heldBackBytes ?? heldBackBytes);
      const writing = (async () => {
        while (written < limit) {
          await near.write(block);
          written += block.length;
        }
      })();
      const outcome = writing.catch((error) => error);
      await settledAt(() => written);
      near.abort(reason);
      assertStrictEquals(await outcome, reason);
    },
  },
  {
    name: "shows the peer an error after an abort in the middle",
    pairOnly: true,
    async run({ near, far }) {
      await near.write(bytesOf("half a mess"));
      await readBytes(far, 11);
      const reading = far.read().then((view) => view, (error) => error);
      near.abort(new StreamError("on purpose"));
      assert(await reading instanceof L7mpError, "the peer took the abort for an end");
    },
  },
  {
    name: "shows a writing peer an error after an abort",
    pairOnly: true,
    async run({ near, far }) {
      near.abort(new StreamError("on purpose"));
      const block = patternBytes(blockBytes);
      await assertRejects(async () => {
        for (let i = 0; i < 1000; i++) await far.write(block);
      }, L7mpError);
    },
  },
  {
    name: "closes cleanly when aborted without a reason",
    pairOnly: true,
    async run({ near, far }) {
      const sent = patternBytes(20_000);
      await near.write(sent);
      near.abort();
      assertEquals(await readAll(far), sent);
    },
  },
  {
    name: "closes cleanly when aborted after both ends",
    pairOnly: true,
    async run({ near, far }) {
      await far.closeWrite();
      assertEquals(await near.read(), null);
      const sent = patternBytes(20_000);
      await near.write(sent);
      await near.closeWrite();
      near.abort(new StreamError("late"));
      assertEquals(await readAll(far), sent);
    },
  },
];

async function halfClose(from: ByteStream, to: ByteStream): Promise<void> {
  await from.write(bytesOf("last words"));
  await from.closeWrite();
  assertEquals(textOf(await readAll(to)), "last words");
  assertEquals(await to.read(), null);
  if (from === to) return;
  await to.write(bytesOf("answer"));
  assertEquals(textOf(await readBytes(from, 6)), "answer");
  await to.closeWrite();
  assertEquals(await from.read(), null);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}
