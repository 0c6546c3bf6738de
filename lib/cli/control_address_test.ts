// @ts-types="../../tests/deno_std.d.ts"
import { assertStringIncludes } from "@std/assert";
import { check } from "../../tests/support/cli.ts";

Deno.test("--admin tells a wrong option before it says that the address can be reached from elsewhere", async () => {
  const wrong: readonly (readonly [address: string, message: string])[] = [
    [
      "token-file=x",
      '--admin: unknown option "token-file"; the token has an option of its own, --admin-token-file=FILE',
    ],
    ["certs=x", 'unknown option "certs"'],
    ["fork", "--admin=0.0.0.0:1234,fork: can be reached from elsewhere"],
  ];
  for (const [option, message] of wrong) {
    assertStringIncludes(await check([`--admin=0.0.0.0:1234,${option}`, "tcp-l:1,fork", "echo"]), message);
  }
});
