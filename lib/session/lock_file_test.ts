// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { ConnectError } from "../errors.ts";
import { Log } from "../log.ts";
import { bytePair } from "../stream/memory.ts";
import { locked, takeLock } from "./lock_file.ts";

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await body(`${folder}/lock`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function start(wait: boolean) {
  const lines: string[] = [];
  const heard = Promise.withResolvers<void>();
  const write = (line: string) => {
    lines.push(line.replace(/^\S+ \S+ \S+ /, ""));
    heard.resolve();
  };
  const log = new Log({ level: "notice", format: "socat", program: "l7mp", microseconds: false, pid: 1, write });
  const abort = new AbortController();
  return { lines, heard: heard.promise, abort, options: { wait, log, signal: abort.signal } };
}

const there = (path: string) => Deno.stat(path).then(() => true, () => false);

/** The pid of a process that has ended. */
async function endedPid(): Promise<number> {
  const child = new Deno.Command("true").spawn();
  await child.status;
  return child.pid;
}

Deno.test("takeLock() makes a file with our pid, refuses a second holder, and removes the file", () =>
  inFolder(async (path) => {
    const { options } = start(false);
    const unlock = await takeLock(path, options);
    assertEquals(await Deno.readTextFile(path), `${Deno.pid}\n`);
    const message = `could not obtain lock "${path}", held by process ${Deno.pid}`;
    await assertRejects(() => takeLock(path, options), ConnectError, message);
    assertEquals(await there(path), true);
    unlock();
    assertEquals(await there(path), false);
    unlock();
    await Deno.writeTextFile(path, "");
    await assertRejects(() => takeLock(path, options), ConnectError, `could not obtain lock "${path}"`);
  }));

Deno.test("what removes a lock removes it once: the next holder may be of the same process", () =>
  inFolder(async (path) => {
    const { options } = start(false);
    const unlock = await takeLock(path, options);
    unlock();
    const next = await takeLock(path, options);
    unlock();
    assertEquals(await there(path), true);
    next();
    assertEquals(await there(path), false);
  }));

Deno.test("takeLock() leaves the file of somebody else where it is", () =>
  inFolder(async (path) => {
    const unlock = await takeLock(path, start(false).options);
    await Deno.writeTextFile(path, "1\n");
    unlock();
    assertEquals(await there(path), true);
  }));

Deno.test({
  name: "takeLock() says that the holder is gone, and takes nothing away",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (path) => {
      const pid = await endedPid();
      await Deno.writeTextFile(path, `${pid}\n`);
      const gone = `: process ${pid}, which made it, is gone; remove it`;
      const refused = await assertRejects(() => takeLock(path, start(false).options), ConnectError);
      assertEquals(refused.message, `could not obtain lock "${path}"${gone}`);
      const { options, lines, heard, abort } = start(true);
      const waiting = takeLock(path, options).catch((error) => error);
      await heard;
      abort.abort("over");
      assertEquals([await waiting, lines], ["over", [`W waiting for lock "${path}"${gone}`]]);
      assertEquals(await there(path), true);
    }),
});

Deno.test("takeLock() waits until nobody holds it", () =>
  inFolder(async (path) => {
    const { options, lines, heard } = start(true);
    const unlock = await takeLock(path, options);
    const waiting = takeLock(path, options);
    await heard;
    unlock();
    (await waiting)();
    assertEquals(lines, [`N waiting for lock "${path}", held by process ${Deno.pid}`]);
    assertEquals(await there(path), false);
  }));

Deno.test("takeLock() names a file that cannot be made", () =>
  inFolder(async (path) => {
    const error = await assertRejects(() => takeLock(`${path}/none`, start(true).options), ConnectError);
    assertEquals(error.message, `open("${path}/none", O_WRONLY|O_CREAT|O_EXCL): No such file or directory`);
  }));

Deno.test("locked() holds the lock until the stream is aborted, and not where none came about", () =>
  inFolder(async (path) => {
    const { options } = start(false);
    const [near] = bytePair();
    const stream = await locked(() => Promise.resolve(near), path, options);
    assertEquals(await there(path), true);
    stream.abort();
    assertEquals(await there(path), false);
    await assertRejects(
      () => locked(() => Promise.reject(new ConnectError("none")), path, options),
      ConnectError,
      "none",
    );
    assertEquals(await there(path), false);
  }));
