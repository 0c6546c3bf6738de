/** Talking to those whose end cannot be heard: after an end of input, silence would be all that a caller could wait for. */

import type { Program, Run } from "./harness.ts";

/**
 * What the program has printed at its end, started with `args` and told `input`, which ends when all of it has come back:
 * however long that takes, the answer is there before the linger begins.
 */
export async function answered(
  run: Run,
  args: readonly string[],
  input: string,
  options: { readonly program?: Program } = {},
): Promise<string> {
  const child = run.spawn(args, { ...options, openInput: true });
  await child.write(input);
  await child.prints(input);
  await child.endInput();
  return (await child.end()).stdout;
}
