/** Readers for the values of global options. Messages are those of socat where it has one. */
import { ConfigError } from "../errors.ts";
import { type Level, levels } from "../log.ts";
import { readDuration, readSize } from "../schema.ts";

/** Names of the original l7mp's log levels beside ours. */
const levelAliases: Readonly<Record<string, Level>> = {
  silly: "debug",
  verbose: "debug",
  http: "info",
  timing: "info",
  warning: "warn",
  silent: "error",
};

function badNumber(text: string, option: string): ConfigError {
  return /^[+-]?[\d.]*\d/.test(text)
    ? new ConfigError(`trailing garbage in numerical arg of option "${option}": "${text}"`)
    : new ConfigError(`missing numerical value of option "${option}": "${text}"`);
}

/** A time in seconds with fraction, or with a suffix `ms s m h`, or `inf`; gives milliseconds. */
export function readSeconds(text: string, option: string, min = -Infinity): number {
  const ms = readDuration(text, 1000);
  if (ms === undefined) throw badNumber(text, option);
  if (ms < min) throw new ConfigError(`option "${option}": ${text} out of range ${min}..`);
  return ms;
}

/** A size in bytes, at least 1. */
export function readBytes(text: string, option: string): number {
  const bytes = readSize(text);
  if (bytes === undefined && !/^-\d+$/.test(text)) throw badNumber(text, option);
  if (bytes === undefined || bytes < 1 || bytes > Number.MAX_SAFE_INTEGER) {
    throw new ConfigError(`option "${option}": ${text} out of range 1..${Number.MAX_SAFE_INTEGER}`);
  }
  return bytes;
}

export function readChoice<const T extends string>(text: string, choices: readonly T[], option: string): T {
  const word = text.toLowerCase();
  if (choices.includes(word as T)) return word as T;
  throw new ConfigError(`option "${option}": "${text}" is not one of ${choices.join(", ")}`);
}

export function readLevel(text: string, option: string): Level {
  return levelAliases[text.toLowerCase()] ?? readChoice(text, levels, option);
}

/** `Name: value`, a name as RFC 9110 section 5.1 has it, no control characters in the value. */
export function readHeader(text: string, option: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*$/.test(text)) return text;
  throw new ConfigError(`option "${option}": ${JSON.stringify(text)} is not of the form "Name: value"`);
}
