// @ts-types="../../tests/deno_std.d.ts"
import { assertEquals } from "@std/assert";
import { Distribution } from "./distribution.ts";

Deno.test("Distribution counts a value in every range it is not above", () => {
  const distribution = new Distribution([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5.5, 7]) distribution.add(value);
  assertEquals([...distribution.buckets()], [[1, 2], [2, 4], [5, 4], ["+Inf", 6]]);
  assertEquals(distribution.sum, 17);
});
