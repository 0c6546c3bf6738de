/** Reads the words behind `l7mp ctl`. */
import { ConfigError } from "../errors.ts";
import { nearest } from "../schema.ts";

export const outputs = ["table", "yaml", "json"] as const;
export type Output = typeof outputs[number];

export interface CtlArguments {
  /** Behind the options: the command and what it is for. */
  readonly words: readonly string[];
  readonly help: boolean;
  readonly admin: string;
  readonly tokenFile?: string;
  readonly cafile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly files: readonly string[];
  readonly output?: Output;
  readonly recursive: boolean;
  readonly object: boolean;
  readonly list?: string;
  readonly position: string;
}

const texts = ["admin", "token-file", "cafile", "cert", "key", "file", "output", "list", "position"] as const;
const switches = ["help", "recursive", "object"] as const;

/** Throws `ConfigError`. */
export async function readCtlArguments(words: readonly string[]): Promise<CtlArguments> {
  const { parseArgs } = await import("@std/cli/parse-args");
  const known = [...texts, ...switches];
  const given = parseArgs(words, {
    string: [...texts, "_"],
    boolean: switches,
    collect: ["file"],
    alias: { f: "file", o: "output", h: "help", r: "recursive" },
    unknown(argument: string, key?: string) {
      if (key === undefined) return true;
      const near = nearest(key, known);
      const hint = near === undefined ? "see l7mp ctl --help" : `did you mean --${near}?`;
      throw new ConfigError(`unknown option "${argument}"; ${hint}`);
    },
  });
  const text = (key: typeof texts[number]): string | undefined => {
    const value = given[key];
    if (value === "") throw new ConfigError(`option --${key} requires a value`);
    return value as string | undefined;
  };
  const files = given.file as string[];
  if (files.includes("")) throw new ConfigError("option --file requires a value");
  const output = text("output");
  if (output !== undefined && !outputs.includes(output as Output)) {
    throw new ConfigError(`option --output: "${output}" is not one of ${outputs.join(", ")}`);
  }
  return {
    words: given._,
    help: given.help === true,
    admin: text("admin") ?? "127.0.0.1:1234",
    tokenFile: text("token-file"),
    cafile: text("cafile"),
    cert: text("cert"),
    key: text("key"),
    files,
    output: output as Output | undefined,
    recursive: given.recursive === true,
    object: given.object === true,
    list: text("list"),
    position: text("position") ?? "0",
  };
}
