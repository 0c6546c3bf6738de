// @ts-types="../tests/deno_std.d.ts"
import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectError, StreamError } from "../lib/errors.ts";
import type { ByteStream } from "../lib/stream/stream.ts";
import { localContext } from "../tests/support/local_context.ts";
import { noTerminals } from "../tests/support/machine.ts";
import { bytesOf, patternBytes, textOf } from "../tests/support/streams.ts";
import { stdio } from "./stdio.ts";

const program = `${import.meta.dirname}/../tests/support/stdio_program.ts`;
const commandLine = [Deno.execPath(), "run", "-A", program];

function spawn(scenario: string): Deno.ChildProcess {
  const [command, ...args] = commandLine;
  return new Deno.Command(command!, { args: [...args, scenario], stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
}

async function feed(child: Deno.ChildProcess, input: Uint8Array): Promise<Deno.CommandOutput> {
  const writing = (async () => {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  })();
  const output = await child.output();
  await writing;
  return output;
}

Deno.test("STDIO copies its input to its output unchanged, newlines or not", async () => {
  const input = patternBytes(3_000_000);
  const { success, stdout, stderr } = await feed(spawn("cat"), input);
  assert(success, textOf(stderr));
  assertEquals(stdout.length, input.length);
  assert(stdout.every((byte, i) => byte === input[i]));
});

Deno.test("STDIO half-close ends standard output through the driver, once", async () => {
  const { stderr } = await feed(spawn("cat"), bytesOf("x"));
  assertEquals(textOf(stderr), "closeStdout\n");
});

Deno.test({
  name: "STDIO half-close is an end for the reader while the process goes on",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const child = spawn("half");
    assertEquals(await new Response(child.stdout).text(), "last words");
    // Only now is it told to end.
    await child.stdin.close();
    assertEquals(await new Response(child.stderr).text(), "still here\n");
    await child.status;
  },
});

Deno.test("STDIO opened for reading leaves standard output alone", async () => {
  const { stderr } = await feed(spawn("read"), bytesOf("x"));
  assertEquals(textOf(stderr), "");
});

Deno.test("STDOUT to a reader that has gone is a StreamError with EPIPE", async () => {
  const child = spawn("fail");
  await child.stdin.close();
  await child.stdout.cancel();
  const stderr = await new Response(child.stderr).text();
  await child.status;
  assertEquals(stderr, "EPIPE write(stdout): Broken pipe\n");
});

Deno.test("STDOUT to a full disk is a StreamError with ENOSPC", async () => {
  const text = `'${commandLine.join("' '")}' fail >/dev/full`;
  const { stderr } = await new Deno.Command("sh", { args: ["-c", text] }).output();
  assertEquals(textOf(stderr), "ENOSPC write(stdout): No space left on device\n");
});

Deno.test("STDIO abort() lets the process exit while a read is pending", async () => {
  const child = spawn("leave");
  // Standard input stays open all the time.
  const stdout = await new Response(child.stdout).text();
  const stderr = await new Response(child.stderr).text();
  const { success } = await child.status;
  await child.stdin.close();
  assertEquals([success, stdout, stderr], [true, "reading\n", "CLOSED\n"]);
});

Deno.test("STDIO half-close ends standard output although another that could write to it has left without a word", async () => {
  const { stderr } = await feed(spawn("gone"), bytesOf("x"));
  assertEquals(textOf(stderr), "closeStdout\n");
});

Deno.test("STDIO abort() leaves standard input open while no read is pending", async () => {
  const child = spawn("rest");
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  await writer.write(bytesOf("one"));
  assertEquals(textOf((await reader.read()).value!), "one");
  await writer.write(bytesOf("two"));
  await writer.close();
  assertEquals(textOf((await reader.read()).value!), "two");
  assertEquals((await reader.read()).done, true);
  assertEquals(await new Response(child.stderr).text(), "");
  assertEquals((await child.status).success, true);
});

Deno.test("STDIO keeps for the next session what came after one had left, and leaves the output open", async () => {
  const child = spawn("share");
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  assertEquals(textOf((await reader.read()).value!), "second\n");
  await writer.write(bytesOf("one"));
  assertEquals(textOf((await reader.read()).value!), "one");
  await writer.write(bytesOf("two"));
  await writer.close();
  assertEquals(textOf((await reader.read()).value!), "two");
  assertEquals((await reader.read()).done, true);
  assertEquals(await new Response(child.stderr).text(), "");
  await child.status;
});

Deno.test("STDOUT cannot be read, STDIN cannot be written", async () => {
  const start = async (stream: string) =>
    await stdio.connect!(stdio.spec.parse({ stream }, ""), localContext()) as ByteStream;
  assertEquals(await (await start("stdout")).read(), null);
  await assertRejects(async () => await (await start("stdin")).write(bytesOf("x")), StreamError, "for reading only");
});

/** Runs the scenario `raw` on a terminal of its own; gives the settings during and after. */
async function onTerminal(settings: Record<string, boolean>): Promise<[string, string]> {
  const text = `'${commandLine.join("' '")}' raw '${JSON.stringify(settings)}'`;
  const { stdout } = await new Deno.Command("script", { args: ["-qec", text, "/dev/null"], stdin: "null" }).output();
  const [during = "", after = ""] = textOf(stdout).split("---");
  return [during, after];
}

Deno.test({
  name: `STDIO options raw, rawer, cfmakeraw and echo change the terminal until abort()${
    noTerminals ? ` (${noTerminals})` : ""
  }`,
  ignore: noTerminals !== undefined,
  async fn() {
    const cases: [Record<string, boolean>, RegExp, RegExp][] = [
      [{ raw: true }, /-icanon/, /-echo\b/],
      [{ rawer: true }, /-icanon[^]*-echo\b|-echo\b[^]*-icanon/, /[^-]echo /],
      [{ cfmakeraw: true }, /-icanon/, /[^-]icanon/],
      [{ raw: true, echo: false }, /-echo /, /[^-]echo /],
      [{ echo: false }, /-echo /, /-icanon/],
      [{ echo: false, icanon: false }, /-icanon[^]*-echo\b|-echo\b[^]*-icanon/, /-isig/],
      [{ raw: true, isig: true }, /[^-]isig/, /-isig/],
      [{ sane: true, cs8: true, inlcr: true, onlcr: false }, / inlcr [^]*-onlcr/, /-icanon/],
    ];
    for (const [settings, has, hasNot] of cases) {
      const [during, after] = await onTerminal(settings);
      assertMatch(during, has, JSON.stringify(settings));
      assertNotMatch(during, hasNot, JSON.stringify(settings));
      assertMatch(after, /\Wicanon/);
      assertMatch(after, /[^-]echo /);
    }
  },
});

Deno.test("STDIO option raw needs a terminal", async () => {
  if (Deno.stdin.isTerminal()) return;
  const raw = stdio.connect!(stdio.spec.parse({ raw: true }, ""), localContext());
  const error = await assertRejects(() => raw, ConnectError);
  assertStringIncludes(error.message, 'Inappropriate ioctl for device; option "raw" needs a terminal');
});
