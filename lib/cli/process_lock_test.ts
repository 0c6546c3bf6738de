// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { Log } from "../log.ts";
import { ProcessLock } from "./process_lock.ts";

Deno.test("ProcessLock waits no longer once it is released: nothing was done, and nothing is wrong", async () => {
  const path = Deno.makeTempFileSync();
  try {
    const heard = Promise.withResolvers<string>();
    const write = (line: string) => heard.resolve(line);
    const log = new Log({ level: "notice", format: "socat", program: "l7mp", microseconds: false, pid: 1, write });
    const lock = new ProcessLock({ path, wait: true }, log);
    let done = false;
    const held = lock.hold(() => {
      done = true;
      return Promise.resolve({});
    });
    await heard.promise;
    lock.release();
    assertEquals(await held, {});
    lock.release();
    assertEquals([done, Deno.statSync(path).isFile], [false, true]);
  } finally {
    Deno.removeSync(path);
  }
});
