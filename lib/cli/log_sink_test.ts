// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ConfigError } from "../errors.ts";
import { fileSink, writeWhole } from "./log_sink.ts";

function inFolder(body: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("writeWhole() goes on after short writes and full pipes", () => {
  const taken: number[] = [];
  let calls = 0;
  writeWhole({
    writeSync(bytes) {
      if (++calls % 2 === 0) throw new Deno.errors.WouldBlock("full");
      const part = bytes.subarray(0, 4);
      taken.push(...part);
      return part.length;
    },
  }, "0123456789");
  assertEquals(new TextDecoder().decode(Uint8Array.from(taken)), "0123456789");
});

Deno.test("fileSink() appends, and writes to a new file after reopen()", () =>
  inFolder((folder) => {
    const path = `${folder}/log`;
    Deno.writeTextFileSync(path, "old\n");
    const sink = fileSink(path, () => {});
    sink.write("one\n");
    Deno.renameSync(path, `${path}.1`);
    sink.write("two\n");
    sink.reopen();
    sink.write("three\n");
    sink.close();
    assertEquals(Deno.readTextFileSync(`${path}.1`), "old\none\ntwo\n");
    assertEquals(Deno.readTextFileSync(path), "three\n");
  }));

Deno.test("fileSink() keeps the old file when the new one cannot be opened", () =>
  inFolder((folder) => {
    const failures: string[] = [];
    Deno.mkdirSync(`${folder}/a`);
    const sink = fileSink(`${folder}/a/log`, (message) => failures.push(message));
    Deno.renameSync(`${folder}/a`, `${folder}/b`);
    sink.reopen();
    sink.write("kept\n");
    sink.close();
    assertEquals(Deno.readTextFileSync(`${folder}/b/log`), "kept\n");
    assertEquals(failures.length, 1);
    assertMatch(failures[0]!, /log: open\(".*\/a\/log", O_WRONLY\|O_CREAT\|O_APPEND\): No such file or directory; /);
  }));

Deno.test("fileSink() tells a full disk once and goes on", () => {
  const failures: string[] = [];
  const sink = fileSink("/dev/full", (message) => failures.push(message));
  sink.write("one\n");
  sink.write("two\n");
  sink.close();
  assertEquals(failures, ["/dev/full: No space left on device; lines are lost until this is mended"]);
});

Deno.test("fileSink() names a file that cannot be opened", () => {
  const error = assertThrows(() => fileSink("/nonexistent/log", () => {}), ConfigError);
  assertEquals(error.message, 'open("/nonexistent/log", O_WRONLY|O_CREAT|O_APPEND): No such file or directory');
});

Deno.test("fileSink() stays closed when all files are opened anew", () => {
  inFolder((folder) => {
    const path = `${folder}/log`;
    const sink = fileSink(path, () => {});
    sink.close();
    Deno.removeSync(path);
    sink.reopen();
    sink.write("lost");
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  });
});
