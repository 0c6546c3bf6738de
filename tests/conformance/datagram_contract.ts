/** The contract of `DatagramStream`, test by test. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertStrictEquals } from "@std/assert";
import { L7mpError, StreamError } from "../../lib/errors.ts";
import type { DatagramStream } from "../../lib/stream/stream.ts";
import { bytesOf, patternBytes, receiveSome, settledAt, textOf } from "../support/streams.ts";
import type { ContractTest } from "./protocol_suite.ts";

const heldBackBytes = 16 << 20;
const largeBytes = 64 << 20;

const datagram = (text: string) => ({ data: bytesOf(text) });

export const datagramTests: readonly ContractTest<DatagramStream>[] = [
  {
    name: "keeps boundaries and order",
    async run({ near, far }) {
      const sizes = [1, 2, 1400, 7, 300, 1];
      await near.send(sizes.map((size, i) => ({ data: patternBytes(size, i) })));
      const received = await receiveSome(far, sizes.length);
      assertEquals(received, sizes.map((size, i) => patternBytes(size, i)));
    },
  },
  {
    name: "carries an empty datagram, which is no end",
    async run({ near, far }) {
      await near.send([datagram("a"), datagram(""), datagram("b")]);
      assertEquals((await receiveSome(far, 3)).map(textOf), ["a", "", "b"]);
    },
  },
  {
    name: "keeps no reference to what was sent",
    async run({ near, far }) {
      const data = bytesOf("before");
      await near.send([{ data }]);
      data.fill(0);
      assertEquals((await receiveSome(far, 1)).map(textOf), ["before"]);
    },
  },
  {
    name: "keeps lent datagrams until the next receive",
    async run({ near, far }) {
      await near.send([datagram("first")]);
      const batch = (await far.receive())!;
      await near.send([datagram("SECOND")]);
      await new Promise((resolve) => setTimeout(resolve, 0));
      assertEquals(batch.map(({ data }) => textOf(data)), ["first"]);
      assertEquals((await receiveSome(far, 1)).map(textOf), ["SECOND"]);
    },
  },
  {
    name: "keeps the type of a message",
    async run({ near, far }) {
      await near.send([{ ...datagram("t"), meta: { type: "text" } }, { ...datagram("b"), meta: { type: "binary" } }]);
      const types = [];
      while (types.length < 2) for (const { meta } of (await far.receive())!) types.push(meta?.type);
      assertEquals(types, ["text", "binary"]);
    },
  },
  {
    name: "carries a large message",
    async run({ near, far }, options) {
      const size = Math.min(near.maxDatagramBytes ?? Infinity, options.largeBytes ?? largeBytes);
      const data = patternBytes(size);
      const sending = near.send([{ data }]);
      const [received] = await receiveSome(far, 1);
      await sending;
      assertEquals(received!.length, size);
      assert(received!.every((byte, i) => byte === data[i]), "the bytes differ");
    },
  },
  {
    name: "bounds what waits for a reader that does not read",
    async run({ near, far }, options) {
      const limit = options.heldBackBytes ?? heldBackBytes;
      const data = patternBytes(1024);
      let sent = 0;
      const before = near.dropped + far.dropped;
      const dropped = () => near.dropped + far.dropped - before;
      const total = 2 * limit;
      const sending = (async () => {
        while (sent < total) {
          await near.send([{ data }]);
          sent += data.length;
        }
      })().catch(() => {});
      const held = await settledAt(() => sent);
      if (held >= total) assert(dropped() > 0, "everything was taken and nothing dropped");
      else assertLess(held, limit);
      near.abort(new StreamError("on purpose"));
      await sending;
    },
  },
  {
    name: "ends by closeWrite, after everything sent",
    async run({ near, far }) {
      await near.send([datagram("last")]);
      await near.closeWrite();
      assertEquals((await receiveSome(far, 2)).map(textOf), ["last"]);
      assertEquals(await far.receive(), null);
    },
  },
  {
    name: "goes on in the other direction after closeWrite",
    pairOnly: true,
    async run({ near, far }) {
      await near.closeWrite();
      await far.send([datagram("answer")]);
      assertEquals((await receiveSome(near, 1)).map(textOf), ["answer"]);
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
      const receiving = near.receive();
      near.abort(reason);
      assertStrictEquals(await receiving.catch((error) => error), reason);
      assertStrictEquals(await near.receive().catch((error) => error), reason);
      assertStrictEquals(await near.send([datagram("x")]).catch((error) => error), reason);
    },
  },
  {
    name: "shows the peer an error after an abort in the middle",
    pairOnly: true,
    async run({ near, far }) {
      await near.send([datagram("one")]);
      await receiveSome(far, 1);
      const receiving = far.receive().catch((error) => error);
      near.abort(new StreamError("on purpose"));
      assert(await receiving instanceof L7mpError, "the peer took the abort for an end");
    },
  },
];
