/**
 * Reads the arguments of the program by socat's grammar: options with one dash have one letter (some two) and are never
 * merged, their value is attached or the next word; long options are `--name=value` or `--name value`; `--` starts the
 * words of EXEC-ARG; everything else is an address. socat wants options before the first address; since no address
 * begins with a dash and a letter, they may stand anywhere here.
 */
import type { AdminDocument, SessionDocument } from "../config/document.ts";
import { ConfigError } from "../errors.ts";
import type { Level } from "../log.ts";
import { nearest } from "../schema.ts";
import { defaultProxies } from "./default_proxies.ts";
import { absentOptions } from "./absent_options.ts";
import { type GlobalOption, globalOptions } from "./options.ts";

/** What the command line says. Options fill it in; nothing is opened yet. */
export interface Arguments {
  mode: "run" | "help" | "version" | "plan" | "check";
  /** 1: options and types; 2: with their options; 3: with every alias. */
  helpLevel: 1 | 2 | 3;
  helpTopic?: string;
  /** Addresses and transforms, in order. */
  words: string[];
  /** First names of the options on the command line itself. */
  used: string[];
  /** What stands after `--`. */
  tail?: string[];
  /** `--server`: the WebSocket listener that stands before the words. */
  server?: string;
  /** Configuration files, `-` for standard input; with them addresses may be absent. */
  config: string[];
  /** `--admin`, `--prometheus`: where the REST API and the metrics are served. */
  adminAddress?: string;
  prometheusAddress?: string;
  /** File with the bearer token of the REST API. */
  adminTokenFile?: string;
  /** `--null`, `--strict`: how lines are told apart. */
  lines: { nul: boolean; strict: boolean };
  session: SessionDocument;
  admin: AdminDocument;
  /** IP version of connectors that do not say; 0: no preference. */
  ipVersion: 4 | 6 | 0;
  /** The same of listeners. */
  listenIpVersion: 4 | 6 | 0;
  compatSocat: boolean;
  /** Proxies of outgoing connections, nearest first. */
  via: string[];
  /** Certificates of peers are not checked where an address does not say. */
  insecure: boolean;
  http: {
    headers: string[];
    pingIntervalMs?: number;
    pingTimeoutMs?: number;
    messageType?: "text" | "binary";
  };
  log: {
    level: Level;
    file?: string;
    /** The system's logger takes the lines instead; with `mixed` once everything is open. */
    syslog?: { facility: string; mixed: boolean };
    format: "socat" | "json";
    microseconds: boolean;
    hostName?: boolean;
  };
  /** Value of all the `-d` so far. */
  verbosity?: number;
  /** A file, or `-` for standard error. */
  announce?: string;
  /** A file, or `-` for standard error. */
  accessLog?: string;
  /** Tell them at the end. */
  statistics: boolean;
  /** Held from before anything opens to the end. */
  lock?: { path: string; wait: boolean };
  graceMs: number;
  timeoutMs?: number;
  driver: "auto" | "native" | "portable";
  exitClass: boolean;
  showSecrets: boolean;
  planFormat: "yaml" | "json";
  /** Name in log lines. */
  program: string;
  /** To be logged once the log is there: options that have no effect. */
  notes: { level: "warn" | "info"; message: string }[];
}

/** What holds when no option is given. */
export function defaultArguments(): Arguments {
  return {
    mode: "run",
    helpLevel: 1,
    words: [],
    used: [],
    config: [],
    lines: { nul: false, strict: false },
    session: {},
    admin: {},
    ipVersion: 4,
    listenIpVersion: 4,
    compatSocat: false,
    via: [],
    insecure: false,
    http: { headers: [] },
    log: { level: "warn", format: "socat", microseconds: false },
    statistics: false,
    graceMs: 0,
    driver: "auto",
    exitClass: false,
    showSecrets: false,
    planFormat: "yaml",
    program: "l7mp",
    notes: [],
  };
}

/**
 * Reads `words` into `result`, which the caller may look at even when this throws: settings of the log that stand
 * before the fault are in it. Throws `ConfigError`.
 */
export function readArguments(
  words: readonly string[],
  environment: (name: string) => string | undefined = () => undefined,
  result: Arguments = defaultArguments(),
): Arguments {
  const garbled = words.findIndex((word) => word.includes(replacement));
  if (garbled >= 0) {
    throw new ConfigError(
      `argument ${garbled + 1}, ${JSON.stringify(words[garbled])}, is not UTF-8: names and text must be`,
    );
  }
  readEnvironment(environment, result);
  readEnvironmentOptions(environment("L7MP_OPTS") ?? "", result);
  if (result.mode !== "help" && result.mode !== "version") result.words = readWords(words, result);
  result.via = [...defaultProxies(result.via, environment)];
  return result;
}

/** What the runtime puts where an argument's bytes are no UTF-8; it does not hand over the bytes. */
const replacement = "\uFFFD";

/** True for a word with a dash in front that is an address: standard input and output. */
function isAddress(word: string): boolean {
  return !word.startsWith("-") || word === "-" || word.startsWith("-,") || word.startsWith("-!!");
}

/** Whether the word after `--help` is what help is wanted with. */
function isTopic(word: string | undefined): boolean {
  return word !== undefined && !word.startsWith("-");
}

function looksLikeAddress(value: string): boolean {
  return /^-($|[,!])|^[^\d.+-].*[:/]|^\//.test(value);
}

/** Puts options into effect and returns the other words. Help and version end the reading. */
function readWords(words: readonly string[], result: Arguments): string[] {
  const addresses: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") {
      result.tail = words.slice(i + 1);
      break;
    }
    if (isAddress(word)) {
      addresses.push(word);
      continue;
    }
    if (word === "-s" && result.config.length + words.filter((one) => one.startsWith("-c")).length > 0) {
      // As users of the original type it; socat's -s makes no sense where no addresses are.
      result.admin.strict = true;
      continue;
    }
    const { option, name, text } = word.startsWith("--") ? longOption(word) : shortOption(word);
    let value = text;
    if (option.value && !option.value.optional) {
      value ??= words[++i];
      if (!value) throw new ConfigError(`option ${name} requires an argument`);
    }
    if (name === "--help" && value === undefined && isTopic(words[i + 1])) value = words[++i];
    // websocat's is a switch: an address follows, or another option.
    if (option.websocatMeaning && value !== undefined && (looksLikeAddress(value) || /^-\D/.test(value))) {
      throw new ConfigError(`${name}: not a number: "${value}" (${option.websocatMeaning})`);
    }
    option.set(result, value, name);
    result.used.push(option.names[0]!);
    if (result.mode === "help" || result.mode === "version") break;
  }
  return addresses;
}

interface Found {
  readonly option: GlobalOption;
  /** The spelling used. */
  readonly name: string;
  /** The value, where it stands in the same word. */
  readonly text: string | undefined;
}

function find(name: string): GlobalOption | undefined {
  return globalOptions.find((option) => option.names.includes(name));
}

function longOption(word: string): Found {
  const at = word.indexOf("=");
  const name = at < 0 ? word : word.slice(0, at);
  const text = at < 0 ? undefined : word.slice(at + 1);
  const option = find(name);
  if (!option) throw unknown(name);
  if (text !== undefined && !option.value) throw new ConfigError(`option ${name} takes no value`);
  if (text === "" && option.value?.optional) {
    throw new ConfigError(`option ${name}= requires an argument; without one leave the "=" out`);
  }
  return { option, name, text };
}

function shortOption(word: string): Found {
  const exact = find(word);
  if (exact) return { option: exact, name: word, text: undefined };
  // The longest name first, so that -lfFILE is not -l with the value fFILE.
  for (const name of [word.slice(0, 3), word.slice(0, 2)]) {
    const option = find(name);
    if (option?.value && !option.value.separate && (!option.value.optional || option.value.attached)) {
      return { option, name, text: word.slice(name.length) };
    }
    if (name in absentOptions) throw unknown(name);
  }
  const letters = Array.from(word.slice(1), (letter) => `-${letter}`);
  if (letters.length > 1 && letters.every((letter) => find(letter) || letter in absentOptions)) {
    throw new ConfigError(`option "${word}": give single character options separately: ${letters.join(" ")}`);
  }
  throw unknown(word);
}

function unknown(name: string): ConfigError {
  const absent = absentOptions[name];
  if (absent !== undefined) return new ConfigError(`option "${name}": not in this version (${absent})`);
  const near = name.startsWith("--") ? nearest(name, globalOptions.flatMap((option) => option.names)) : undefined;
  const hint = near ? `; did you mean "${near}"?` : "";
  return new ConfigError(`unknown option "${name}"; use option "-h" for help${hint}`);
}

function readEnvironment(environment: (name: string) => string | undefined, result: Arguments): void {
  const version = (name: string) => {
    const text = environment(name);
    if (text === undefined || text === "") return undefined;
    if (text !== "4" && text !== "6" && text !== "0") throw new ConfigError(`${name}: "${text}" is not 4, 6 or 0`);
    return Number(text) as 4 | 6 | 0;
  };
  result.ipVersion = version("SOCAT_PREFERRED_RESOLVE_IP") ?? result.ipVersion;
  result.listenIpVersion = version("SOCAT_DEFAULT_LISTEN_IP") ?? result.listenIpVersion;
}

/** Options that stand in front of all others. */
function readEnvironmentOptions(text: string, result: Arguments): void {
  try {
    const stray = readWords(splitWords(text), result)[0];
    if (stray !== undefined) throw new ConfigError(`"${stray}" is not an option`);
    if (result.tail) throw new ConfigError('"--" is not an option');
    result.used = [];
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(`L7MP_OPTS: ${error.message}`, { cause: error }) : error;
  }
}

/** Splits at blanks; quotes of either kind keep blanks. */
function splitWords(text: string): string[] {
  if (/["']/.test(text.replace(/"[^"]*"|'[^']*'/g, ""))) throw new ConfigError("unclosed quote");
  return Array.from(
    text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g),
    ([word]) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single),
  );
}
