/** The program: its arguments, and everything it knows how to do, to an exit status. */
import { run } from "./lib/cli/run.ts";
import { registry } from "./protocols/mod.ts";

if (import.meta.main) Deno.exit(await run(Deno.args, registry));
