/**
 * What it costs to make a regular expression of RE2 ready, told from its text before that is done. One unit is about one
 * instruction of its program, which takes about a microsecond. Unicode classes, ranges without case, and many optional
 * parts behind a `^` cost more than the instructions that they become.
 */

/** Of any pattern, however short. */
const base = 20;

const unicodeClass = "\\\\[pP](?:\\{[^}]*\\}|[^])?";
const tokens = new RegExp(
  [
    "\\\\Q[^]*?(?:\\\\E|$)",
    unicodeClass,
    "\\\\x\\{[^}]*\\}",
    "\\\\[^]?",
    // A class, whose first character may be its end.
    "\\[\\^?\\]?(?:\\[:\\^?\\w+:\\]|\\\\[^]|[^\\]\\\\])*(?:\\]|\\\\?$)",
    // Flags alone, or the beginning of a group.
    "\\(\\?P?<[^>)]*>|\\(\\?[a-zA-Z-]*[:)]|\\(",
    "\\{\\d+(?:,\\d*)?\\}",
    "[^]",
  ].join("|"),
  "gu",
);
const limit = "\\\\x\\{[^}]*\\}|\\\\[^]";
const inClass = new RegExp(`${unicodeClass}|(${limit}|[^])-(${limit}|[^\\]])`, "gu");

/** At least the size of the program, but for a few instructions, and of what RE2 refuses anything. Takes linear time. */
export function regexWork(pattern: string, ignoreCase: boolean): number {
  const folds = ignoreCase || /\(\?[a-zA-Z-]*i/.test(pattern);
  const outer: { readonly work: number; readonly choices: number }[] = [];
  let work = 0;
  // Alternatives in this group.
  let choices = 0;
  let optional = 0;
  let anchored = false;
  // Of what a count that comes next repeats.
  let last = 0;
  // What counts do not repeat.
  let once = base;
  for (const [token] of pattern.matchAll(tokens)) {
    if (token === ")") {
      if (choices > 0) optional++;
      last = work + 2;
      const around = outer.pop() ?? { work: 0, choices: 0 };
      work = around.work + last;
      choices = around.choices;
    } else if (token[0] === "(") {
      if (token.endsWith(")")) continue;
      outer.push({ work, choices });
      work = last = choices = 0;
    } else if (token === "|") {
      choices++;
      work += 2;
      last = 0;
    } else if (/^[*+?]$/.test(token)) {
      optional++;
      work++;
      last++;
    } else if (/^\{\d/.test(token)) {
      optional++;
      const repeated = repeat(last, token);
      work += repeated - last;
      last = repeated;
    } else {
      last = token.startsWith("\\Q") ? token.length : 1;
      work += last;
      anchored ||= token === "^" || token === "\\A";
      if (token.length > 1) once += classWork(token, folds);
    }
  }
  // RE2 tries to make such a program one that never goes back: each part is put together with all behind it, again for
  // each part before it.
  if (anchored) once += Math.ceil(optional ** 2 * pattern.length / 100);
  return outer.reduce((sum, group) => sum + group.work, work) + once;
}

/** The work of `{count}`, `{least,}` or `{least,most}` times `work`: each that may be missing has an instruction more. */
function repeat(work: number, token: string): number {
  const [least, most] = token.slice(1, -1).split(",");
  if (most === undefined || most === "") return Math.max(1, Number(least)) * work + 1;
  return Math.max(1, Number(most)) * work + Math.max(0, Number(most) - Number(least));
}

function classWork(token: string, folds: boolean): number {
  if (token[0] === "\\" && !/^\\[pP]/.test(token)) return folds ? 5 : 0;
  let work = (folds ? 5 : 1) + (token.length >> 2);
  for (const [, from, to] of token.matchAll(inClass)) {
    if (from === undefined) work += folds ? 100 : 40;
    // Each character of a range is asked for those that differ from it in case only.
    else if (folds) work += Math.max(0, Math.ceil((codeOf(to!) - codeOf(from)) / 32));
  }
  return work;
}

/** The number of a character, which may be written as `\x{1f600}` or `\-`. */
function codeOf(text: string): number {
  if (text.startsWith("\\x{")) return parseInt(text.slice(3), 16) || 0;
  return text.codePointAt(text.length > 1 && text[0] === "\\" ? 1 : 0)!;
}
