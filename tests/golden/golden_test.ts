/**
 * Command lines and what they mean: each file of this folder has a command in its first line and, after an empty line,
 * what `--plan` prints for it, or the message and the exit status. `UPDATE_GOLDEN=1` writes what the program says now.
 */
// @ts-types="../deno_std.d.ts"
import { assert, assertEquals } from "@std/assert";
import type { Host } from "../../lib/cli/host.ts";
// @ts-types="../deno_std.d.ts"
import { parse } from "@std/yaml";
import type { Document } from "../../lib/config/document.ts";
import { completeDocument } from "../../lib/config/framers.ts";
import { planDocument } from "../../lib/config/planner.ts";
import { run } from "../../lib/cli/run.ts";
import { loadPlugins } from "../../protocols/load.ts";
import { registry } from "../../protocols/mod.ts";

const folder = new URL(".", import.meta.url);
const update = Deno.env.get("UPDATE_GOLDEN") === "1";

/** Splits as a shell does; of quotes it knows the single ones. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ""));
}

async function say(command: string): Promise<string> {
  const [program, ...words] = wordsOf(command);
  assertEquals(program, "l7mp", "a golden file begins with its command");
  let output = "";
  const standardError = {
    write: (text: string | Uint8Array) => {
      const line = typeof text === "string" ? text : new TextDecoder().decode(text);
      output += line.replace(/^\S+ \S+ l7mp\[\d+\] /, "");
    },
    reopen: () => {},
    close: () => {},
  };
  const host: Host = {
    environment: () => undefined,
    print: (text) => output += text,
    standardError,
    standardOutput: standardError,
    readInput: () => Promise.resolve(""),
    pid: 1,
    hostName: () => "machine",
    syslogPath: "/nowhere",
  };
  const status = await run(["--plan", ...words], loadPlugins, host);
  return status === 0 ? output : `${output}exit ${status}\n`;
}

const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".txt")).sort();

Deno.test("there are golden files", () => assert(files.length > 30));

for (const file of files) {
  Deno.test(`golden: ${file.replace(/\.txt$/, "").replaceAll("_", " ")}`, async () => {
    const path = new URL(file, folder);
    const [command, ...wanted] = Deno.readTextFileSync(path).split("\n");
    const said = await say(command!);
    if (update) Deno.writeTextFileSync(path, `${command}\n\n${said}`);
    else assertEquals(said, wanted.slice(1).join("\n"));
  });
}

for (const file of files.filter((file) => file.startsWith("plan_"))) {
  Deno.test(`golden: the printed ${file.replace(/\.txt$/, "").replaceAll("_", " ")} reads back as a complete document`, () => {
    const [, , ...printed] = Deno.readTextFileSync(new URL(file, folder)).split("\n");
    const text = printed.filter((line) => !/^[NW] /.test(line)).join("\n");
    const document = parse(text.replaceAll('"***"', "u:p").replaceAll(":***@", ":p@")) as Document;
    assertEquals(planDocument(document, registry, { file }).listeners.length, 1);
    assertEquals(completeDocument(document, registry), document);
  });
}
