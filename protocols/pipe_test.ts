// @ts-types="../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { ConnectError } from "../lib/errors.ts";
import type { Direction } from "../lib/protocol.ts";
import type { ByteStream } from "../lib/stream/stream.ts";
import { localContext } from "../tests/support/local_context.ts";
import { bytesOf, patternBytes, readAll, readBytes, settledAt, textOf } from "../tests/support/streams.ts";
import { pipe } from "./pipe.ts";

async function start(document: Record<string, unknown> = {}, direction: Direction = "both") {
  return await pipe.connect!(pipe.spec.parse(document, ""), localContext({ direction })) as ByteStream;
}

const has = async (path: string) => (await Deno.lstat(path).catch(() => undefined)) !== undefined;

Deno.test("PIPE without a path gives back what was written, then the end", async () => {
  const stream = await start();
  await stream.write(bytesOf("hello"));
  await stream.closeWrite();
  assertEquals(textOf(await readAll(stream)), "hello");
  stream.abort();
});

Deno.test("PIPE without a path takes 64 KiB before it waits for its reader", async () => {
  const stream = await start();
  let written = 0;
  const writing = (async () => {
    for (let i = 0; i < 200; i++) {
      await stream.write(patternBytes(1000));
      written += 1000;
    }
    await stream.closeWrite();
  })();
  assertEquals(await settledAt(() => written), 65_000);
  assertEquals((await readAll(stream)).length, 200_000);
  await writing;
  stream.abort();
});

Deno.test("PIPE with a path makes the pipe, passes bytes both ways and removes it", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/p`;
  const stream = await start({ path, mode: "600" });
  const { isFifo, mode } = await Deno.stat(path);
  assertEquals([isFifo, mode! & 0o777], [true, 0o600]);
  const writer = await Deno.open(path, { write: true });
  await writer.write(bytesOf("in"));
  assertEquals(textOf(await readBytes(stream, 2)), "in");
  writer.close();
  await stream.write(bytesOf("out"));
  assertEquals(textOf(await readBytes(stream, 3)), "out");
  stream.abort();
  assertEquals(await has(path), false);
  await Deno.remove(folder);
});

Deno.test("PIPE leaves a pipe that was there, and refuses what is none", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/p`;
  await new Deno.Command("mkfifo", { args: [path] }).output();
  (await start({ path })).abort();
  assertEquals(await has(path), true);
  await Deno.writeTextFile(`${folder}/file`, "x");
  await assertRejects(() => start({ path: `${folder}/file` }), ConnectError, "Not a named pipe");
  assertEquals(await Deno.readTextFile(`${folder}/file`), "x");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("PIPE with a path writes while a read waits", async () => {
  const folder = await Deno.makeTempDir();
  const stream = await start({ path: `${folder}/p` });
  const reading = stream.read();
  await stream.write(bytesOf("to myself"));
  assertEquals(textOf((await reading)!), "to myself");
  stream.abort();
  await Deno.remove(folder);
});

Deno.test("PIPE one way waits for its peer until the signal says no more, and removes what it made", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/p`;
  const directions = ["read", "write"] as const;
  for (const direction of directions) {
    // Each of them is opened by another call of the runtime.
    for (const options of [{}, { umask: "77" }, { sync: true }, { sync: true, umask: "77" }]) {
      const abort = new AbortController();
      const context = localContext({ direction, signal: abort.signal });
      const opening = pipe.connect!(pipe.spec.parse({ path, ...options }, ""), context);
      while (!await has(path)) await new Promise((resolve) => setTimeout(resolve, 1));
      // That it waits cannot be seen; what is only about to wait is given up, too.
      await new Promise((resolve) => setTimeout(resolve, 10));
      const reason = new Error("on purpose");
      abort.abort(reason);
      assertEquals(await opening.then(() => "open", (error) => error), reason);
      assertEquals(await has(path), false);
    }
  }
  await Deno.remove(folder);
});

Deno.test("PIPE has its permissions while it waits for its peer", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/p`;
  const opening = start({ path, mode: "622" }, "read");
  while ((await Deno.stat(path).catch(() => undefined))?.mode !== 0o10622) {
    assertEquals(await Promise.race([opening.then(() => "open"), Promise.resolve("waiting")]), "waiting");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  (await Deno.open(path, { write: true })).close();
  (await opening).abort();
  await Deno.remove(folder);
});

Deno.test("PIPE with nonblock waits for data that is not there yet", async () => {
  const folder = await Deno.makeTempDir();
  const stream = await start({ path: `${folder}/p`, nonblock: true });
  const reading = stream.read();
  assertEquals(await Promise.race([reading, Promise.resolve("waits")]), "waits");
  await stream.write(bytesOf("late"));
  assertEquals(textOf((await reading)!), "late");
  stream.abort();
  await Deno.remove(folder);
});
