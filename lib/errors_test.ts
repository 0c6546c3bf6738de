// @ts-types="../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import fs from "node:fs";
import { systemFault } from "./errors.ts";

function faultOf(action: () => unknown): ReturnType<typeof systemFault> {
  try {
    action();
  } catch (error) {
    return systemFault(error);
  }
  throw new Error("nothing was wrong");
}

Deno.test("systemFault() has the system's words, whichever half of the runtime tells", () => {
  const folder = Deno.makeTempDirSync();
  const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
  try {
    const loop = `${folder}/loop`;
    Deno.symlinkSync("loop", loop);
    const long = `${folder}/${"x".repeat(300)}`;
    const pairs = [
      [() => Deno.openSync(folder, { write: true }), () => fs.openSync(folder, O_WRONLY)],
      [
        () => Deno.openSync(loop, { write: true, createNew: true }),
        () => fs.openSync(loop, O_WRONLY | O_CREAT | O_EXCL),
      ],
      [() => Deno.openSync(loop), () => fs.openSync(loop, "r")],
      [() => Deno.openSync(long), () => fs.openSync(long, "r")],
      [() => Deno.openSync(`${folder}/none`), () => fs.openSync(`${folder}/none`, "r")],
    ] as const;
    for (const [one, other] of pairs) assertEquals(faultOf(other).text, faultOf(one).text);
    assertEquals(faultOf(pairs[0]![1]), { code: "EISDIR", text: "Is a directory" });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
