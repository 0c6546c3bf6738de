// `-L`, `-W`, `lockfile` and `waitlock` (sections 1.1 and 5.5 of the specification).

// @ts-types="../deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { acceptance, eventually } from "./harness.ts";

const there = (path: string) => Deno.stat(path).then(() => true, () => false);

acceptance("1.1", "-L makes a file with the pid, which goes with the program", async (run) => {
  const lock = run.path("lock");
  const child = run.spawn(["-L", lock, "-", "PIPE"], { openInput: true });
  await child.write("a");
  await child.prints("a");
  assertEquals(parseInt(await Deno.readTextFile(lock)), child.pid);
  await child.endInput();
  await child.end();
  assertEquals(await there(lock), false);
}, { socat: "any" });

acceptance("1.1", "-L fails where the file exists, and leaves it", async (run) => {
  const lock = run.path("lock");
  await Deno.writeTextFile(lock, "");
  await run.out(["-L", lock, "-", "PIPE"], { input: "a", code: 1, stderr: / E could not obtain lock "\S+"$/ });
  assertEquals(await there(lock), true);
}, { socat: "any" });

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const) {
  acceptance("1.3", `${signal} removes the lock of a listener`, async (run) => {
    const [lock, path] = [run.path("lock"), run.path("s")];
    const child = await run.serve(["-L", lock, `UNIX-LISTEN:${path},fork`, "PIPE"], { unix: path });
    assertEquals(await there(lock), true);
    child.kill(signal);
    await child.end();
    assertEquals(await there(lock), false);
  });
}

acceptance("1.1", "-W waits for the file to go, and opens nothing before", async (run) => {
  const [lock, path] = [run.path("lock"), run.path("s")];
  await Deno.writeTextFile(lock, `${Deno.pid}\n`);
  const child = run.spawn(["-dd", "-W", lock, `UNIX-LISTEN:${path},fork`, "PIPE"], { stderr: "any" });
  await child.logs(/ N waiting for lock "\S+", held by process \d+/);
  assertEquals(await there(path), false);
  await Deno.remove(lock);
  await eventually("the listener", () => there(path));
  assertEquals(await Deno.readTextFile(lock), `${child.pid}\n`);
});

acceptance("1.3", "SIGTERM ends one that waits for a lock, and leaves the lock", async (run) => {
  const lock = run.path("lock");
  await Deno.writeTextFile(lock, `${Deno.pid}\n`);
  const child = run.spawn(["-dd", "-W", lock, "-", "PIPE"], { openInput: true, stderr: "any" });
  await child.logs(/ N waiting for lock/);
  child.kill("SIGTERM");
  await child.end();
  assertEquals(await there(lock), true);
});

acceptance("5.5", "waitlock serves the sessions of a listener one after another", async (run) => {
  const [lock, path] = [run.path("lock"), run.path("s")];
  const child = await run.serve(["-dd", `UNIX-LISTEN:${path},fork`, `SYSTEM:cat,waitlock=${lock}`], { unix: path }, {
    stderr: "any",
  });
  const first = run.spawn(["-", `UNIX-CONNECT:${path}`], { openInput: true });
  await first.write("a");
  await first.prints("a");
  const second = run.spawn(["-", `UNIX-CONNECT:${path}`], { openInput: true });
  await second.write("b");
  await child.logs(/ N waiting for lock "\S+", held by process \d+/);
  await first.endInput();
  await first.end();
  await second.prints("b");
  await second.endInput();
  await second.end();
  await eventually("the lock's end", async () => !(await there(lock)));
});

acceptance("5.5", "lockfile fails where the file exists; retry tries again", async (run) => {
  const lock = run.path("lock");
  await Deno.writeTextFile(lock, "");
  await run.out(["-", `PIPE,lockfile=${lock}`], {
    input: "a",
    code: 1,
    stderr: / E could not obtain lock "\S+"/,
  });
  const child = run.spawn(["-d3", "-", `PIPE,lockfile=${lock},forever,interval=0.05`], { input: "a", stderr: "any" });
  await child.logs(/ I could not obtain lock .*trying again/);
  await Deno.remove(lock);
  assertEquals((await child.end()).stdout, "a");
  assertEquals(await there(lock), false);
});
