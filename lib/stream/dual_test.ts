// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { StreamError } from "../errors.ts";
import { dual } from "./dual.ts";
import { bytePair } from "./memory.ts";

Deno.test("dual() lets go of both halves when it is aborted, and tells both why", async () => {
  const [read, source] = bytePair();
  const [written, sink] = bytePair();
  const reason = new StreamError("enough");
  const stream = dual(read, written);
  stream.abort(reason);
  for (const half of [read, written]) {
    await assertRejects(() => half.read(), StreamError, "enough");
    await assertRejects(() => half.write(new Uint8Array(1)), StreamError, "enough");
  }
  for (const peer of [source, sink]) {
    await assertRejects(() => peer.read(), StreamError);
    peer.abort();
  }
});

Deno.test("dual() has finished when both halves have", async () => {
  for (const later of [0, 1]) {
    const [read, source] = bytePair();
    const [written, sink] = bytePair();
    const ends = [read, written].map((half) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      Object.assign(half, { finished: () => promise });
      return resolve;
    });
    const stream = dual(read, written);
    let finished = false;
    const done = stream.finished!().then(() => finished = true);
    ends[1 - later]!();
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(finished, false);
    ends[later]!();
    await done;
    for (const end of [stream, source, sink]) end.abort();
  }
});
