// Programs with `pty`: what they see, what passes, how they end, and what is left behind.

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import { acceptance, eventually, l7mp, type Run } from "./harness.ts";
import { connect } from "./peers.ts";
import { absent } from "./programs.ts";
import { noTerminals as skip } from "../support/machine.ts";

const both = { socat: "any" } as const;
const noBash = absent("bash") ?? skip;

/** The words that run a script of this case. */
async function script(run: Run, name: string, text: string): Promise<string> {
  const path = run.path(name);
  await Deno.writeTextFile(path, text);
  return `sh ${path}`;
}

const plain = (text: string) => text.replaceAll("\r\n", "\n");

acceptance("4.2", "a shell for everybody who calls", async (run) => {
  const tcp = run.port();
  const address = "EXEC:/bin/bash -i,pty,stderr,setsid,sigint,sane";
  const child = await run.serve([`TCP-L:${tcp},reuseaddr,fork`, address], { tcp }, { stderr: "any", code: 143 });
  const callers = await Promise.all([1, 2, 3].map(() => connect(run, { tcp })));
  for (const [i, caller] of callers.entries()) {
    await caller.send(`tty; test -t 0 && test -t 1 && test -t 2 && echo $((6*7))${i}; exit\n`);
  }
  for (const [i, caller] of callers.entries()) {
    const said = plain(await caller.restText());
    assert(new RegExp(`^/dev/pts/\\d+\n42${i}$`, "m").test(said), said);
  }
  assert(child.running);
}, { ...both, skip: noBash });

acceptance("4.2", "keys that are signals reach the job in the foreground, and the shell goes on", async (run) => {
  const tcp = run.port();
  const address = "EXEC:bash --norc -i,pty,stderr,setsid,ctty,sane";
  const child = await run.serve([`TCP-L:${tcp}`, address], { tcp }, { stderr: "any" });
  using caller = await connect(run, { tcp });
  let said = "";
  const until = async (text: string) => {
    while (!said.includes(text)) said += await caller.text(1);
    said = "";
  };
  // The job itself says that it is there.
  await caller.send("sh -c 'echo be\"\"gin; exec sleep 1000'\n");
  await until("begin\r\n");
  await caller.send("\x03");
  await caller.send("echo al''ive; exit\n");
  await until("alive\r\n");
  await child.end();
}, { ...both, skip: noBash });

acceptance("4.2", "a prompt for a password is asked on the terminal and answered through it", async (run) => {
  const asks = await script(
    run,
    "asks",
    "exec 3<>/dev/tty; printf 'Password: ' >&3; stty -echo <&3; printf 'go\\n' >&3; read -r word <&3; echo \"got $word\"\n",
  );
  const child = run.spawn(["-", `EXEC:${asks},pty,setsid,ctty`], { openInput: true, stderr: "any" });
  await child.prints(/Password: go\r\n/);
  await child.write("secret\n");
  await child.prints("got secret\r\n");
  await child.end();
  assertEquals(plain(child.stdout), "Password: go\ngot secret\n");
}, { ...both, skip });

acceptance("4.2", "all that a program on a terminal has printed arrives, and its status is told", async (run) => {
  const prints = await script(run, "prints", `head -c 3000000 /dev/zero | tr '\\0' x; exit 3\n`);
  const child = run.spawn(["-U", "-", `EXEC:${prints},pty,raw`], {
    code: 1,
    stderr: run.isL7mp ? / E child \d+ exited with status 3 \(upstream\)$/ : "any",
  });
  await child.end();
  assertEquals(child.stdout, "x".repeat(3_000_000));
}, { skip });

acceptance("4.2", "a program on a terminal that is killed is an error", async (run) => {
  const stderr = / E child \d+ exited on signal 9 \(upstream\)$/;
  assertEquals(
    await run.out(["-", "SYSTEM:echo x; kill -9 $$,pty,opost=0"], { openInput: true, code: 1, stderr }),
    "x\n",
  );
}, { skip });

acceptance("4.2", "input that ends leaves the program on its terminal the time of -t", async (run) => {
  const late = await script(run, "late", "read -r word; sleep 0.5; echo late $word; read -r more\n");
  assertEquals(await run.out(["-t2", "-", `EXEC:${late},pty,raw,echo=0`], { input: "word\n" }), "late word\n");
}, { ...both, skip });

acceptance("4.2", "the end of the session hangs the terminal up", async (run) => {
  const file = run.path("said");
  // What does not listen to TERM, as shells do, hears of it all the same.
  const waits = await script(
    run,
    "waits",
    `trap '' TERM; trap 'echo hangup >"${file}"; exit' HUP; echo ready; while :; do sleep 0.05; done\n`,
  );
  const child = run.spawn(["-t0.1", "-", `EXEC:${waits},pty,setsid,ctty,kill-after=20`], { openInput: true });
  await child.prints("ready");
  await child.endInput();
  await child.end();
  assertEquals(await Deno.readTextFile(file), "hangup\n");
}, { skip });

acceptance("4.2", "a program sees the window of winsize, and the settings of its terminal", async (run) => {
  const line = ["-", "SYSTEM:stty size; stty -a,pty,winsize=132x43,echo=0,opost=0"];
  const said = await run.out(line, { openInput: true });
  assert(/^43 132\n/.test(said) && / -echo /.test(said) && /^-opost /m.test(said), said);
}, { skip });

acceptance("1.3", "the window of the terminal before us is that of the program, as it changes", async (run) => {
  const [link, sizes, inner] = [run.path("tty"), run.path("sizes"), run.path("inner")];
  const shows = `stty size >>${sizes}`;
  await Deno.writeTextFile(
    inner,
    `trap '${shows}' WINCH; ${shows}; echo >>${sizes}; while :; do sleep 0.05; done\n`,
  );
  run.spawn([`PTY,link=${link},rawer`, "STALL"]);
  await eventually("the terminal", () => Deno.lstat(link).then(() => true, () => false));
  const stty = (...words: string[]) => new Deno.Command("stty", { args: ["-F", link, ...words] }).output();
  await stty("cols", "91", "rows", "17");
  // Who begins a session has the first terminal it opens as its own.
  const program = { name: "l7mp", command: ["setsid", "sh", "-c", 'exec "$@" <>"$0" >&0', link, ...l7mp.command] };
  run.spawn(["-", `EXEC:sh ${inner},pty`], { program });
  const said = () => Deno.readTextFile(sizes).catch(() => "");
  await eventually("the first size", async () => (await said()) === "17 91\n\n");
  await stty("cols", "92", "rows", "18");
  await eventually("the next size", async () => (await said()).endsWith("\n18 92\n"));
}, { skip });

for (const [signal, option] of [["SIGINT", "sigint"], ["SIGHUP", "sighup"], ["SIGQUIT", "sigquit"]] as const) {
  acceptance("5.7", `${option} passes the signal on to the program`, async (run) => {
    const name = signal.slice(3);
    const traps = await script(
      run,
      "traps",
      `exec 2>/dev/null; trap 'echo heard; exit 0' ${name}; echo ready; while :; do sleep 0.05; done\n`,
    );
    for (const pty of ["", ",pty,opost=0"]) {
      const child = run.spawn(["-", `EXEC:${traps},${option}${pty}`], { openInput: true });
      await child.prints("ready\n");
      child.poke(signal);
      await child.prints("ready\nheard\n");
      await child.endInput();
      await child.end();
    }
  }, { skip });
}

acceptance("5.7", "a server of many is ended by a signal that its programs' address names", async (run) => {
  const tcp = run.port();
  const child = await run.serve([`TCP-L:${tcp},fork`, "EXEC:cat,sigint"], { tcp });
  using caller = await connect(run, { tcp });
  await caller.send("x");
  assertEquals(await caller.text(1), "x");
  child.kill("SIGINT");
  await child.end();
});

acceptance("5.7", "a program has the name of a login shell, whoever starts it", async (run) => {
  for (const options of ["login", "login,stderr", "login,pty,opost=0", "argv0=-name,pty,stderr,opost=0"]) {
    const said = await run.out(["-", `EXEC:cat /proc/self/cmdline,${options}`], { openInput: true });
    assertEquals(said, `-${options.startsWith("argv0") ? "name" : "cat"}\0/proc/self/cmdline\0`, options);
  }
}, { skip: noBash });

acceptance("4.2", "sessions with programs on terminals give back all they took", async (run) => {
  const tcp = run.port();
  const child = await run.serve([`TCP-L:${tcp},fork`, "EXEC:cat,pty,rawer"], { tcp });
  const open = () => [...Deno.readDirSync(`/proc/${child.pid}/fd`)].length;
  const session = async () => {
    const caller = await connect(run, { tcp });
    await caller.send("x");
    assertEquals(await caller.text(1), "x");
    return caller;
  };
  const terminals = () =>
    [...Deno.readDirSync(`/proc/${child.pid}/fd`)].filter(({ name }) => {
      try {
        return /^\/dev\/(ptmx|pts\/)/.test(Deno.readLinkSync(`/proc/${child.pid}/fd/${name}`));
      } catch {
        return false;
      }
    }).length;
  (await session()).close();
  await eventually("the end of the session", () => terminals() === 0 && children(child.pid).length === 0);
  const before = open();
  const callers = await Promise.all(Array.from({ length: 10 }, session));
  // Once the program has its terminal open, we have it no longer.
  await eventually("ten terminals", () => terminals() === 10, { details: () => `${terminals()}` });
  for (const caller of callers) caller.close();
  await eventually(
    "the end of all sessions",
    () => terminals() === 0 && children(child.pid).length === 0 && open() === before,
    { details: () => `${terminals()} terminals, ${children(child.pid)}, ${open()} of ${before} open` },
  );
}, { skip });

/** The children of a process, dead ones that nobody has looked at included. */
function children(pid: number): string[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).trim().split(" ").filter((word) => word);
    } catch {
      return [];
    }
  });
}

acceptance("4.2", "without the native driver pty is refused before anything opens", async (run) => {
  const stderr =
    / E EXEC:cat: option "pty" needs the native driver, which only Linux has; leave out --driver=portable$/;
  const file = run.path("f");
  await run.out(["--driver=portable", `OPEN:${file},creat`, "EXEC:cat,pty"], { code: 1, stderr });
  assertEquals([...Deno.readDirSync(run.dir)], []);
}, { skip });
