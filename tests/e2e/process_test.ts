// The program as a process: signals, time limit, log files, closed outputs (sections 1.1 to 1.4 of the specification).

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance, eventually, l7mp } from "./harness.ts";
import { descriptors } from "./wait.ts";

acceptance("1.1", "--timeout ends the program with status 124 and one line", async (run) => {
  const start = performance.now();
  await run.out(["--timeout=0.3", "-", "PIPE"], {
    openInput: true,
    code: 124,
    stderr: / E not done after 0\.3 s \(--timeout\)/,
  });
  const elapsed = performance.now() - start;
  assert(elapsed >= 300, `${elapsed} ms`);
});

acceptance("1.1", "--timeout and -T may be longer than the runtime's timers", async (run) => {
  assertEquals(await run.out(["--timeout=3000000", "-T", "3000000", "-", "PIPE"], { input: "a" }), "a");
});

for (
  const words of [["-,max-time=0.3", "PIPE"], ["-", "PIPE,max-time=0.3"], ["-!!OPEN:/dev/null,max-time=0.3", "PIPE"]]
) {
  acceptance("5.1", `max-time ends a session that is not done: ${words.join(" ")}`, async (run) => {
    const start = performance.now();
    await run.out(words, {
      openInput: true,
      code: 1,
      stderr: / E session not done after 0\.3 s \(max-time\) \(local\)$/,
    });
    assertEquals(performance.now() - start >= 300, true);
  });
}

acceptance(
  "5.1",
  "max-time of a listener ends its sessions with a warning each, and of one that ends before nothing is heard",
  async (run) => {
    const path = run.path("s");
    const child = await run.serve([`UNIX-LISTEN:${path},fork,max-time=0.5`, "PIPE"], { unix: path }, { stderr: "any" });
    const peer = await Deno.connect({ transport: "unix", path });
    run.defer(() => peer.close());
    await child.logs(/ W session not done after 0\.5 s \(max-time\) \(local; session cli-1 from /);
    assertEquals(await peer.read(new Uint8Array(1)).catch(() => null), null);
    assertEquals(await run.out(["-,max-time=3600", "PIPE"], { input: "a" }), "a");
  },
);

for (const [signal, number] of [["SIGINT", 2], ["SIGHUP", 1], ["SIGQUIT", 3], ["SIGTERM", 15]] as const) {
  acceptance("1.3", `${signal} ends with ${128 + number}, one line, and takes the socket file along`, async (run) => {
    const path = run.path("s");
    const child = await run.serve([`UNIX-LISTEN:${path},fork`, "PIPE"], { unix: path }, {
      code: 128 + number,
      stderr: "any",
    });
    child.kill(signal);
    await child.end();
    assertMatch(child.stderr, new RegExp(`^\\S+ \\S+ l7mp\\[\\d+\\] W exiting on signal ${number}\n$`));
    assertEquals(await Deno.stat(path).then(() => "there", () => "gone"), "gone");
  });
}

acceptance("1.1", "-lf takes any name for a file's: nothing but data goes to standard output", async (run) => {
  const program = { name: "l7mp", command: ["sh", "-c", 'cd "$0" && exec "$@"', run.dir, ...l7mp.command] };
  assertEquals(await run.out(["-dd", "-lf", "stdout", "-", "PIPE"], { program, input: "a" }), "a");
  assertStringIncludes(await Deno.readTextFile(run.path("stdout")), " N starting data transfer loop");
});

acceptance("1.3", "SIGUSR2 opens log and access log anew", async (run) => {
  const [path, log, access] = [run.path("s"), run.path("log"), run.path("access")];
  const args = ["-lf", log, "-dd", `--access-log=${access}`, `UNIX-LISTEN:${path},fork`, "PIPE"];
  const child = await run.serve(args, { unix: path }, { stderr: "any" });
  await Deno.rename(log, `${log}.1`);
  await Deno.rename(access, `${access}.1`);
  child.poke("SIGUSR2");
  await eventually("new files", () => Deno.stat(access).then(() => Deno.stat(log)).catch(() => undefined));
  assertEquals(await run.out(["-", `UNIX-CONNECT:${path}`], { input: "a" }), "a");
  await eventually("the session's line", () => Deno.readTextFile(access));
  assertMatch(await Deno.readTextFile(access), / session=cli-1 .* ltr_bytes=1 .* reason=eof\n$/);
  assertEquals(await Deno.readTextFile(`${access}.1`), "");
  assertMatch(await Deno.readTextFile(`${log}.1`), / N listening on AF=1 /);
  assertStringIncludes(await Deno.readTextFile(log), " N starting data transfer loop");
  child.kill("SIGTERM");
  await child.end();
  assertStringIncludes(await Deno.readTextFile(log), " W exiting on signal 15\n");
  assertEquals(child.stderr, "");
});

acceptance("1.3", "SIGUSR1 logs statistics whatever the level is, and leaves no debugger port open", async (run) => {
  const path = run.path("s");
  const child = await run.serve(["-d0", `UNIX-LISTEN:${path},fork`, "PIPE"], { unix: path }, { stderr: "any" });
  const before = (await descriptors(child.pid)).filter((to) => to.startsWith("socket:")).length;
  child.poke("SIGUSR1");
  await child.logs(/ I STATISTICS: left to right: 0 packet\(s\), 0 byte\(s\)/);
  await child.logs(/ I STATISTICS: open sessions: 0, dropped: 0 packet\(s\)/);
  // The runtime opens one whoever listens for the signal, from half a second after its start; a compiled program does not.
  const opens = run.program.command.includes("run");
  await eventually("the debugger's port", () => {
    child.poke("SIGUSR1");
    // Where another program has the port it says so.
    return !opens || /Debugger listening|Failed to start inspector/.test(child.stderr);
  });
  await eventually("as many sockets as before", async () => {
    return (await descriptors(child.pid)).filter((to) => to.startsWith("socket:")).length === before;
  });
});

acceptance("1.2", "help whose reader has gone is no error", async (run) => {
  const command = run.program.command.map((word) => `'${word}'`).join(" ");
  const script = `{ ${command} -hhh; echo $? >'${run.path("status")}'; } | head -n 1`;
  const { stdout, stderr } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  assertMatch(new TextDecoder().decode(stdout), /^l7mp: /);
  assertEquals(await Deno.readTextFile(run.path("status")), "0\n");
});

acceptance("1.2", "help that cannot be written is an error like any other", async (run) => {
  const stderr = / E write\(stdout\): No space left on device$/;
  await run.out(["-h"], { redirect: ">/dev/full", code: 1, stderr });
});

acceptance("1.2", "standard error that is closed or full does not hurt a session", async (run) => {
  for (const redirect of ["2>&-", "2>/dev/full"]) {
    assertEquals(await run.out(["-v", "-dddd", "-", "PIPE"], { input: "a", redirect, stderr: "any" }), "a", redirect);
  }
});
