/** `l7mp ctl`: a client of the REST API, so that nobody needs curl. */
import { ConfigError, L7mpError, systemFault } from "../errors.ts";
import { isPlainObject } from "../schema.ts";
import { type CtlArguments, readCtlArguments } from "./ctl_arguments.ts";
import { CtlClient, Refused } from "./ctl_client.ts";
import { ctlHelp } from "./ctl_help.ts";
import { type CtlKind, kindOf, kinds, tableOf } from "./ctl_kinds.ts";
import { canBeNamed, usersOf } from "./ctl_users.ts";
import type { Host } from "./host.ts";

type Json = Record<string, unknown>;

interface Task {
  readonly given: CtlArguments;
  readonly client: CtlClient;
  readonly host: Pick<Host, "print" | "standardError">;
  /** What follows the command. */
  readonly words: readonly string[];
}

const commands: Readonly<Record<string, (task: Task) => Promise<void>>> = { get, add, apply, delete: remove, watch };

/** Runs the command of `words`, which stand behind `ctl`; resolves with the exit status. Never rejects. */
export async function runCtl(words: readonly string[], host: Pick<Host, "print" | "standardError">): Promise<number> {
  try {
    const given = await readCtlArguments(words);
    const [command, ...rest] = given.words;
    if (given.help) {
      host.print(ctlHelp);
      return 0;
    }
    const run = Object.hasOwn(commands, command ?? "") ? commands[command!] : undefined;
    if (!run) {
      const all = Object.keys(commands).join(", ");
      throw new ConfigError(
        `${command === undefined ? "no command" : `unknown command "${command}"`}; say one of ${all}, or --help`,
      );
    }
    using client = await CtlClient.open(given);
    await run({ given, client, host, words: rest });
    return 0;
  } catch (error) {
    if (!(error instanceof L7mpError)) {
      const { internalError } = await import("./internal_error.ts");
      host.standardError.write(`l7mp ctl: ${internalError(error).message}\n`);
      return 1;
    }
    host.standardError.write(`l7mp ctl: ${error.message}\n`);
    return 1;
  }
}

function path(...parts: readonly string[]): string {
  return parts.map(encodeURIComponent).join("/");
}

function atMost(words: readonly string[], count: number): void {
  if (words.length > count) throw new ConfigError(`"${words[count]}" is one word too many; see l7mp ctl --help`);
}

const documents: Readonly<Record<string, string>> = { config: "config", admin: "admin" };

async function get({ given, client, host, words }: Task): Promise<void> {
  atMost(words, 2);
  const [word, name] = words;
  if (word !== undefined && Object.hasOwn(documents, word)) {
    atMost(words, 1);
    const { output } = given;
    host.print(await printed(await client.ask("GET", documents[word]!), output === "json" ? "json" : "yaml"));
    return;
  }
  const kind = kindOf(word, "get", { others: Object.keys(documents) });
  const query = given.recursive && kind.singular !== "session" && kind.singular !== "endpoint" ? "?recursive=true" : "";
  const answer = kind.singular === "endpoint" && name === undefined
    ? (await client.ask("GET", "config") as { endpoints: unknown }).endpoints
    : await client.ask("GET", path(kind.plural, ...(name === undefined ? [] : [name])) + query);
  const output = given.output ?? (name === undefined && !given.recursive ? "table" : "yaml");
  host.print(output === "table" ? tableOf(kind, [answer].flat()) : await printed(answer, output));
}

async function printed(value: unknown, output: "yaml" | "json"): Promise<string> {
  if (output === "json") return `${JSON.stringify(value, null, 2)}\n`;
  const { stringify } = await import("@std/yaml");
  return stringify(value, { lineWidth: -1, skipInvalid: true });
}

async function add({ given, client, host, words }: Task): Promise<void> {
  const kind = kindOf(words[0], "add", { kinds: kinds.filter(({ singular }) => singular !== "session") });
  const [content] = await readFiles(given.files.length === 0 ? [] : [oneOf(given.files)], "add");
  const object = content![kind.singular] ?? content!;
  const body = { [kind.singular]: object };
  if (kind.singular === "endpoint") {
    const [, cluster] = words;
    if (cluster === undefined) throw new ConfigError("add endpoint: say to which cluster");
    atMost(words, 2);
    await client.ask("POST", path("clusters", cluster, "endpoints"), body);
  } else {
    atMost(words, 1);
    const intoList = kind.singular === "rule" && given.list !== undefined;
    const place = intoList ? path("rulelists", given.list, "rules", given.position) : kind.plural;
    await client.ask("POST", place, body);
  }
  const name = (object as Json).name;
  host.print(`${kind.singular} ${name === undefined ? "" : `${JSON.stringify(name)} `}added\n`);
}

function oneOf(files: readonly string[]): string {
  if (files.length > 1) throw new ConfigError("add: one file at a time");
  return files[0]!;
}

async function apply({ given, client, host, words }: Task): Promise<void> {
  const contents = await readFiles([...given.files, ...words], "apply");
  if (given.object) {
    for (const content of contents) await applyObjects(content, client, host);
    return;
  }
  await client.ask("POST", "config", merged(contents));
  host.print("configuration applied\n");
}

/** Several files as one: lists one behind the other, settings of a later file over those of an earlier one. */
function merged(contents: readonly Json[]): Json {
  const whole: Json = {};
  for (const content of contents) {
    for (const [key, value] of Object.entries(content)) {
      const before = whole[key];
      if (Array.isArray(before) && Array.isArray(value)) whole[key] = [...before, ...value];
      else if (isPlainObject(before) && isPlainObject(value)) whole[key] = { ...before, ...value };
      else whole[key] = value;
    }
  }
  return whole;
}

/** Those of a configuration's lists, or one in its wrapping. */
async function applyObjects(content: Json, client: CtlClient, host: Pick<Host, "print">): Promise<void> {
  const known = kinds.filter(({ singular }) => singular !== "session");
  let found = 0;
  for (const kind of known) {
    const objects = [content[kind.plural] ?? [], content[kind.singular] ?? []].flat() as Json[];
    for (const object of objects) {
      const what = await applyObject(kind, object, client);
      host.print(`${kind.singular} ${JSON.stringify(object.name)} ${what}\n`);
      found++;
    }
  }
  if (found > 0) return;
  throw new ConfigError(`apply --object: no objects found; expected ${known.map(({ plural }) => plural).join(", ")}`);
}

async function applyObject({ plural, singular }: CtlKind, object: Json, client: CtlClient): Promise<string> {
  const { name } = object;
  if (typeof name !== "string") throw new ConfigError(`apply --object: a ${singular} has no name`);
  try {
    await client.ask("GET", path(plural, name));
  } catch (error) {
    if (!(error instanceof Refused) || !error.message.startsWith("Not Found")) throw error;
    const { cluster, ...endpoint } = object;
    if (singular !== "endpoint") await client.ask("POST", plural, { [singular]: object });
    else await client.ask("POST", path("clusters", String(cluster), "endpoints"), { endpoint });
    return "added";
  }
  await client.ask("PUT", path(plural, name), { [singular]: object });
  return "updated";
}

/** Parsed contents; standard input is `-`. Rejects with `ConfigError`. */
async function readFiles(files: readonly string[], command: string): Promise<readonly Json[]> {
  if (files.length === 0) throw new ConfigError(`${command}: name a file with -f FILE, or - for standard input`);
  const { parse } = await import("@std/yaml");
  return await Promise.all(files.map(async (file) => {
    const text = await readText(file);
    let content: unknown;
    try {
      content = /\.json$/i.test(file) ? JSON.parse(text) : parse(text);
    } catch (error) {
      throw new ConfigError(`${file}: ${(error as Error).message}`, { cause: error });
    }
    if (isPlainObject(content)) return content;
    throw new ConfigError(`${file}: an object (a set of key-value pairs) is expected`);
  }));
}

async function readText(file: string): Promise<string> {
  try {
    return file === "-" ? await new Response(Deno.stdin.readable).text() : await Deno.readTextFile(file);
  } catch (error) {
    throw new ConfigError(`cannot read "${file}": ${systemFault(error).text}`, { cause: error });
  }
}

async function remove({ given, client, host, words }: Task): Promise<void> {
  atMost(words, 2);
  const kind = kindOf(words[0], "delete");
  const [, name] = words;
  if (name === undefined) throw new ConfigError(`delete ${kind.singular}: say which`);
  const fromList = kind.singular === "rule" && given.list !== undefined;
  const place = fromList ? path("rulelists", given.list, "rules", name) : path(kind.plural, name);
  // Asked before: it may be what serves the API that goes.
  const users = fromList || !canBeNamed(kind) ? [] : usersOf(kind, name, await client.ask("GET", "config") as Json);
  await client.ask("DELETE", place + (given.recursive && kind.singular !== "session" ? "?recursive=true" : ""));
  const what = `${kind.singular} ${JSON.stringify(name)}`;
  host.print(`${what} deleted${fromList ? " from the list" : ""}\n`);
  if (users.length > 0) host.standardError.write(`l7mp ctl: ${what} is still named by ${users.join(", ")}\n`);
}

async function watch({ given, client, host, words }: Task): Promise<void> {
  atMost(words, 1);
  kindOf(words[0], "watch", { kinds: kinds.filter(({ singular }) => singular === "session") });
  for await (const line of client.lines("sessions?watch=true")) {
    const change = JSON.parse(line);
    // Only a sign of life.
    if (change.session === undefined) continue;
    if (given.output === "json") host.print(`${line}\n`);
    else if (given.output === "yaml") host.print(`---\n${await printed(change, "yaml")}`);
    else {
      const { type, session: { name, status } } = change;
      host.print(`${type.padEnd(8)}  ${name}  ${status}\n`);
    }
  }
}
