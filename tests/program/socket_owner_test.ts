// Who has a socket, asked by a process that is alone: what it opens, programs of other tests would get.
// @ts-types="../deno_std.d.ts"
import { assertEquals, assertMatch } from "@std/assert";
import { libcFailure } from "../../lib/native/libc.ts";
import { textOf } from "../support/streams.ts";

for (const [files, what] of [[0, "although its children have the socket, too"], [2500, "however much it has open"]]) {
  Deno.test({
    name: `ownerOf() names a process ${what}`,
    ignore: libcFailure !== undefined,
    async fn() {
      const child = `${import.meta.dirname}/../support/socket_owner_child.ts`;
      const args = ["run", "-A", child, String(files)];
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
      assertEquals(textOf(stderr), "");
      assertMatch(textOf(stdout), /^(\d+) pid \1 \(deno\)\n$/);
    },
  });
}
