/** Names of files with variables in them, as socat's `-r` has them. */
import { preciseNow } from "../log.ts";

export interface NameFacts {
  readonly program: string;
  readonly pid: number;
  /** What a caller may have had a say in, by name: part of a name, but never of a path. */
  readonly session: Readonly<Record<string, string>>;
  environment(name: string): string | undefined;
  /** Milliseconds since 1970, with their fraction. */
  now?(): number;
}

/**
 * `text` with `$NAME` and `${NAME}` replaced by their values, and `$$` by the pid; an unknown one is empty. PROGNAME is the
 * program's name, TIMESTAMP the local time as `20261121T231503`, MICROS its six digits of microseconds. A backslash takes
 * the next character as it is.
 */
export function expandName(text: string, facts: NameFacts): string {
  const now = facts.now?.() ?? preciseNow();
  const own: Readonly<Record<string, string>> = {
    $: String(facts.pid),
    PROGNAME: facts.program,
    TIMESTAMP: timestamp(new Date(now)),
    MICROS: String(Math.floor(now * 1000) % 1e6).padStart(6, "0"),
  };
  const valueOf = (name: string): string => {
    if (Object.hasOwn(own, name)) return own[name]!;
    if (Object.hasOwn(facts.session, name)) return asPart(facts.session[name]!);
    return facts.environment(name) ?? "";
  };
  return text.replace(
    /\\(.)|\$(?:([A-Za-z_]\w*|\$)|\{([A-Za-z_]\w*)\})/gs,
    (_, plain, name, braced) => plain ?? valueOf(name ?? braced),
  );
}

function asPart(value: string): string {
  // Nothing but dots may be the folder above.
  if (/^\.+$/.test(value)) return "_".repeat(value.length);
  // deno-lint-ignore no-control-regex
  return value.replace(/[/\x00-\x1f\x7f]/g, "_");
}

function timestamp(time: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const date = `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  return `${date}T${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}
