// What a pseudo-terminal tells of those who have its device open, and what it holds.
// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import type { PseudoTerminal } from "../driver.ts";
import { StreamError } from "../errors.ts";
import { noTerminals } from "../../tests/support/machine.ts";
import { readBytes, textOf } from "../../tests/support/streams.ts";
import { libcFailure } from "./libc.ts";
import { openNativeDriver } from "./mod.ts";

/** Registers a test with a terminal of its own; `closed` tells how often it has said that it is gone. */
function terminalTest(name: string, run: (terminal: PseudoTerminal, closed: () => number) => Promise<void>): void {
  Deno.test({
    name: `pseudo-terminal ${name}${noTerminals ? ` (${noTerminals})` : ""}`,
    ignore: (libcFailure ?? noTerminals) !== undefined,
    async fn() {
      const driver = openNativeDriver();
      let closed = 0;
      try {
        const terminal = await driver.openTerminal(() => closed++);
        await run(terminal, () => closed);
      } finally {
        await driver.close();
      }
      assertEquals(closed, 1);
    },
  });
}

/** A program that has the device open until its input ends; resolves once it has. */
async function user({ path }: PseudoTerminal): Promise<AsyncDisposable> {
  const script = 'exec 3<>"$0"; echo; read -r word';
  const child = new Deno.Command("sh", { args: ["-c", script, path], stdin: "piped", stdout: "piped" }).spawn();
  const output = child.stdout.getReader();
  await output.read();
  return {
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
      await output.cancel();
    },
  };
}

async function run(script: string, { path }: PseudoTerminal): Promise<string> {
  const { stdout, success } = await new Deno.Command("sh", { args: ["-c", script, path] }).output();
  assert(success);
  return textOf(stdout).trim();
}

terminalTest("goes on while nobody has its device open", async (terminal) => {
  const { stream } = terminal;
  for (const text of ["one\n", "two\n"]) {
    await run(`printf '${text}' >"$0"`, terminal);
    // Newline goes out as CR newline: a new terminal does that.
    assertEquals(textOf(await readBytes(stream, text.length + 1)), text.replace("\n", "\r\n"));
  }
});

terminalTest("ends when all have closed its device, once the driver has let go", async (terminal) => {
  const { stream } = terminal;
  terminal.letGo();
  terminal.letGo();
  assertEquals(terminal.inUse(), false);
  assertEquals(await stream.read(), null);
  {
    await using _user = await user(terminal);
    assertEquals(terminal.inUse(), true);
    await run(`printf abc >"$0"`, terminal);
    assertEquals(textOf(await readBytes(stream, 3)), "abc");
  }
  assertEquals(await stream.read(), null);
  assertEquals(terminal.inUse(), false);
});

terminalTest("is in use as long as something is left to read", async (terminal) => {
  terminal.letGo();
  await run(`printf abc >"$0"`, terminal);
  assertEquals(terminal.inUse(), true);
  assertEquals(textOf(await readBytes(terminal.stream, 3)), "abc");
  assertEquals(await terminal.stream.read(), null);
  assertEquals(terminal.inUse(), false);
});

terminalTest("has the window it was given, and keeps one that it was given for good", async (terminal) => {
  terminal.stream.info.resize!({ columns: 132, rows: 43 });
  assertEquals(await run('stty size <"$0"', terminal), "43 132");
  terminal.fixWindow({ columns: 80, rows: 24 });
  terminal.stream.info.resize!({ columns: 132, rows: 43 });
  assertEquals(await run('stty size <"$0"', terminal), "24 80");
});

terminalTest("is gone after an abort, and says so once", async (terminal, closed) => {
  const { stream } = terminal;
  stream.abort();
  stream.abort(new StreamError("late"));
  assertEquals(closed(), 1);
  terminal.letGo();
  assertEquals(terminal.inUse(), false);
  stream.info.resize!({ columns: 1, rows: 1 });
});
