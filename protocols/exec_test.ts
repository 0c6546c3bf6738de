// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { ConfigError, ConnectError, StreamError } from "../lib/errors.ts";
import type { Context, Protocol } from "../lib/protocol.ts";
import type { ByteStream } from "../lib/stream/stream.ts";
import { localContext } from "../tests/support/local_context.ts";
import { bytesOf, readAll, readBytes, textOf } from "../tests/support/streams.ts";
import { exec, shell, system } from "./exec.ts";

async function start<T>(protocol: Protocol<T>, document: Record<string, unknown>, context: Partial<Context> = {}) {
  return await protocol.connect!(protocol.spec.parse(document, ""), localContext(context)) as ByteStream;
}

const run = (command: string, more: Record<string, unknown> = {}, context: Partial<Context> = {}) =>
  start(exec, { command, ...more }, context);

/** Everything a program prints when its input is empty; its end must be a good one. */
async function outputOf(stream: ByteStream): Promise<string> {
  await stream.closeWrite();
  const output = textOf(await readAll(stream));
  await stream.finished!();
  stream.abort();
  return output;
}

/** Aborts and waits until the child is gone. */
async function end(stream: ByteStream, reason?: unknown): Promise<void> {
  stream.abort(reason);
  await stream.finished!();
}

/** What is not our own child is gone when the system has collected it. */
async function gone(pids: readonly number[]): Promise<void> {
  const deadline = Date.now() + 5000;
  while (pids.some(alive) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(pids.filter(alive), []);
}

function alive(pid: number): boolean {
  try {
    const state = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "")[0];
    return state !== "Z";
  } catch {
    return false;
  }
}

Deno.test("EXEC passes its words on and gives the output", async () => {
  assertEquals(await outputOf(await run(`printf %s|%s| 'a b' "c,d:e"`)), "a b|c,d:e|");
});

Deno.test("EXEC takes words that are already split as they are", async () => {
  const stream = await start(exec, { arguments: ["printf", "%s|", "a b", "", '"x'] });
  assertEquals(await outputOf(stream), 'a b||"x|');
});

Deno.test("EXEC half-close lets a program that waits for the end of its input answer", async () => {
  const stream = await run("sort");
  await stream.write(bytesOf("b\na\n"));
  assertEquals(await outputOf(stream), "a\nb\n");
});

Deno.test("EXEC finished() names the status of a program that failed", async () => {
  const stream = await start(system, { command: "echo x; exit 7" });
  await stream.closeWrite();
  assertEquals(textOf(await readAll(stream)), "x\n");
  const error = await assertRejects(() => stream.finished!(), StreamError);
  assertMatch(error.message, /^child \d+ exited with status 7$/);
  stream.abort();
});

Deno.test("EXEC: the output of a program that was killed has no end, and finished() names the signal", async () => {
  const stream = await start(system, { command: "echo half; kill -9 $$" });
  assertEquals(textOf((await stream.read())!), "half\n");
  for (const end of [() => stream.read(), () => stream.finished!()]) {
    const error = await assertRejects(end, StreamError);
    assertMatch(error.message, /^child \d+ exited on signal 9$/);
  }
  stream.abort();
});

Deno.test("EXEC: output that a program closes ends, though the program goes on", async () => {
  const stream = await start(system, { command: "echo all; exec >&-; read line; exit 3" });
  assertEquals(textOf(await readAll(stream)), "all\n");
  await stream.closeWrite();
  await assertRejects(() => stream.finished!(), StreamError, "exited with status 3");
  stream.abort();
});

Deno.test("EXEC finished() tells after abort() of a program that had failed by itself, not of one that was ended", async () => {
  const failed = await start(system, { command: "exit 3" });
  assertEquals((await readAll(failed)).length, 0);
  await assertRejects(() => failed.finished!(), StreamError, "exited with status 3");
  failed.abort();
  await assertRejects(() => failed.finished!(), StreamError, "exited with status 3");
  const killed = await start(system, { command: "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done" });
  await killed.read();
  await end(killed);
});

Deno.test("EXEC rejects for a missing program, one that may not be run, and a missing folder", async () => {
  const missing = await assertRejects(() => run("/nonexistent/prog x"), ConnectError);
  assertEquals(missing.message, 'execvp("/nonexistent/prog"): No such file or directory');
  assertEquals([missing.code, missing.retryable], ["ENOENT", false]);
  const plain = await Deno.makeTempFile();
  assertEquals(
    (await assertRejects(() => run(plain), ConnectError)).message,
    `execvp("${plain}"): Permission denied`,
  );
  await Deno.remove(plain);
  assertEquals(
    (await assertRejects(() => run("cat", { cwd: "/nonexistent" }), ConnectError)).message,
    'chdir("/nonexistent"): No such file or directory',
  );
  assertEquals(
    (await assertRejects(() => run("nosuch", { stderr: true }), ConnectError)).message,
    'execvp("nosuch"): No such file or directory',
  );
  assertEquals(
    (await assertRejects(() => run("nosuch", { argv0: "x" }), ConnectError)).message,
    'execvp("nosuch"): No such file or directory',
  );
});

Deno.test("EXEC rejects in the system's words where there are too many arguments, or descriptors", async () => {
  const words = ["true", "x".repeat(200_000)];
  for (const argv0 of [undefined, "other"]) {
    const tooLong = await assertRejects(() => start(exec, { arguments: words, ...(argv0 && { argv0 }) }), ConnectError);
    assertEquals(tooLong.message, 'execvp("true"): Argument list too long');
  }
  const child = `
    import { spawn } from ${JSON.stringify(import.meta.resolve("./_spawn.ts"))};
    const held = [];
    try { for (;;) held.push(Deno.openSync("/dev/null")); } catch { /* None are left. */ }
    const error = await spawn({ program: "true", args: [], env: {}, clearEnv: false, writes: true, reads: true })
      .catch((error) => error);
    held.forEach((file) => file.close());
    console.log(error.message);
  `;
  const limited = new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 64; exec "$0" eval --no-check "$1"', Deno.execPath(), child],
    stderr: "null",
  });
  const message = 'execvp("true"): Too many open files; ulimit -n allows more of them, max-children fewer sessions\n';
  assertEquals(textOf((await limited.output()).stdout), message);
});

Deno.test("EXEC check() refuses an address without a program or with an open quote", () => {
  const use = { role: "local", direction: "both" } as const;
  assertThrows(() => exec.check!(exec.spec.parse({ command: "  " }, ""), use), ConfigError, "no program");
  assertThrows(() => exec.check!(exec.spec.parse({ command: 'a "b' }, ""), use), ConfigError, "unexpected end");
  assertThrows(() => system.check!(system.spec.parse({}, ""), use), ConfigError, "no command");
});

Deno.test("EXEC options env, clear-env, path, cwd and umask reach the program", async () => {
  assertEquals(await outputOf(await run("sh -c 'echo $A-$B'", { env: ["A=1", "B=x=y"] })), "1-x=y\n");
  const environment = await outputOf(
    await run("/usr/bin/env", { clear_env: true, env: ["A=1"] }, { program: "socat" }),
  );
  assertEquals(environment.trim().split("\n").sort(), ["A=1", `SOCAT_PID=${Deno.pid}`, `SOCAT_PPID=${Deno.pid}`]);
  assertEquals(await outputOf(await run("sh -c 'echo $PATH'", { path: "/bin:/usr/bin:/tmp" })), "/bin:/usr/bin:/tmp\n");
  assertEquals(await outputOf(await run("pwd", { cwd: "/usr" })), "/usr\n");
  const before = Deno.umask();
  assertEquals(await outputOf(await run("sh -c umask", { umask: "027" })), "0027\n");
  assertEquals(Deno.umask(), before);
});

Deno.test("EXEC options argv0 and login change the name the program sees", async () => {
  assertEquals(
    await outputOf(await run("sh -c 'cat /proc/$$/cmdline'", { argv0: "other" })),
    "other\0-c\0cat /proc/$$/cmdline\0",
  );
  assertMatch(await outputOf(await run("/bin/sh -c 'cat /proc/$$/cmdline'", { login: true })), /^-sh\0/);
});

Deno.test("EXEC through argv0 keeps half-close, the status and the kill", async () => {
  const sort = await run("sort", { argv0: "other" });
  await sort.write(bytesOf("b\na\n"));
  assertEquals(await outputOf(sort), "a\nb\n");
  const failing = await run("sh -c 'exit 3'", { argv0: "other" });
  await failing.closeWrite();
  assertEquals(await readAll(failing), new Uint8Array(0));
  await assertRejects(() => failing.finished!(), StreamError, "exited with status 3");
  failing.abort();
  await end(await run("sleep 100", { argv0: "other" }), new StreamError("on purpose"));
});

Deno.test("EXEC option stderr sends both outputs the same way, in order", async () => {
  const stream = await run("sh -c 'echo a; echo b >&2; echo c'", { stderr: true });
  assertEquals(await outputOf(stream), "a\nb\nc\n");
});

Deno.test("EXEC opened for reading cannot be written to", async () => {
  const stream = await run("echo done", {}, { direction: "read" });
  assertEquals(textOf(await readAll(stream)), "done\n");
  await stream.finished!();
  await assertRejects(() => stream.write(bytesOf("x")), StreamError);
  stream.abort();
});

Deno.test("EXEC opened for writing gives no output and waits for the program", async () => {
  const file = await Deno.makeTempFile();
  const stream = await start(system, { command: `cat > ${file}` }, { direction: "write" });
  assertEquals(await stream.read(), null);
  await stream.write(bytesOf("payload"));
  await stream.closeWrite();
  await stream.finished!();
  assertEquals(await Deno.readTextFile(file), "payload");
  stream.abort();
  await Deno.remove(file);
});

Deno.test("EXEC abort() ends the program and what it has started", async () => {
  const stream = await start(system, { command: "sleep 1000 & echo $! $$; wait" });
  const pids = textOf((await stream.read())!).trim().split(" ").map(Number);
  assert(pids.every(alive));
  await end(stream, new StreamError("on purpose"));
  await gone(pids);
});

Deno.test("EXEC abort() kills a program that ignores TERM, after kill-after", async () => {
  const stream = await start(system, {
    command: "trap '' TERM; echo ready; while :; do sleep 1; done",
    kill_after: 100,
  });
  await stream.read();
  const start_ = performance.now();
  await end(stream);
  const took = performance.now() - start_;
  assert(took >= 95, `killed after ${took} ms`);
});

Deno.test("EXEC abort() kills what a program has started and left behind when it obeyed TERM", async () => {
  const stream = await start(system, {
    command: "(trap '' TERM; echo $(exec sh -c 'echo $PPID'); while :; do sleep 0.1; done) & wait",
    kill_after: 100,
  });
  const pid = Number(textOf((await stream.read())!));
  assert(alive(pid));
  await end(stream);
  await gone([pid]);
});

Deno.test({
  name: "EXEC option end-close leaves the program running",
  // The child is meant to stay.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const stream = await start(system, { command: "echo $$; exec sleep 1000", end_close: true });
    const pid = Number(textOf((await stream.read())!));
    await end(stream);
    assert(alive(pid));
    Deno.kill(pid, "SIGKILL");
  },
});

Deno.test("EXEC a closed input is a StreamError with EPIPE", async () => {
  const stream = await start(system, { command: "exec 0<&-; echo closed; sleep 1000" });
  await readBytes(stream, 7);
  const error = await assertRejects(() => stream.write(bytesOf("x")), StreamError);
  assertEquals([error.code, error.message], ["EPIPE", "write(SYSTEM:/bin/sh): Broken pipe"]);
  await end(stream);
});

Deno.test("EXEC takes nothing after its input has been closed", async () => {
  const stream = await run("cat");
  await stream.closeWrite();
  const error = await assertRejects(() => stream.write(bytesOf("x")), StreamError);
  assertEquals([error.code, textOf(await readAll(stream))], ["EPIPE", ""]);
  await stream.finished!();
  stream.abort();
});

Deno.test("EXEC takes what comes just after the program has ended, but no more", async () => {
  const stream = await start(system, { command: "echo done" });
  assertEquals(textOf(await readAll(stream)), "done\n");
  await stream.finished!();
  await stream.write(bytesOf("x"));
  await assertRejects(() => stream.write(bytesOf("y")), StreamError, "Broken pipe");
  stream.abort();
});

Deno.test("EXEC gives all output that a slow reader finds after the exit", async () => {
  const stream = await start(system, { command: "yes 0123456 | head -c 60000" });
  await stream.closeWrite();
  await stream.finished!();
  assertEquals((await readAll(stream)).length, 60_000);
  stream.abort();
});

Deno.test("EXEC does not wait for ever for a grandchild that holds the output", async () => {
  const stream = await start(system, { command: "sleep 1000 & echo $!" });
  const output = textOf(await readAll(stream));
  assertEquals(output.split("\n").length, 2);
  await stream.finished!();
  stream.abort();
  Deno.kill(Number(output), "SIGKILL");
});

Deno.test("EXEC loses nothing of a grandchild's output that came while the process stood still", async () => {
  const folder = await Deno.makeTempDir();
  const [go, said] = [`${folder}/go`, `${folder}/said`];
  const command = `(until [ -e ${go} ]; do sleep 0.01; done; echo late; touch ${said}) & echo soon`;
  const stream = await start(system, { command });
  assertEquals(textOf(await readBytes(stream, 5)), "soon\n");
  await stream.finished!();
  const output = stream.read();
  await new Promise((resolve) => setTimeout(resolve));
  Deno.writeTextFileSync(go, "");
  const since = performance.now();
  const isThere = () => {
    try {
      return Deno.statSync(said).isFile;
    } catch {
      return false;
    }
  };
  // Nothing else of this process runs meanwhile, and the limit on the drain, a second, is over.
  while (!isThere() || performance.now() - since < 1300) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
  assertEquals(textOf((await output)!), "late\n");
  await end(stream);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("SHELL runs $SHELL with its text, or reads its commands from the stream", async () => {
  assertEquals(await outputOf(await start(shell, { command: "echo $((1 + 2))" })), "3\n");
  assertEquals(await outputOf(await start(shell, { arguments: ["echo", "a, b"] })), "a, b\n");
  const stream = await start(shell, {});
  await stream.write(bytesOf("echo hi\n"));
  assertEquals(await outputOf(stream), "hi\n");
});

Deno.test("EXEC rejects with the reason of a signal that is aborted already", async () => {
  const reason = new StreamError("cancelled");
  const error = await run("cat", {}, { signal: AbortSignal.abort(reason) }).catch((error) => error);
  assertEquals(error, reason);
});
