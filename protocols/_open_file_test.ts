// @ts-types="../tests/deno_std.d.ts"
import { assertRejects } from "@std/assert";
import { localContext } from "../tests/support/local_context.ts";
import { openFile } from "./_open_file.ts";
import { open } from "./file.ts";

Deno.test("openFile() gives up a named pipe that it is only about to wait for", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/fifo`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    for (const direction of ["read", "write"] as const) {
      // Each of them is opened by another call of the runtime.
      for (const options of [{}, { noctty: true }]) {
        const abort = new AbortController();
        const spec = open.spec.parse({ path, ...options }, "");
        const opening = openFile(path, spec, localContext({ direction, signal: abort.signal }));
        abort.abort(new Error("on purpose"));
        await assertRejects(() => opening, Error, "on purpose");
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
