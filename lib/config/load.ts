/** Reads configuration files into one document. */
import type { ConfigDocument } from "./document.ts";
import { ConfigError, messageOf, systemFault } from "../errors.ts";
import { isPlainObject } from "../schema.ts";
import { checkBounds } from "./bounds.ts";
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
    const value = withoutEmptySections(await readText(text, name));
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
    throw new ConfigError(`-c: open(${JSON.stringify(path)}): ${systemFault(error).text}`, { cause: error });
  }
}

/** A section whose items are all commented out. */
function withoutEmptySections(value: unknown): unknown {
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, section]) => section !== null));
}

/**
 * The value of a text in JSON or YAML; `name` is that of its file. An empty text is an empty configuration. Rejects with
 * `ConfigError` that names the file, and the line where it can be had.
 */
export async function readText(text: string, name: string): Promise<unknown> {
  const body = text.replace(/^\uFEFF/, "");
  const value = await parse(body, name);
  checkBounds(value, name);
  return value;
}

async function parse(text: string, name: string): Promise<unknown> {
  const isJson = /\.json$/i.test(name);
  if (!isJson && !/^\s*[{[]/.test(text)) return await parseYaml(text, name);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!isJson) return await parseYaml(text, name);
    const { lineOfFault } = await import("./line_of.ts");
    const line = lineOfFault(text);
    // What follows is the place, or the text there.
    const [reason] = messageOf(error).split(/ at position |, (?:\.\.\.)?"/);
    throw new ConfigError(`${name}${line === undefined ? "" : `:${line}`}: ${reason}`, { cause: error });
  }
}

async function parseYaml(text: string, name: string): Promise<unknown> {
  // @ts-types="../../tests/deno_std.d.ts"
  const { parse } = await import("@std/yaml");
  try {
    return plainDates(parse(text)) ?? {};
  } catch (error) {
    if (error instanceof RangeError) throw new ConfigError(`${name}: nested too deeply`, { cause: error });
    const { line } = error as { line?: number };
    // What follows is the place, and the text there.
    const [reason] = messageOf(error).split(/ at line \d+, column \d+/);
    throw new ConfigError(`${name}${line === undefined ? "" : `:${line}`}: ${reason}`, { cause: error });
  }
}

/** YAML takes what looks like a date for one; nobody here means that. */
function plainDates(value: unknown): unknown {
  const seen = new Set<unknown>();
  const visit = (value: unknown): unknown => {
    if (value instanceof Date) return value.toISOString().replace(/T00:00:00\.000Z$/, "");
    if (typeof value !== "object" || value === null || seen.has(value)) return value;
    seen.add(value);
    const holder = value as Record<string, unknown>;
    for (const [key, inner] of Object.entries(holder)) {
      if (inner instanceof Date) Object.defineProperty(holder, key, { value: visit(inner), enumerable: true });
      else visit(inner);
    }
    return value;
  };
  return visit(value);
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
  const [, section, position, rest = ""] = /^(\w+)(?:\[(\d+)\])?(.*)$/s.exec(error.message) ?? [];
  if (section === "admin") {
    const key = /^\.(\w+)/.exec(rest)?.[1] ?? "";
    const source = sources.findLast(({ document }) => document.admin && key in document.admin);
    if (source) return await explainIn(source, error);
  }
  const list = lists.find((list) => list === section);
  if (!list || position === undefined) return sources.length === 1 ? await explainIn(sources[0]!, error) : error;
  // Each file counts from 0.
  let index = Number(position);
  for (const source of sources) {
    const length = source.document[list]?.length ?? 0;
    if (index < length) return await explainIn(source, new ConfigError(`${list}[${index}]${rest}`, { cause: error }));
    index -= length;
  }
  return error;
}

async function explainIn({ name, text }: { name: string; text: string }, error: unknown): Promise<unknown> {
  if (!(error instanceof ConfigError)) return error;
  const { lineOf } = await import("./line_of.ts");
  const line = lineOf(text, error.message);
  return new ConfigError(`${name}${line === undefined ? "" : `:${line}`}: ${error.message}`, { cause: error });
}
