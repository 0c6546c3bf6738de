/** Reads configuration files into one document. */
import type { ConfigDocument } from "./document.ts";
import { ConfigError, messageOf, systemFault } from "../errors.ts";
import { checkConfig } from "./check_config.ts";

export interface LoadOptions {
  /** Reads standard input to its end, for the file `-`. */
  stdin(): Promise<string>;
}

/** What was read, and where it stood. */
export interface LoadedConfig {
  /** All files in one, structure checked. */
  readonly document: ConfigDocument;
  /**
   * The same error with the file, and the line where it can be had, in front: for a `ConfigError` whose message begins
   * with a path in `document`. Anything else comes back as it is.
   */
  explain(error: unknown): Promise<unknown>;
}

interface Source {
  readonly name: string;
  readonly text: string;
  readonly document: ConfigDocument;
}

const lists = ["listeners", "clusters", "rulelists", "rules", "routes", "endpoints", "sessions"] as const;

/** Larger files are refused. */
const maxFileBytes = 64 * 1024 * 1024;

/**
 * Reads `paths` (`-`: standard input) and puts them together in order: lists one after another, of `admin` the later
 * value of a key. Rejects with `ConfigError` that names file and line.
 */
export async function loadFiles(paths: readonly string[], options: LoadOptions): Promise<LoadedConfig> {
  const sources: Source[] = [];
  for (const path of paths) {
    const name = path === "-" ? "stdin" : path;
    const text = await readFile(path, options);
    const value = await readText(text, name);
    try {
      checkConfig(value);
      sources.push({ name, text, document: value });
    } catch (error) {
      throw await explainIn({ name, text }, error);
    }
  }
  const document = merge(sources.map(({ document }) => document));
  return { document, explain: (error) => explain(sources, error) };
}

async function readFile(path: string, { stdin }: LoadOptions): Promise<string> {
  if (path === "-") return await stdin();
  try {
    const { size } = await Deno.stat(path);
    if (size > maxFileBytes) throw new ConfigError(`${path}: larger than ${maxFileBytes} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`open("${path}"): ${systemFault(error).text}`, { cause: error });
  }
}

/**
 * The value of a text in JSON or YAML; `name` is that of its file. An empty text is an empty configuration. Rejects with
 * `ConfigError` that names the line.
 */
export async function readText(text: string, name: string): Promise<unknown> {
  const trimmed = text.replace(/^\uFEFF/, "");
  const isJson = /\.json$/i.test(name);
  if (isJson || /^\s*[{[]/.test(trimmed)) {
    try {
      return JSON.parse(trimmed);
    } catch (error) {
      if (isJson) throw new ConfigError(`${name}: ${messageOf(error)}`, { cause: error });
    }
  }
  return await readYaml(trimmed, name);
}

async function readYaml(text: string, name: string): Promise<unknown> {
  // @ts-types="../../tests/deno_std.d.ts"
  const { parse } = await import("@std/yaml");
  try {
    return parse(text) ?? {};
  } catch (error) {
    throw new ConfigError(`${name}: ${messageOf(error)}`, { cause: error });
  }
}

function merge(documents: readonly ConfigDocument[]): ConfigDocument {
  const result: Record<string, unknown> = {};
  for (const document of documents) {
    if (document.admin) result.admin = { ...result.admin as object, ...document.admin };
    for (const list of lists) {
      if (document[list]) result[list] = [...(result[list] as unknown[] | undefined) ?? [], ...document[list]];
    }
  }
  return result;
}

async function explain(sources: readonly Source[], error: unknown): Promise<unknown> {
  if (!(error instanceof ConfigError)) return error;
  const match = /^(\w+)\[(\d+)\]/.exec(error.message);
  const section = lists.find((list) => list === match?.[1]);
  if (!match || !section) return sources[0] ? await explainIn(sources[0], error) : error;
  let index = Number(match[2]);
  for (const source of sources) {
    const length = source.document[section]?.length ?? 0;
    if (index < length) {
      const message = `${section}[${index}]${error.message.slice(match[0].length)}`;
      return await explainIn(source, new ConfigError(message, { cause: error }));
    }
    index -= length;
  }
  return error;
}

async function explainIn({ name, text }: { name: string; text: string }, error: unknown): Promise<unknown> {
  if (!(error instanceof ConfigError)) return error;
  const { lineOf } = await import("./line_of.ts");
  const line = await lineOf(text, error.message);
  return new ConfigError(`${name}${line === undefined ? "" : `:${line}`}: ${error.message}`, { cause: error });
}
