/**
 * The lexer of addresses, socat's: the specials are `:` `,` and `!!`; a backslash takes the next character literally
 * (`\n \t \r \0 \a \b \f \v` are the usual characters); `"` and `'` hide specials and go; `( ) [ ] { }` hide specials
 * and quotes while they nest, and stay.
 */
import { ConfigError } from "../errors.ts";

/** A special character that divides, or a stretch of text without escapes and quotes. */
export type Token = { readonly special: ":" | "," | "!!" } | { readonly text: string };

const escapes: Readonly<Record<string, string>> = {
  "0": "\0",
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const closers: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** Cuts `address` into tokens. Throws `ConfigError` when a quote or bracket stays open. */
export function tokenize(address: string): Token[] {
  const tokens: Token[] = [];
  let text: string | undefined;
  const flush = () => {
    if (text !== undefined) tokens.push({ text });
    text = undefined;
  };
  /** What closes the brackets and the quote that are open, innermost last. */
  const open: string[] = [];
  for (let i = 0; i < address.length; i++) {
    const c = address[i]!;
    const within = open.at(-1);
    const quoted = within === '"' || within === "'";
    if (c === "\\") {
      if (i + 1 === address.length) throw unexpectedEnd(address, "nothing follows the backslash");
      const next = address[++i]!;
      text = (text ?? "") + (escapes[next] ?? next);
    } else if (c === within) {
      open.pop();
      // Quotes inside brackets stay, as the brackets do.
      text = (text ?? "") + (quoted && open.length === 0 ? "" : c);
    } else if (quoted) {
      text += c;
    } else if (c === '"' || c === "'") {
      text = (text ?? "") + (open.length === 0 ? "" : c);
      open.push(c);
    } else if (closers[c] !== undefined) {
      open.push(closers[c]);
      text = (text ?? "") + c;
    } else if (open.length > 0) {
      text += c;
    } else if (c === ":" || c === "," || (c === "!" && address[i + 1] === "!")) {
      flush();
      if (c === "!") i++;
      tokens.push({ special: c === "!" ? "!!" : c });
    } else {
      text = (text ?? "") + c;
    }
  }
  if (open.length > 0) throw unexpectedEnd(address, `${open.at(-1)} is missing`);
  flush();
  return tokens;
}

function unexpectedEnd(address: string, why: string): ConfigError {
  return new ConfigError(`unexpected end of address "${address}": syntax error, ${why}`);
}

/** The stretches of `tokens` between the specials `special`; always one more than there are specials. */
export function split(tokens: readonly Token[], special: ":" | "," | "!!"): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if ("special" in token && token.special === special) parts.push([]);
    else parts.at(-1)!.push(token);
  }
  return parts;
}

/** The text of `tokens`, with the specials among them as they are. */
export function textOf(tokens: readonly Token[]): string {
  return tokens.map((token) => "special" in token ? token.special : token.text).join("");
}

/** One address without its other half: the type with its parameters, and the options. */
export interface LexedAddress {
  readonly body: readonly Token[];
  readonly options: readonly { readonly name: string; readonly value?: string }[];
}

/** Cuts an address into its halves (two where it is dual), and these into body and options. */
export function lexAddress(address: string): LexedAddress[] {
  return split(tokenize(address), "!!").map((half) => {
    const [body, ...options] = split(half, ",");
    return { body: body!, options: options.map((option) => lexOption(textOf(option))) };
  });
}

function lexOption(text: string): { name: string; value?: string } {
  const equals = text.indexOf("=");
  return equals < 0 ? { name: text } : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

const unescapes: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(escapes).map(([letter, character]) => [character, letter]),
);

/** Writes `text` so that the lexer reads it back as plain text. */
export function quote(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\\:,!"'()[\]{}\0\x07-\r]/g, (c) => `\\${unescapes[c] ?? c}`);
}
