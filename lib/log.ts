/** The logger: one event, one line, on a sink its owner gives it. Nothing is formatted below the level in force. */

export const levels = ["error", "warn", "notice", "info", "debug"] as const;
export type Level = typeof levels[number];

export type Fields = Readonly<Record<string, unknown>>;

/** A line for whoever has a form of its own for lines. */
export interface LogEntry {
  readonly level: Level | "fatal";
  /** The line without time, machine, name and pid; in JSON all of it. */
  readonly body: string;
}

/** Shared by a log and all its children: its owner may change level, format and outlet while the program runs. */
export interface LogOptions {
  /** `silent`: nothing but faults of our own. */
  level: Level | "silent";
  /** `socat`: `YYYY/MM/DD HH:MM:SS name[pid] L message`. `json`: one object a line. */
  format: "socat" | "json";
  /** Of a service: what each of its many sessions does as always is for level `debug`. */
  quiet?: boolean;
  /** Name in every line (`-lp`). */
  readonly program: string;
  readonly microseconds: boolean;
  readonly pid: number;
  /** Name of the machine in every line (`-lh`). */
  readonly hostName?: string;
  /** Takes one finished line, without a newline. */
  write(line: string, entry: LogEntry): void;
  /** Milliseconds since 1970, with their fraction. */
  now?(): number;
}

/** Notices of things that every session does. */
const routine: ReadonlySet<string> = new Set([
  "listener.accept",
  "connect.open",
  "connect.done",
  "proxy.open",
  "proxy.done",
  "proxy.caller",
  "jsonsocket.request",
  "session.open",
  "stream.end",
]);

const letters: Readonly<Record<Level | "fatal", string>> = {
  fatal: "F",
  error: "E",
  warn: "W",
  notice: "N",
  info: "I",
  debug: "D",
};

/**
 * Writes log lines. `event` is a fixed dotted name (`session.close`) that scripts can match in JSON; `message` is the
 * text for people; `fields` are facts for JSON. Control characters in messages are escaped.
 */
export class Log {
  readonly #options: LogOptions;
  readonly #fields: Fields;
  readonly #later: (() => Fields | undefined) | undefined;

  constructor(options: LogOptions, fields: Fields = {}, later?: () => Fields | undefined) {
    this.#options = options;
    this.#fields = fields;
    this.#later = later;
  }

  /** A logger whose lines carry more fields (a session's name); `later` tells those that are known only some day. */
  child(fields: Fields, later = this.#later): Log {
    return new Log(this.#options, { ...this.#fields, ...fields }, later);
  }

  enabled(level: Level): boolean {
    const { level: limit } = this.#options;
    return limit !== "silent" && levels.indexOf(level) <= levels.indexOf(limit);
  }

  error(event: string, message: string, fields?: Fields): void {
    this.#line("error", event, message, fields);
  }
  warn(event: string, message: string, fields?: Fields): void {
    this.#line("warn", event, message, fields);
  }
  notice(event: string, message: string, fields?: Fields): void {
    const level = this.#options.quiet && routine.has(event) ? "debug" : "notice";
    this.#line(level, event, message, fields);
  }
  info(event: string, message: string, fields?: Fields): void {
    this.#line("info", event, message, fields);
  }
  debug(event: string, message: string, fields?: Fields): void {
    this.#line("debug", event, message, fields);
  }
  /** Written whatever the level is: a fault of our own. */
  fatal(event: string, message: string, fields?: Fields): void {
    this.#line("fatal", event, message, fields);
  }

  #line(level: Level | "fatal", event: string, message: string, fields: Fields | undefined): void {
    if (level !== "fatal" && !this.enabled(level)) return;
    const { format, program, pid, hostName, microseconds, now } = this.#options;
    const time = now?.() ?? preciseNow();
    if (format === "json") {
      const own = { ...this.#fields, ...this.#later?.(), ...fields };
      const line = { time: isoTime(time, microseconds), level, event, message, host: hostName, program, pid, ...own };
      const body = JSON.stringify(line);
      this.#options.write(body, { level, body });
    } else {
      const place = hostName === undefined ? "" : `${onOneLine(hostName)} `;
      const head = `${timestamp(time, microseconds)} ${place}${onOneLine(program)}[${pid}]`;
      const body = `${letters[level]} ${onOneLine(message)}`;
      this.#options.write(`${head} ${body}`, { level, body });
    }
  }
}

/**
 * The time of day in milliseconds since 1970, with a fraction, which `Date` has not. After somebody has set the clock, or
 * the machine has slept, whole milliseconds: the finer clock goes on as if nothing had happened.
 */
export function preciseNow(): number {
  const coarse = Date.now();
  const fine = performance.timeOrigin + performance.now();
  return Math.abs(fine - coarse) < agreementMs ? fine : coarse;
}

/** `Date` cuts a fraction off, and time passes between the two looks. */
const agreementMs = 3;

/** Local time as socat prints it: `2026/11/21 23:15:03`, with `microseconds` six more digits. */
export function timestamp(ms: number, microseconds: boolean): string {
  const { time, fraction } = parts(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const date = `${time.getFullYear()}/${two(time.getMonth() + 1)}/${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${date} ${clock}${microseconds ? `.${fraction}` : ""}`;
}

/** UTC: `2026-11-21T23:15:03.209Z`, with `microseconds` three more digits. */
function isoTime(ms: number, microseconds: boolean): string {
  const { time, fraction } = parts(ms);
  const iso = time.toISOString();
  return microseconds ? iso.replace(/\d{3}Z$/, `${fraction}Z`) : iso;
}

/** The second `ms` lies in, to the millisecond, and the six digits of its fraction. */
function parts(ms: number): { readonly time: Date; readonly fraction: string } {
  // One rounding for both, so that they cannot disagree about the second.
  const microseconds = Math.round(ms * 1000);
  return { time: new Date(Math.floor(microseconds / 1000)), fraction: String(microseconds % 1e6).padStart(6, "0") };
}

/** Control characters as backslash and their name, so that `text` stays on its line and moves no cursor. */
export function onOneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f]/g, (c) => {
    const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[c];
    return named ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** A logger that writes nothing, for tests and for parts that are used on their own. */
export function silentLog(): Log {
  return new Log({ level: "error", format: "socat", program: "l7mp", microseconds: false, pid: 0, write: () => {} });
}
