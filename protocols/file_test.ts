// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { ConfigError, ConnectError, StreamError } from "../lib/errors.ts";
import type { Context, Direction, Protocol } from "../lib/protocol.ts";
import type { ByteStream } from "../lib/stream/stream.ts";
import { bytePair } from "../lib/stream/memory.ts";
import { fakeDriver, testContext } from "../tests/support/fake_driver.ts";
import { localContext } from "../tests/support/local_context.ts";
import { bytesOf, patternBytes, readAll, readBytes, textOf } from "../tests/support/streams.ts";
import { create, gopen, open } from "./file.ts";

async function start<T>(
  protocol: Protocol<T>,
  document: Record<string, unknown>,
  direction: Direction = "both",
  context: Partial<Context> = {},
) {
  const spec = protocol.spec.parse(document, "");
  protocol.check?.(spec, { role: "local", direction });
  return await protocol.connect!(spec, localContext({ direction, ...context })) as ByteStream;
}

async function inTempFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function put(stream: ByteStream, text: string): Promise<void> {
  await stream.write(bytesOf(text));
  await stream.closeWrite();
  stream.abort();
}

async function get(stream: ByteStream): Promise<string> {
  const text = textOf(await readAll(stream));
  stream.abort();
  return text;
}

const has = async (path: string) => (await Deno.lstat(path).catch(() => undefined)) !== undefined;
const modeOf = async (path: string) => (await Deno.stat(path)).mode! & 0o777;

Deno.test("OPEN reads a file and gives its end", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    const content = patternBytes(1_500_000);
    await Deno.writeFile(path, content);
    const stream = await start(open, { path }, "read");
    assertEquals(await readAll(stream), content);
    assertEquals(await stream.read(), null);
    stream.abort();
  }));

Deno.test("OPEN reads on after the end when the file grew", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    await Deno.writeTextFile(path, "one");
    const stream = await start(open, { path, rdonly: true });
    assertEquals(textOf(await readAll(stream)), "one");
    await Deno.writeTextFile(path, "two", { append: true });
    assertEquals(textOf((await stream.read())!), "two");
    stream.abort();
  }));

Deno.test("READFILE only reads, APPENDFILE only adds, whatever the session does with the other half", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    const typed = (name: string) => open.types.find(({ names }) => names.includes(name))!.preset as object;
    await put(await start(open, { path, ...typed("APPENDFILE") }), "abc");
    const added = await start(open, { path, ...typed("APPENDFILE") });
    assertEquals(await added.read(), null);
    await put(added, "def");
    const stream = await start(open, { path, ...typed("READFILE") });
    await assertRejects(() => stream.write(bytesOf("x")), StreamError, "opened for reading only");
    assertEquals(await get(stream), "abcdef");
    const check = (spec: object) =>
      open.check!(open.spec.parse({ path, ...spec }, ""), { role: "local", direction: "both" });
    assertThrows(() => check({ excl: true, creat: false }), ConfigError, 'option "excl" needs "creat"');
    check({ excl: true });
  }));

Deno.test("OPEN options creat, append, trunc and excl", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    await assertRejects(
      () => start(open, { path }),
      ConnectError,
      `open("${path}", O_RDWR): No such file or directory`,
    );
    await put(await start(open, { path, creat: true, wronly: true, append: true }), "abc");
    await put(await start(open, { path, creat: true, wronly: true, append: true }), "abc");
    assertEquals(await Deno.readTextFile(path), "abcabc");
    await put(await start(open, { path }, "write"), "X");
    assertEquals(await Deno.readTextFile(path), "Xbcabc");
    await put(await start(open, { path, trunc: true }, "write"), "new");
    assertEquals(await Deno.readTextFile(path), "new");
    await put(await start(open, { path, trunc: true, append: true }, "write"), "newer");
    assertEquals(await Deno.readTextFile(path), "newer");
    const error = await assertRejects(() => start(open, { path, creat: true, excl: true }, "write"), ConnectError);
    assertEquals([error.code, error.message], ["EEXIST", `open("${path}", O_WRONLY|O_CREAT|O_EXCL): File exists`]);
    await put(await start(open, { path: `${path}2`, creat: true, excl: true }, "write"), "x");
    assertEquals(await Deno.readTextFile(`${path}2`), "x");
  }));

Deno.test("OPEN option trunc empties also what is opened for reading only, and makes nothing", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    const missing = await assertRejects(() => start(open, { path, trunc: true }, "read"), ConnectError);
    assertEquals(missing.code, "ENOENT");
    assertEquals(await has(path), false);
    for (const more of [{}, { creat: true }, { rdonly: true }, { append: true }]) {
      await Deno.writeTextFile(path, "abc");
      assertEquals(await get(await start(open, { path, trunc: true, ...more }, "read")), "");
      assertEquals(await Deno.readTextFile(path), "");
    }
    // As O_TRUNC, which means nothing to what is no regular file.
    assertEquals(await get(await start(open, { path: "/dev/null", trunc: true }, "read")), "");
  }));

Deno.test("OPEN options seek, seek-cur, seek-end and ftruncate", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    await Deno.writeTextFile(path, "abcdef");
    for (const more of [{}, { nonblock: true }]) {
      assertEquals(await get(await start(open, { path, seek: 3, ...more }, "read")), "def");
      assertEquals(await get(await start(open, { path, seek: 1, seek_cur: 1, ...more }, "read")), "cdef");
      assertEquals(await get(await start(open, { path, seek_end: -2, ...more }, "read")), "ef");
      await assertRejects(() => start(open, { path, seek_end: -9, ...more }, "read"), ConnectError, "Invalid argument");
    }
    await put(await start(open, { path, seek: 2, sync: true }, "write"), "XY");
    assertEquals(await Deno.readTextFile(path), "abXYef");
    await put(await start(open, { path, ftruncate: 4 }, "write"), "");
    assertEquals(await Deno.readTextFile(path), "abXY");
    await put(await start(open, { path, ftruncate: 2, dsync: true }, "write"), "");
    assertEquals(await Deno.readTextFile(path), "ab");
  }));

Deno.test("OPEN options that only the system knows reach it: nonblock, noctty, sync, dsync, creat for reading", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    const flags = { nonblock: true, noctty: true, sync: true, dsync: true, append: true };
    await put(await start(open, { path, creat: true, ...flags }, "write"), "abc");
    await put(await start(open, { path, ...flags }, "write"), "def");
    assertEquals(await get(await start(open, { path, ...flags }, "read")), "abcdef");
    assertEquals(await get(await start(open, { path: `${path}2`, creat: true }, "read")), "");
    assertEquals(await has(`${path}2`), true);
    const error = await assertRejects(() => start(open, { path: `${folder}/none`, sync: true }, "read"), ConnectError);
    assertEquals(error.message, `open("${folder}/none", O_RDONLY|O_SYNC): No such file or directory`);
  }));

Deno.test("OPEN options mode, umask, user and group", () =>
  inTempFolder(async (folder) => {
    const [a, b] = [`${folder}/a`, `${folder}/b`];
    await put(await start(open, { path: a, creat: true, mode: "604" }, "write"), "");
    assertEquals(await modeOf(a), 0o604);
    const before = Deno.umask();
    await put(await start(open, { path: b, creat: true, umask: "077" }, "write"), "");
    assertEquals(await modeOf(b), 0o600);
    assertEquals(Deno.umask(), before);
    await put(await start(open, { path: b, mode_early: "640" }, "write"), "");
    assertEquals(await modeOf(b), 0o640);
    const unknown = open.spec.parse({ path: a, user: "nosuchuser" }, "");
    assertThrows(() => open.prepare!(unknown, localContext()), ConnectError, 'no such user "nosuchuser"');
    if (Deno.uid() !== 0) return;
    await put(await start(open, { path: a, user: "daemon", group: "1" }, "write"), "");
    const { uid, gid } = await Deno.stat(a);
    assertEquals([uid, gid], [1, 1]);
  }));

Deno.test("OPEN options unlink-early, unlink-late, unlink-close and chdir", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    await Deno.writeTextFile(path, "old");
    const early = await start(open, { path, unlink_early: true, creat: true }, "write");
    assertEquals(await Deno.readTextFile(path), "");
    early.abort();
    const late = await start(open, { path: "f", chdir: folder, unlink_late: true, rdwr: true });
    assertEquals(await has(path), false);
    late.abort();
    const close = await start(open, { path, creat: true, unlink_close: true }, "write");
    assertEquals(await has(path), true);
    close.abort();
    assertEquals(await has(path), false);
    await Deno.mkdir(path);
    const folderInstead = () => start(open, { path, unlink_early: true, creat: true }, "write");
    await assertRejects(folderInstead, ConnectError, `unlink("${path}"): Is a directory`);
    assertEquals(await has(path), true);
  }));

Deno.test("OPEN reports a full disk, a folder, and writing to what is open for reading", async () => {
  const full = await start(open, { path: "/dev/full" }, "write");
  const error = await assertRejects(() => full.write(bytesOf("x")), StreamError);
  assertEquals([error.code, error.message], ["ENOSPC", "write(/dev/full): No space left on device"]);
  full.abort();
  await assertRejects(
    () => start(open, { path: "/tmp" }, "write"),
    ConnectError,
    'open("/tmp", O_WRONLY): Is a directory',
  );
  const reading = await start(open, { path: "/dev/null", rdonly: true });
  await assertRejects(() => reading.write(bytesOf("x")), StreamError, "opened for reading only");
  reading.abort();
});

Deno.test("OPEN check() refuses contradicting flags", () => {
  const check = (document: Record<string, unknown>, direction: Direction = "both") => () =>
    open.check!(open.spec.parse(document, ""), { role: "local", direction });
  assertThrows(check({}), ConfigError, "OPEN: path is missing");
  assertThrows(check({ path: "x", rdonly: true, wronly: true }), ConfigError, '"rdonly" and "wronly"');
  assertThrows(check({ path: "x", wronly: true }, "read"), ConfigError, 'option "wronly": this address is only read');
  assertThrows(check({ path: "x", rdonly: true }, "write"), ConfigError, 'option "rdonly": this address is only writ');
});

Deno.test("OPEN abort() ends a read that nothing can interrupt", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/fifo`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    const stream = await start(open, { path, rdwr: true });
    const reason = new StreamError("on purpose");
    const reading = stream.read().catch((error) => error);
    stream.abort(reason);
    assertEquals(await reading, reason);
  }));

Deno.test("OPEN refuses a UNIX socket and says what takes one", () =>
  inTempFolder(async (folder) => {
    const listener = Deno.listen({ transport: "unix", path: `${folder}/s` });
    await assertRejects(() => start(open, { path: `${folder}/s` }), ConnectError, "use GOPEN or UNIX-CLIENT");
    listener.close();
  }));

Deno.test("CREATE makes or empties its file, and only writes", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    await put(await start(create, { path }, "write"), "abc");
    await put(await start(create, { path }, "write"), "d");
    assertEquals(await Deno.readTextFile(path), "d");
    for (const direction of ["read", "both"] as const) {
      await assertRejects(() => start(create, { path }, direction), ConnectError, "cannot be used for reading");
    }
    assertEquals(await Deno.readTextFile(path), "d");
  }));

Deno.test("GOPEN appends to a file, creates a missing one and reads from the start", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/f`;
    await put(await start(gopen, { path }, "write"), "one");
    await put(await start(gopen, { path }, "write"), "two");
    assertEquals(await get(await start(gopen, { path }, "read")), "onetwo");
    await put(await start(gopen, { path, append: false }, "write"), "X");
    assertEquals(await Deno.readTextFile(path), "Xnetwo");
    const missing = `${path}2`;
    await assertRejects(() => start(gopen, { path: missing, creat: false }, "read"), ConnectError, "No such file");
    assertEquals(await has(missing), false);
    assertEquals(await get(await start(gopen, { path: missing }, "read")), "");
    assertEquals(await has(missing), true);
  }));

Deno.test("GOPEN reads what a named pipe brings", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/fifo`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    const opening = start(gopen, { path }, "read");
    const writer = await Deno.open(path, { write: true });
    const stream = await opening;
    await writer.write(bytesOf("through"));
    assertEquals(textOf(await readBytes(stream, 7)), "through");
    writer.close();
    assertEquals(await stream.read(), null);
    stream.abort();
  }));

Deno.test("GOPEN with nonblock waits for a named pipe's first writer, and ends with it", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/fifo`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    const stream = await start(gopen, { path, nonblock: true }, "read");
    const first = stream.read();
    await Deno.writeTextFile(path, "late");
    assertEquals(textOf((await first)!), "late");
    assertEquals(await stream.read(), null);
    stream.abort();
  }));

Deno.test("OPEN with nonblock writes each byte once to a pipe that is full between", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/fifo`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    using pipe = await Deno.open(path, { read: true, write: true });
    const stream = await start(open, { path, nonblock: true, wronly: true }, "write");
    // More than a pipe holds.
    const data = patternBytes(300_000);
    const writing = stream.write(data);
    const got = new Uint8Array(data.length);
    for (let at = 0; at < got.length;) at += (await pipe.read(got.subarray(at)))!;
    assertEquals(got.findIndex((byte, at) => byte !== data[at]), -1);
    await writing;
    stream.abort();
  }));

Deno.test("GOPEN connects to a UNIX socket, by messages where it has no streams", () =>
  inTempFolder(async (folder) => {
    const path = `${folder}/s`;
    const listener = Deno.listen({ transport: "unix", path });
    const [near, far] = bytePair();
    const streams = fakeDriver({ connectStream: async () => near });
    const spec = gopen.spec.parse({ path }, "");
    assertEquals(await gopen.connect!(spec, testContext(streams)), near);
    far.abort();
    const datagrams = fakeDriver({
      connectStream: () => Promise.reject(new ConnectError("wrong type", { code: "EPROTOTYPE" })),
    });
    const stream = await gopen.connect!(spec, testContext(datagrams));
    assert(stream.kind === "datagram");
    await stream.send([{ data: bytesOf("m") }]);
    assertEquals(datagrams.datagramSockets[0]!.sent.map(({ text }) => text), ["m"]);
    const receiving = stream.receive().catch((error) => error);
    stream.abort();
    assertInstanceOf(await receiving, StreamError);
    listener.close();
  }));
