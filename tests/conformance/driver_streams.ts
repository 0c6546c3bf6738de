/** Of `Driver`: streams that are connected, and their ends. */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertLess, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { StreamError } from "../../lib/errors.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { bytesOf, patternBytes, readAll, readBytes, settledAt, textOf } from "../support/streams.ts";
import { abstractName, echoesHalves, listen, never, pair, rejection, type Test, unixPath } from "./driver_scene.ts";

async function sameDigest({ near, far }: { near: ByteStream; far: ByteStream }, total: number): Promise<void> {
  const block = patternBytes(1_000_003);
  const sent = createHash("sha256");
  const received = createHash("sha256");
  const writing = (async () => {
    for (let left = total; left > 0;) {
      const part = block.subarray(0, Math.min(left, block.length));
      sent.update(part);
      await near.write(part);
      left -= part.length;
    }
    await near.closeWrite();
  })();
  let count = 0;
  for (let bytes = await far.read(); bytes; bytes = await far.read()) {
    received.update(bytes);
    count += bytes.length;
  }
  await writing;
  assertEquals(count, total);
  assertEquals(received.digest("hex"), sent.digest("hex"));
}

export const streamTests: Readonly<Record<string, Test>> = {
  "TCP tells both ends' addresses": async (scene) => {
    const { near, far } = await pair(scene);
    assertEquals(near.info.local, far.info.remote);
    assertEquals(near.info.remote, far.info.local);
    assert(far.info.local?.family === "inet" && far.info.local.host === "127.0.0.1");
    assertEquals(near.info.name, `AF=2 127.0.0.1:${far.info.local.port}`);
    assert(near.info.halfCloses && far.info.halfCloses);
  },
  "TCP half-closes both ways": async (scene) => {
    const { near, far } = await pair(scene);
    await echoesHalves({ near, far });
  },
  "TCP half-closes from the called side": async (scene) => {
    const { near, far } = await pair(scene);
    await echoesHalves({ near: far, far: near });
  },
  "TCP works over IPv6": async (scene) => {
    const { near, far } = await pair(scene, { family: "inet6", host: "::1", port: 0 });
    assertMatch(near.info.name, /^AF=10 \[::1\]:\d+$/);
    await echoesHalves({ near, far });
  },
  "UNIX stream half-closes both ways and removes its path": async (scene) => {
    const address = unixPath(scene, "socket");
    const { near, far } = await pair(scene, address);
    assertEquals(near.info.remote, address);
    assertEquals(far.info.local, address);
    await echoesHalves({ near, far });
    scene.driver.close();
    await assertRejects(() => Deno.lstat(address.path), Deno.errors.NotFound);
  },
  "a UNIX stream is named by the path it was reached at": async (scene) => {
    const bound = unixPath(scene, "bound");
    const linked = unixPath(scene, "linked");
    const listener = await listen(scene, bound);
    await Deno.link(bound.path, linked.path);
    const [near, far] = await Promise.all([scene.driver.connectStream(linked, {}, never), listener.accept()]);
    scene.defer(() => near.abort());
    scene.defer(() => far?.abort());
    assertEquals(near.info.remote, linked);
  },
  "abstract UNIX stream half-closes both ways": async (scene) => {
    const address = abstractName();
    const { near, far } = await pair(scene, address);
    assertEquals(near.info.remote, address);
    await echoesHalves({ near, far });
  },
  "an end that arrives with the last bytes is not missed": async (scene) => {
    for (let i = 0; i < 50; i++) {
      const { near, far } = await pair(scene);
      await near.write(patternBytes(10 + i));
      await near.closeWrite();
      if (i % 2) await new Promise((resolve) => setTimeout(resolve));
      assertEquals((await readAll(far)).length, 10 + i);
      await far.closeWrite();
      assertEquals(await near.read(), null);
    }
  },
  "an end that comes while a read waits ends it": async (scene) => {
    const { near, far } = await pair(scene);
    const reading = far.read();
    await new Promise((resolve) => setTimeout(resolve));
    await near.closeWrite();
    assertEquals(await reading, null);
    assertEquals(await far.read(), null);
  },
  "abort with a reason resets a TCP peer": async (scene) => {
    const { near, far } = await pair(scene);
    const reason = new StreamError("on purpose");
    await near.write(bytesOf("half a mess"));
    assertEquals(textOf(await readBytes(far, 11)), "half a mess");
    const pending = near.read();
    near.abort(reason);
    near.abort();
    assertStrictEquals(await pending.catch((error) => error), reason);
    assertStrictEquals(await near.write(bytesOf("x")).catch((error) => error), reason);
    const error = await rejection(far.read());
    assertEquals(error.code, "ECONNRESET");
    assertEquals(error.message, `read(${far.info.name}): Connection reset by peer`);
    assert(error instanceof StreamError);
  },
  "after a reset neither half looks like a clean end": async (scene) => {
    const { near, far } = await pair(scene);
    near.abort(new StreamError("on purpose"));
    // Whichever half meets the reset first, the other one must fail too.
    let writeError: unknown;
    while (!writeError) {
      writeError = await far.write(bytesOf("x")).then(() => undefined, (error) => error);
      await new Promise((resolve) => setTimeout(resolve));
    }
    await assertRejects(() => far.read(), StreamError);
  },
  "abort with a reason after both halves ended is a plain close": async (scene) => {
    const { near, far } = await pair(scene);
    await near.write(patternBytes(100_000));
    await near.closeWrite();
    await far.closeWrite();
    assertEquals(await near.read(), null);
    near.abort(new StreamError("late"));
    assertEquals((await readAll(far)).length, 100_000);
  },
  "abort without a reason loses nothing that was written": async (scene) => {
    const { near, far } = await pair(scene);
    const sent = patternBytes(3_000_000);
    const writing = near.write(sent);
    const first = (await far.read())!.slice();
    const rest = writing.then(() => near.abort());
    const received = [first, await readAll(far)];
    await rest;
    assertEquals(received[0]!.length + received[1]!.length, sent.length);
  },
  "abort without a reason loses nothing although the peer's bytes were not read": async (scene) => {
    const { near, far } = await pair(scene);
    const sent = patternBytes(200_000);
    await far.write(bytesOf("never read"));
    await near.write(sent);
    near.abort();
    assertEquals((await readAll(far)).length, sent.length);
  },
  "what arrived before sending failed is still read, and then the failure is told": async (scene) => {
    const { near, far } = await pair(scene);
    await near.write(new Uint8Array(1));
    await far.write(patternBytes(100_000));
    // A byte of the other side is unread, so closing resets.
    far.abort(new StreamError("on purpose"));
    await assertRejects(async () => {
      for (;;) {
        await near.write(new Uint8Array(1));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }, StreamError);
    let count = 0;
    const end = (async () => {
      for (let bytes = await near.read(); bytes; bytes = await near.read()) count += bytes.length;
    })();
    await assertRejects(() => end, StreamError);
    assertEquals(count, 100_000);
    await assertRejects(() => near.write(new Uint8Array(1)), StreamError);
  },
  "a write waits for a slow reader": async (scene) => {
    const { near, far } = await pair(scene);
    const block = patternBytes(65_536);
    const total = 40 << 20;
    let written = 0;
    const writing = (async () => {
      for (; written < total; written += block.length) await near.write(block);
      await near.closeWrite();
    })();
    assertLess(await settledAt(() => written), 24 << 20, "the writer was never held back");
    let count = 0;
    for (let bytes = await far.read(); bytes; bytes = await far.read()) count += bytes.length;
    await writing;
    assertEquals(count, total);
  },
  "64 MiB pass TCP unchanged": async (scene) => sameDigest(await pair(scene), 64 << 20),
  "64 MiB pass a UNIX stream unchanged": async (scene) => sameDigest(await pair(scene, unixPath(scene, "s")), 64 << 20),
  "both directions run at once": async (scene) => {
    const { near, far } = await pair(scene);
    await Promise.all([sameDigest({ near, far }, 16 << 20), sameDigest({ near: far, far: near }, 16 << 20)]);
  },
  "a lent view stays as it is while other sessions read": async (scene) => {
    const pairs = await Promise.all(Array.from({ length: 20 }, () => pair(scene)));
    const views = await Promise.all(pairs.map(async ({ near, far }, i) => {
      await near.write(new Uint8Array(5000).fill(i));
      return await far.read();
    }));
    views.forEach((view, i) => assert(view!.every((byte) => byte === i), `view ${i} was overwritten`));
  },
  "busy streams let timers run": async (scene) => {
    const { near, far } = await pair(scene);
    let stop = false;
    const writing = (async () => {
      while (!stop) await near.write(new Uint8Array(1000));
      await near.closeWrite();
    })();
    const reading = readAll(far);
    await new Promise((resolve) => setTimeout(resolve, 20));
    stop = true;
    await writing;
    await reading;
  },
};
