/**
 * Regular expressions whose time grows with the text and never faster (RE2), so that none from a file or a REST call
 * can hang the process. Loads an npm package: import it dynamically, as `loadRegex` in predicate.ts does.
 */
import { RE2JS } from "re2js";
import { ConfigError, messageOf } from "../errors.ts";
import { regexWork } from "./regex_work.ts";

// Time is the text's length times this: with 2000 a text of 16 KiB takes at most about half a second.
const maxProgramSize = 2000;
const maxPatternLength = 2000;
// Told from the text, and so more than the truth: what is that big need not be compiled to be refused.
const maxWork = 10 * maxProgramSize;

/** A test for whether `pattern` is found anywhere in a text. Throws a `ConfigError` for what RE2 does not take. */
export function compileRegex(pattern: string, ignoreCase: boolean, at: string): (text: string) => boolean {
  if (pattern.length > maxPatternLength) {
    throw new ConfigError(`${at}: the regular expression is longer than ${maxPatternLength} characters`);
  }
  if (regexWork(pattern, ignoreCase) > maxWork) throw tooBig(pattern, at);
  const regex = compile(pattern, ignoreCase, at);
  if (regex.programSize() > maxProgramSize) throw tooBig(pattern, at);
  return (text) => regex.test(text);
}

function tooBig(pattern: string, at: string): ConfigError {
  return new ConfigError(`${at}: the regular expression ${JSON.stringify(pattern)} is too big; use smaller counts`);
}

function compile(pattern: string, ignoreCase: boolean, at: string): RE2JS {
  try {
    return RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (error) {
    const why = messageOf(error).replace(/^error parsing regexp: /, "");
    throw new ConfigError(`${at}: ${JSON.stringify(pattern)} is not a regular expression of RE2: ${why}`, {
      cause: error,
    });
  }
}
