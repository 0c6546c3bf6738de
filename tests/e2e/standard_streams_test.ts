// Acceptance examples: standard streams, files, programs (E01 to E13) and what is logged (E71 to E73).

// @ts-types="../deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { acceptance, eventually } from "./harness.ts";

const both = { socat: "any" } as const;

acceptance("E01", "a line comes back from PIPE", async (run) => {
  assertEquals(await run.out(["-", "PIPE"], { input: "hello\n" }), "hello\n");
}, both);

acceptance("E02", "one direction, either way", async (run) => {
  assertEquals(await run.out(["-u", "-", "STDOUT"], { input: "abc" }), "abc");
  assertEquals(await run.out(["-U", "STDOUT", "-"], { input: "abc" }), "abc");
}, both);

acceptance("E03", "a dual address", async (run) => {
  assertEquals(await run.out(["STDIN!!STDOUT", "PIPE"], { input: "abc" }), "abc");
}, both);

acceptance("E04", "create, append, read a file", async (run) => {
  const file = run.path("f");
  await run.out(["-u", "-", `CREATE:${file}`], { input: "abc" });
  assertEquals(await Deno.readTextFile(file), "abc");
  await run.out(["-u", "-", `OPEN:${file},creat,append,wronly`], { input: "abc" });
  assertEquals(await Deno.readTextFile(file), "abcabc");
  assertEquals(await run.out(["-u", file, "-"]), "abcabc");
}, both);

acceptance("E05", "seek and readbytes", async (run) => {
  await Deno.writeTextFile(run.path("f"), "abcdef");
  assertEquals(await run.out(["-u", `OPEN:${run.path("f")},seek=3,readbytes=2`, "-"]), "de");
}, both);

acceptance("E06", "ignoreeof follows a growing file", async (run) => {
  const file = run.path("f");
  await Deno.writeTextFile(file, "one\n");
  const child = run.spawn(["-u", `${file},seek-end=0,ignoreeof`, "-"]);
  await eventually("the file to be open at its end", () => isOpenAt(child.pid, file, 4), {
    details: () => child.describe(),
  });
  await Deno.writeTextFile(file, "two\n", { append: true });
  await child.prints("two\n");
  assertEquals(child.stdout, "two\n");
  child.kill("SIGTERM");
  await child.end();
}, both);

async function isOpenAt(pid: number, path: string, position: number): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
      if (await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "") !== path) continue;
      const info = await Deno.readTextFile(`/proc/${pid}/fdinfo/${name}`);
      if (info.includes(`pos:\t${position}\n`)) return true;
    }
  } catch {
    // Not started yet.
  }
  return false;
}

acceptance("E07", "the end of the input reaches a program, its late output is complete", async (run) => {
  assertEquals(await run.out(["-", "EXEC:sort"], { input: "b\na\n" }), "a\nb\n");
}, both);

acceptance("E08", "a slow shell program", async (run) => {
  const start = performance.now();
  assertEquals(await run.out(["-u", "SYSTEM:echo one; sleep 1; echo two", "-"]), "one\ntwo\n");
  const elapsed = performance.now() - start;
  assert(elapsed > 950, `took ${elapsed} ms`);
}, both);

acceptance("E09", "the failure of a program is the failure of the session", async (run) => {
  const options = { code: 1, stderr: / E .*child \d+ exited with status 7/ };
  assertEquals(await run.out(["-u", "SYSTEM:echo x; exit 7", "-"], options), "x\n");
});

acceptance(
  "SYSTEM",
  "a program's failure counts although the other side stays open and the linger ends it",
  async (run) => {
    const stderr = run.isL7mp ? / E child \d+ exited with status 7 \(upstream\)$/ : "any" as const;
    assertEquals(await run.out(["-t", "0.1", "-", "SYSTEM:exit 7"], { openInput: true, code: 1, stderr }), "");
  },
  { socat: "1.8" },
);

acceptance("SYSTEM", "a program that the linger ends has not failed", async (run) => {
  assertEquals(await run.out(["-t", "0.1", "-", "SYSTEM:exec sleep 1000"], { input: "" }), "");
});

acceptance("E10", "a missing program", async (run) => {
  const stderr = / E .*execvp\("\/nonexistent\/prog"\).*No such file or directory/;
  assertEquals(await run.out(["-u", "EXEC:/nonexistent/prog", "-"], { code: 1, stderr }), "");
});

acceptance("E11", "brackets hide specials and stay, quotes hide and go", async (run) => {
  assertEquals(await run.out(["-u", `exec:echo a(b,c)[d:e]{f!!g}"h,i"j`, "-"]), "a(b,c)[d:e]{f!!g}h,ij\n");
}, both);

acceptance("E12", "words after -- reach the program untouched", async (run) => {
  const args = ["-u", "EXEC-ARG", "-", "--", "printf", "%s|", "a b", "c,d:e"];
  assertEquals(await run.out(args), "a b|c,d:e|");
});

for (const program of ["EXEC:cat", "SYSTEM:cat"]) {
  acceptance(program, "a program that is only read shares standard input", async (run) => {
    assertEquals(await run.out(["-u", program, "STDOUT"], { input: "from above\n" }), "from above\n");
    assertEquals(await run.out([`${program}!!STDOUT`, "PIPE"], { input: "and through\n" }), "and through\n");
  }, { socat: "any" });
}

acceptance("EXEC with argv0", "a program that is only read shares standard input", async (run) => {
  assertEquals(await run.out(["-u", "EXEC:cat,argv0=dog", "STDOUT"], { input: "from above\n" }), "from above\n");
});

acceptance("E13", "TEXT gives its text, DISCARD swallows", async (run) => {
  assertEquals(await run.out(["-u", "TEXT:hi there", "-"]), "hi there");
  assertEquals(await run.out(["-", "DISCARD"], { input: "x" }), "");
});

acceptance("E71", "dumps of -v and -x", async (run) => {
  // Six digits of microseconds; socat 1.7 writes three zeros more in front of them.
  const stamp = String.raw`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.(000)?\d{6}  length=6 from=0 to=5\n`;
  const text = run.spawn(["-v", "-", "PIPE"], { input: "hello\n", stderr: "any" });
  await text.end();
  assertMatch(text.stderr, new RegExp(`^> ${stamp}hello\n< ${stamp}hello\n$`));
  const hex = run.spawn(["-x", "-", "PIPE"], { input: "hello\n", stderr: "any" });
  await hex.end();
  assertMatch(hex.stderr, new RegExp(`^> ${stamp} 68 65 6c 6c 6f 0a\n< ${stamp} 68 65 6c 6c 6f 0a\n$`));
}, both);

acceptance("E72", "statistics", async (run) => {
  const child = run.spawn(["--statistics", "-", "PIPE"], { input: "abc", stderr: "any" });
  await child.end();
  const lines = child.stderr.split("\n").filter((line) => line.includes("STATISTICS"));
  assertEquals(lines.length, 2, child.describe());
  // socat writes "packets(s)".
  assertMatch(lines[0]!, /STATISTICS: left to right: +\d+ packets?\(s\), +3 byte\(s\)/);
  assertMatch(lines[1]!, /STATISTICS: right to left: +\d+ packets?\(s\), +3 byte\(s\)/);
  if (run.isL7mp) assertEquals(child.stderr.includes("packets"), false);
}, { socat: "1.8" });

const mistakes: [name: string, args: (dir: string) => string[], expected: string[]][] = [
  ["merged options", () => ["-vx", "-", "PIPE"], ["give single character options separately: -v -x"]],
  ["unknown type", () => ["-", "FOO:1"], [`unknown device/address "FOO"`]],
  ["missing parameter", () => ["-", "TCP:h"], ["wrong number of parameters (1 instead of 2)"]],
  ["port out of range", () => ["-", "TCP:127.0.0.1:99999"], [`port "99999" out of range 0..65535`]],
  ["misspelt option", () => ["-", "TCP:127.0.0.1:80,frok"], [`unknown option "frok"`, `did you mean "fork"`]],
  ["unclosed quote", (dir) => ["-u", `FILE:${dir}/ab"cd`, "-"], ["unexpected end of address", "syntax error"]],
];
const notFromFile = "there is no plan of a mistake";
for (const [name, args, expected] of mistakes) {
  acceptance("E73", name, async (run) => {
    // Address1 would create this file: nothing may be opened before everything is checked.
    const child = run.spawn(args(run.dir), { input: "x", code: 1, stderr: / E / });
    await child.end();
    assertEquals(child.stdout, "");
    for (const text of expected) assertStringIncludes(child.stderr, text);
    assertEquals([...Deno.readDirSync(run.dir)], []);
  }, { notFromFile });
}

acceptance("E73", "a mistake in address2 is found before address1 is opened", async (run) => {
  const stderr = / E .*unknown option "frok"/;
  await run.out(["-U", `CREATE:${run.path("f")}`, "TCP:127.0.0.1:80,frok"], { code: 1, stderr });
  assertEquals([...Deno.readDirSync(run.dir)], []);
}, { notFromFile });
