// @ts-types="../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { groupRuns, signalGroup } from "./_process_group.ts";

Deno.test("groups that are gone, or have become another user's, are let alone", () => {
  const { kill } = Deno;
  try {
    for (const fault of [Deno.errors.NotFound, Deno.errors.PermissionDenied]) {
      Deno.kill = () => {
        throw new fault();
      };
      signalGroup(2, "SIGTERM");
      assertEquals(groupRuns(2), false);
    }
  } finally {
    Deno.kill = kill;
  }
});
