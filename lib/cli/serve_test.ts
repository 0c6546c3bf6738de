// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals, assertRejects } from "@std/assert";
import { Log } from "../log.ts";
// A library that a test opens it must close; libc stays open.
import "../native/driver.ts";
import { defaultArguments } from "./arguments.ts";
import { serveUntilEnd } from "./serve.ts";

Deno.test("serveUntilEnd() releases its lock when the service cannot be closed", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/lock`;
    const log = new Log({ level: "silent", format: "socat", program: "l7mp", microseconds: false, pid: 1, write() {} });
    const sink = { write() {}, reopen() {}, close() {} };
    const outlets = { log, asked: log, standardError: sink, open: () => sink, reopen() {}, changeLog() {} };
    let held: boolean | undefined;
    const service = {
      plan: { listeners: [], warnings: [] },
      many: false,
      run: () => {
        held = Deno.statSync(path).isFile;
        return Promise.resolve({});
      },
      close: () => Promise.reject(new Error("cannot be closed")),
    };
    const given = { ...defaultArguments(), lock: { path, wait: false } };
    await assertRejects(() => serveUntilEnd(service, given, outlets), Error, "cannot be closed");
    assertEquals([held, [...Deno.readDirSync(folder)]], [true, []]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
