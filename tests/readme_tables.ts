/** Brings the tables of README.md up to date: `deno run -A tests/readme_tables.ts`. */
import { fillTables } from "../lib/cli/tables.ts";
import { registry } from "../protocols/mod.ts";

const path = new URL("../README.md", import.meta.url);
await Deno.writeTextFile(path, fillTables(await Deno.readTextFile(path), registry));
