// `-r` and `-R`: raw copies of what is transferred (section 1.1 of the specification).

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch } from "@std/assert";
import { acceptance, eventually, type Run } from "./harness.ts";

const textOf = (path: string) => Deno.readTextFileSync(path);

/** A named pipe that this process holds open, so that it has a reader and takes what a pipe holds. */
async function heldPipe(run: Run): Promise<{ path: string; file: Deno.FsFile }> {
  const path = run.path("pipe");
  const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert(success);
  const file = await Deno.open(path, { read: true, write: true });
  run.defer(() => file.close());
  return { path, file };
}

acceptance("1.1", "-r and -R append what goes either way, as it is", async (run) => {
  const [right, left] = [run.path("r"), run.path("l")];
  const [a, b] = [Uint8Array.of(0, 255, 10), Uint8Array.of(13, 10)];
  for (const input of [a, b]) {
    assertEquals(
      await run.out(["-r", right, "-R", left, "-", "SYSTEM:cat >/dev/null; printf bye"], { input }),
      "bye",
    );
  }
  assertEquals(Deno.readFileSync(right), Uint8Array.of(...a, ...b));
  assertEquals(textOf(left), "byebye");
}, { socat: "any" });

acceptance("1.1", "-r attached to its file, with messages", async (run) => {
  const [path, port] = [run.path("r"), run.port()];
  await run.serve(["-u", `-r${path}`, `UDP-RECV:${port},bind=127.0.0.1`, `CREATE:${run.path("out")}`], { udp: port });
  const sender = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  run.defer(() => sender.close());
  for (const text of ["one", "two"]) {
    await sender.send(new TextEncoder().encode(text), { transport: "udp", hostname: "127.0.0.1", port });
  }
  await eventually(
    "both messages",
    () => Deno.readTextFile(run.path("out")).then((text) => text === "onetwo", () => false),
  );
  assertEquals(textOf(path), "onetwo");
}, { socat: "any" });

acceptance("1.1", "each session of a listener has its own copy where its name says who it is", async (run) => {
  const [port, folder] = [run.port(), run.path("copies")];
  Deno.mkdirSync(folder);
  const name = `${folder}/$PROGNAME-$SOCAT_PEERADDR-$SOCAT_PEERPORT-$$-$TIMESTAMP-$MICROS-$NOSUCH`;
  const child = await run.serve(["-r", name, `TCP-L:${port},fork,bind=127.0.0.1`, "PIPE"], {
    tcp: port,
  });
  const callers: number[] = [];
  for (const text of ["a", "bc"]) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    callers.push(connection.localAddr.port);
    await connection.write(new TextEncoder().encode(text));
    await connection.read(new Uint8Array(9));
  }
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
  for (const [i, text] of ["a", "bc"].entries()) {
    const own = files.filter((name) => name.startsWith(`${run.program.name}-127.0.0.1-${callers[i]}-`));
    assertEquals(own.length, 1, files.join());
    assertMatch(own[0]!, /-\d+-\d{8}T\d{6}-\d{6}-$/);
    if (run.isL7mp) assert(own[0]!.includes(`-${child.pid}-`), own[0]);
    assertEquals(textOf(`${folder}/${own[0]}`), text);
  }
}, { socat: "1.8" });

acceptance("1.1", "-r of a file that cannot be opened fails before anything is transferred", async (run) => {
  const out = run.path("out");
  await run.out(["-u", "-r", run.path("no/such"), "-", `CREATE:${out}`], {
    input: "a",
    code: 1,
    stderr: run.isL7mp ? / E open\("\S+", O_WRONLY\|O_CREAT\|O_APPEND\): No such file or directory/ : "any",
  });
  assertEquals(textOf(out), "");
}, { socat: "1.8" });

acceptance("1.1", "-r of a pipe that nobody reads fails", async (run) => {
  const path = run.path("pipe");
  assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
  await run.out(["-u", "-r", path, "-", "-"], {
    input: "a",
    code: 1,
    stderr: / No such device or address/,
  });
}, { socat: "1.8" });

acceptance("1.1", "a copy that cannot be written ends with one line, the transfer goes on", async (run) => {
  const lost = / E write\("\/dev\/full"\): No space left on device; the session's copy ends here$/;
  const args = ["-r", "/dev/full", "-R", run.path("l"), "-", "PIPE"];
  const child = run.spawn(args, { openInput: true, stderr: lost });
  await child.write("a\n");
  await child.prints("a\n");
  await child.write("b\n");
  await child.prints("a\nb\n");
  await child.endInput();
  await child.end();
  assertEquals(textOf(run.path("l")), "a\nb\n");
});

acceptance("1.1", "a copy of blocks that a pipe takes in parts is whole", async (run) => {
  const { path, file } = await heldPipe(run);
  const data = run.path("data");
  const bytes = new Uint8Array(900_000).map((_, i) => i % 251);
  Deno.writeFileSync(data, bytes);
  const child = run.spawn(["-u", "-b", "50000", "-r", path, `OPEN:${data}`, "DISCARD"]);
  const copy = new Uint8Array(bytes.length);
  for (let at = 0; at < copy.length;) at += (await file.read(copy.subarray(at)))!;
  await child.end();
  assertEquals(copy.findIndex((byte, i) => byte !== bytes[i]), -1);
});

acceptance(
  "1.1",
  "a copy into a pipe that nobody empties holds its session up, loses nothing and ends",
  async (run) => {
    const { path, file } = await heldPipe(run);
    const [data, port] = [run.path("data"), run.port()];
    // More than a pipe holds.
    const bytes = new Uint8Array(300_000).map((_, i) => i % 251);
    Deno.writeFileSync(data, bytes);
    const child = await run.serve([
      "-u",
      "-b",
      "4096",
      "-r",
      path,
      `TCP-L:${port},fork,bind=127.0.0.1`,
      `GOPEN:${run.path("out")}`,
    ], {
      tcp: port,
    });
    await run.out(["-u", `OPEN:${data}`, `TCP:127.0.0.1:${port}`]);
    const copy = new Uint8Array(bytes.length);
    for (let at = 0; at < copy.length;) at += (await file.read(copy.subarray(at)))!;
    assertEquals(copy.findIndex((byte, i) => byte !== bytes[i]), -1);
    await eventually("the data", () => Deno.statSync(run.path("out")).size === bytes.length);
    assertEquals(Deno.readFileSync(run.path("out")).findIndex((byte, i) => byte !== bytes[i]), -1);
    // And once more, with an end from outside while it waits.
    const size = () => Deno.statSync(run.path("out")).size;
    await run.out(["-u", `OPEN:${data}`, `TCP:127.0.0.1:${port}`]);
    await eventually("a session in the middle", () => size() > bytes.length);
    assert(size() < 2 * bytes.length, "the pipe held nothing up");
    child.kill("SIGTERM");
    await child.end();
  },
);

acceptance("1.3", "SIGUSR2 opens copies anew", async (run) => {
  const path = run.path("r");
  const child = run.spawn(["-r", path, "-", "PIPE"], { openInput: true });
  await child.write("a");
  await child.prints("a");
  Deno.renameSync(path, `${path}.1`);
  child.poke("SIGUSR2");
  await eventually("the new file", () => Deno.stat(path).catch(() => undefined));
  await child.write("b");
  await child.prints("ab");
  await child.endInput();
  await child.end();
  assertEquals([textOf(`${path}.1`), textOf(path)], ["a", "b"]);
});

acceptance("1.1", "a copy of the direction that is not used is told to have no effect", async (run) => {
  const path = run.path("l");
  assertEquals(
    await run.out(["-u", "-R", path, "-", "-"], { input: "a", stderr: / W option -R has no effect here$/ }),
    "a",
  );
  assertEquals(await Deno.stat(path).catch(() => "none"), "none");
});
