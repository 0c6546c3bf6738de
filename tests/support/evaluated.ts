/** Programs in a process of their own, for what all of a process shares: its descriptors, its umask, its end. */

// @ts-types="../deno_std.d.ts"
import { assert } from "@std/assert";

/** It ends soon; who looks at one that does not is told. */
const limitMs = 60_000;

/** Runs the module `program`, which may import `names` from the module at `from`; resolves with its standard output. */
export async function evaluated(names: string, from: URL, program: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", `import { ${names} } from ${JSON.stringify(from.href)};\n${program}`],
    signal: AbortSignal.timeout(limitMs),
  }).output();
  assert(success, `it failed, or had to be stopped: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
