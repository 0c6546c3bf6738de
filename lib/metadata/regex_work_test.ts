// @ts-types="../../tests/deno_std.d.ts"
import { assert, assertThrows } from "@std/assert";
import { RE2JS } from "re2js";
import { processorMs } from "../../tests/support/processor_time.ts";
import { ConfigError } from "../errors.ts";
import { compileRegex } from "./regex.ts";
import { regexWork } from "./regex_work.ts";

const patterns = [
  "",
  "a",
  "a{1000}",
  "(a|b){500}",
  "(|a){300}",
  "((a{9}){9}){9}",
  "(a?){400}",
  "a{2,900}",
  "a{3,}b*?",
  "(?P<n>abc){100}",
  "(?<n>abc){100}",
  "(?:abc){100}",
  "(?i:abc)(?i){50}",
  "\\Qa{1000}\\E",
  "\\Qabc\\E{100}",
  "[^\\]{5}]{100}",
  "[]{9}]{3}",
  "[[:alpha:]]{100}",
  "\\x{41}{100}",
  "\\pL{100}",
  "[\\pL\\p{Greek}]{100}",
  "(^$\\b){100}",
  "{a{,5}{ 2}",
  "😀{100}",
  "^[a-z0-9-]+\\.example\\.org$",
  "^/api/v[0-9]+/(users|groups)/(?P<id>\\d+)(/.*)?$",
];

for (const ignoreCase of [false, true]) {
  Deno.test(`regexWork() is at least the size of the program, and not far above (ignore case: ${ignoreCase})`, () => {
    for (const pattern of patterns) {
      const size = RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0).programSize();
      const work = regexWork(pattern, ignoreCase);
      assert(work >= size && work <= 8 * size + 250, `${pattern}: size ${size}, work ${work}`);
    }
  });
}

Deno.test("regexWork() counts Unicode classes, ranges without case, and optional parts behind a ^, which take longer", () => {
  for (
    const [pattern, ignoreCase, least] of [
      ["\\pL", true, 100],
      ["(?i)\\p{Greek}", false, 100],
      ["\\PN", false, 40],
      ["[Ā-𞀀]", true, 3000],
      ["(?i)[Ā-𞀀]", false, 3000],
      ["[\\x{100}-\\x{1e000}]", true, 3000],
      ["[\\--\\x{1e000}]", true, 3000],
      [`^${"a?b*(c|)".repeat(40)}$`, false, 20_000],
      [`\\A${"(?:(?:ab|c){0,3}d|e)".repeat(40)}$`, false, 20_000],
    ] as const
  ) {
    const [work, twice] = [regexWork(pattern, ignoreCase), regexWork(pattern.repeat(2), ignoreCase)];
    assert(work >= least && twice >= 2 * least, `${pattern}: ${work}, ${twice}`);
  }
  assert(regexWork("[Ā-𞀀]", false) < 40 && regexWork("[a-z0-9А-я]", true) < 40);
  const words = `^(?:${Array.from({ length: 200 }, (_, i) => `word${i}`).join("|")})$`;
  assert(regexWork(words, false) < 2500);
});

Deno.test("regexWork() takes linear time for what is no regular expression", () => {
  for (const text of ["[", "[[:", "\\Q", "(", "(?P<", "{1", "\\x{", "\\p{", "[a-", "[\\"]) {
    const pattern = text.repeat(2000).slice(0, 2000);
    const start = processorMs();
    for (let i = 0; i < 5; i++) regexWork(pattern, true);
    assert(processorMs() - start < 1000, text);
  }
});

Deno.test("compileRegex() refuses what is far too big before it is compiled", () => {
  const optional = `^${Array.from({ length: 400 }, (_, i) => String.fromCharCode(0x4e00 + i) + "?").join("")}$`;
  for (const pattern of ["a{1000}".repeat(280), "(?i)" + "[Ā-𞀀]".repeat(300), optional]) {
    const start = processorMs();
    for (let i = 0; i < 50; i++) assertThrows(() => compileRegex(pattern, false, "at"), ConfigError, "too big");
    // One that is compiled takes some hundred milliseconds.
    assert(processorMs() - start < 2000, pattern.slice(0, 20));
  }
});
