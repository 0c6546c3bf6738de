// The README's tables are those of the code, and its command lines work.
// @ts-types="./deno_std.d.ts"
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exampleOf, optionExample, overlayExample } from "../lib/cli/examples.ts";
import { catalog } from "../lib/cli/catalog.ts";
import { globalOptions } from "../lib/cli/options.ts";
import { overlayEntries } from "../lib/cli/overlays.ts";
import { fillTables } from "../lib/cli/tables.ts";
import { registry } from "../protocols/mod.ts";
import { makeCertificates, noOpenssl, withFiles } from "./support/certificates.ts";
import { check } from "./support/cli.ts";

const readmePath = new URL("../README.md", import.meta.url);
const readme = await Deno.readTextFile(readmePath);

/** Command lines of the fenced blocks for a shell. */
const commands = [...readme.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block!.trim().split("\n"));

/** The words that a shell makes of the arguments of l7mp in `line`. */
async function wordsOf(line: string): Promise<string[]> {
  const script = `l7mp() { printf '%s\\0' "$@"; }\n${line}`;
  const { stdout, success } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  assert(success, `a shell does not understand: ${line}`);
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

Deno.test("README.md holds the tables of the code", () => {
  assert(fillTables(readme, registry) === readme, "out of date: run deno run -A tests/readme_tables.ts");
});

Deno.test("fillTables() refuses a text without the place of a table", () => {
  let message = "";
  try {
    fillTables(readme.replace("<!-- table:types -->", ""), registry);
  } catch (error) {
    message = String(error);
  }
  assertStringIncludes(message, 'nothing marks the place of the table "types"');
});

const certificates = makeCertificates();

Deno.test("every l7mp line of README.md is accepted", async (t) => {
  const lines = commands.map((line) => line.replace(/^.*deno(@\S+)? task start/, "l7mp")).filter((line) =>
    // Those of the API's client run in `config/readme_test.ts`.
    /\bl7mp (?!ctl)/.test(line)
  );
  assert(lines.length > 15, `only ${lines.length} found`);
  for (const line of lines) {
    const ignore = !certificates && line.includes("cert=");
    await t.step({
      name: ignore ? `${line} (skipped: ${noOpenssl})` : line,
      ignore,
      fn: async () => assertEquals(await check((await wordsOf(line)).map((word) => withFiles(word, certificates))), ""),
    });
  }
});

Deno.test("the README's examples print what it says they print", async (t) => {
  const main = `${import.meta.dirname}/../main.ts`;
  for (const line of commands) {
    const [, command, output] = /^(.*?)\s+# prints (.*)$/.exec(line) ?? [];
    if (!command || !output) continue;
    await t.step(command, async () => {
      const script = `l7mp() { '${Deno.execPath()}' run -A '${main}' "$@"; }\n${command}`;
      const { stdout, stderr } = await new Deno.Command("sh", { args: ["-c", script], stdin: "null" }).output();
      assertEquals(new TextDecoder().decode(stdout).split("\n")[0], output, new TextDecoder().decode(stderr));
    });
  }
});

Deno.test("the tasks that README.md names exist", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  const named = [...readme.matchAll(/deno(?:@\S+)? task (\w+)/g)].map(([, name]) => name!);
  assertEquals(named.filter((name) => !(name in tasks)), []);
});

const needsOpenssl = certificates ? "" : ` (skipped: ${noOpenssl})`;
Deno.test(`every example of the help is accepted${needsOpenssl}`, { ignore: !certificates }, async () => {
  const entries = catalog(registry);
  const uses = entries.flatMap((entry) => entry.options.map((option) => ({ entry, option })));
  const meanings = Map.groupBy(uses, ({ option }) => `${option.name} ${option.schema.notes.help}`);
  const lines = [
    ...globalOptions.map(({ example }) => example),
    ...entries.map((entry) => exampleOf(entry)),
    ...[...meanings.values()].map((uses) => optionExample(uses)),
    ...overlayEntries(registry).flatMap((overlay) => [
      overlayExample(overlay),
      ...overlay.options.map((option) => overlayExample(overlay, option)),
    ]),
  ];
  const failures: string[] = [];
  for (const line of lines) {
    const message = await check(quickWords(line).map((word) => withFiles(word, certificates)));
    if (message) failures.push(`${line}\n    ${message}`);
  }
  assertEquals(failures, []);
  const twice = (line: string) => {
    const names = [...line.matchAll(/,([a-z0-9-]+)/g)].map(([, name]) => name);
    return new Set(names).size < names.length;
  };
  assertEquals(lines.filter(twice), [], "name an option twice");
  assertEquals(lines.filter((line) => /\b(?:TCP|UDP)6\S*:\d+\.\d/.test(line)), [], "reach nothing by IPv6");
});

/** As `wordsOf` for the lines of the help, which quote whole words only: there are too many for a shell each. */
function quickWords(line: string): string[] {
  assert(line.startsWith("l7mp "));
  return [...line.slice("l7mp ".length).matchAll(/'([^']*)'|\S+/g)].map(([word, inner]) => inner ?? word);
}
