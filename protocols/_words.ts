/** Splits the text of EXEC into words. */
import { ConfigError } from "../lib/errors.ts";

/**
 * Words are separated by runs of spaces. `'...'` keeps everything, `"..."` everything but backslashes, a backslash
 * the next character; quotes and such backslashes go. `""` is an empty word. Throws a `ConfigError` for an open quote.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === "\\" && quote !== "'" && i + 1 < text.length) {
      word = (word ?? "") + text[++i];
    } else if (quote !== undefined) {
      if (c === quote) quote = undefined;
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= "";
    } else if (c === " ") {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + c;
    }
  }
  if (quote !== undefined) {
    throw new ConfigError(`unexpected end of address "${text}": syntax error, the quote ${quote} is not closed`);
  }
  if (word !== undefined) words.push(word);
  return words;
}
