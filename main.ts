/** The program: its arguments, and everything it knows how to do, to an exit status. */
import { run } from "./lib/cli/run.ts";
import { loadPlugins } from "./protocols/load.ts";

if (import.meta.main) Deno.exit(await run(Deno.args, loadPlugins));
