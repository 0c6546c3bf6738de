/** One line per ended session, for people and programs: `--access-log`, and `access_log_path` of a configuration. */
import { suggestion } from "../config/suggest.ts";
import { ConfigError } from "../errors.ts";
import { getAt, parsePath } from "../metadata/pointer.ts";
import { traceIn } from "../metadata/trace.ts";
import type { SessionRecord } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import type { Sink } from "./log_sink.ts";

/** What there is to tell of a session; a value that is not known is undefined. Durations are seconds. */
type Values = Readonly<Record<string, string | number | undefined>>;

/** Makes the line of one session, without a newline. */
export type AccessFormat = (record: SessionRecord, session?: Session) => string;

/**
 * `text`: the start, then `key=value` pairs with quotes where a value has blanks. `json`: one object with the same keys.
 * Anything else is a line with `{name}` for one of those values, and `{/path}` for a piece of the session's metadata;
 * `-` where there is none. In braces that stand for themselves each is doubled. Throws `ConfigError`.
 */
export function readAccessFormat(text: string, at: string): AccessFormat {
  if (text === "text" || text === "json") return (record, session) => accessLine(record, text, session);
  const parts = readTemplate(text, at);
  return (record, session) => {
    const values: Values = { time: record.startedAt.toISOString(), ...valuesOf(record, session) };
    const metadata = metadataOf(record, session);
    const tell = (part: Part) =>
      typeof part === "string" ? part : escaped("path" in part ? getAt(metadata, part.path) : values[part.name]);
    return parts.map(tell).join("");
  };
}

export function accessLine(record: SessionRecord, format: "text" | "json", session?: Session): string {
  const time = record.startedAt.toISOString();
  const values = { ...valuesOf(record, session), ...(session && jsonSocketOf(session.metadata)) };
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  if (format === "json") return JSON.stringify({ time, ...Object.fromEntries(known) });
  return `${time} ${known.map(([key, value]) => `${key}=${quoted(textOf(value))}`).join(" ")}`;
}

/** All names that a format may use, but for `time`. */
function valuesOf(record: SessionRecord, session: Session | undefined) {
  const { ltr, rtl, durationMs, openedMs, error } = record;
  const metadata = metadataOf(record, session);
  const http = metadata.HTTP as { readonly method?: string; readonly url?: { readonly path?: string } } | undefined;
  const trace = traceIn(metadata);
  // The first stage is the destination.
  const [destination] = session?.listener.shown ? session.stages : [];
  return {
    // That of `--admin` is no object of the configuration, and has a name which none can have.
    session: record.name.trim(),
    listener: record.listener.trim(),
    route: session?.listener.shown ? record.route : undefined,
    cluster: destination?.origin,
    endpoint: destination?.choice?.shown?.name,
    duration: seconds(durationMs),
    open: openedMs === undefined ? undefined : seconds(openedMs),
    source: record.source,
    target: record.target,
    retries: record.retries > 0 ? record.retries : undefined,
    ltr_bytes: ltr.bytes,
    ltr_messages: ltr.messages,
    rtl_bytes: rtl.bytes,
    rtl_messages: rtl.messages,
    dropped: record.dropped,
    method: http?.method,
    path: http?.url?.path,
    status: http ? record.status ?? error?.status : undefined,
    trace_id: trace?.trace_id,
    span_id: trace?.span_id,
    code: error?.code,
    reason: record.reason,
    error: error?.message,
  } as const;
}

type Name = "time" | keyof ReturnType<typeof valuesOf>;

const names: Readonly<Record<Name, true>> = {
  time: true,
  session: true,
  listener: true,
  route: true,
  cluster: true,
  endpoint: true,
  duration: true,
  open: true,
  source: true,
  target: true,
  retries: true,
  ltr_bytes: true,
  ltr_messages: true,
  rtl_bytes: true,
  rtl_messages: true,
  dropped: true,
  method: true,
  path: true,
  status: true,
  trace_id: true,
  span_id: true,
  code: true,
  reason: true,
  error: true,
};

/** What a JSONSocket's client told of itself. */
function jsonSocketOf({ JSONSocket: header }: Readonly<Record<string, unknown>>) {
  return header === undefined ? {} : { jsonsocket: header };
}

function metadataOf(record: SessionRecord, session: Session | undefined): Readonly<Record<string, unknown>> {
  return session?.metadata ?? record.metadata ?? {};
}

function seconds(ms: number): number {
  return Number((ms / 1000).toFixed(3));
}

type Part = string | { readonly name: string } | { readonly path: readonly string[] };

function readTemplate(text: string, at: string): readonly Part[] {
  const wrong = (why: string) => new ConfigError(`${at}: ${JSON.stringify(text)} ${why}`);
  if (text === "") throw wrong("is empty; give text, json, or a line with {names} in it");
  const parts: Part[] = [];
  for (const [piece, inner] of text.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)) {
    if (piece === "{{" || piece === "}}") parts.push(piece[0]!);
    else if (piece === "{" || piece === "}") {
      throw wrong(`has a "${piece}" without its other half; write ${piece}${piece}`);
    } else if (inner === undefined) parts.push(piece);
    else if (inner.startsWith("/")) parts.push({ path: parsePath(inner) });
    else if (inner in names) parts.push({ name: inner });
    else {
      const near = suggestion(inner, Object.keys(names)) ||
        `; known are ${Object.keys(names).join(", ")}, and {/paths}`;
      throw wrong(`has {${inner}}, which is neither a name nor a path of metadata${near}`);
    }
  }
  return parts;
}

function textOf(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** So that a value stays within its line, and within quotes where the format has put them around it. */
function escaped(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  return JSON.stringify(textOf(value)).slice(1, -1);
}

function quoted(value: string): string {
  return /^[\w.:/@%+[\]-]+$/.test(value) ? value : JSON.stringify(value);
}

export interface AccessSettings {
  /** A file, or `-` for standard error; absent: nothing is written. */
  readonly path: string | undefined;
  readonly format: string;
}

/** An access log that may become another while the program runs. */
export class AccessLog {
  readonly #openSink: (path: string) => Sink;
  #settings: AccessSettings = { path: undefined, format: "text" };
  #sink: Sink | undefined;
  #line: AccessFormat | undefined;

  /** `open`: as `Outlets.open`. */
  constructor(open: (path: string) => Sink) {
    this.#openSink = open;
  }

  /**
   * Opens what `settings` ask for; it takes the place of what is there once `commit` is called, and is closed by
   * `cancel`. Throws `ConfigError`.
   */
  prepare(settings: AccessSettings): { commit(): void; cancel(): void } {
    const { path, format } = settings;
    const line = readAccessFormat(format, "admin.access_log_format");
    const same = path === this.#settings.path;
    const sink = same ? this.#sink : path === undefined ? undefined : this.#openSink(path);
    return {
      commit: () => {
        if (!same) this.#sink?.close();
        this.#settings = settings;
        this.#sink = sink;
        this.#line = line;
      },
      cancel: () => {
        if (!same) sink?.close();
      },
    };
  }

  write(record: SessionRecord, session: Session): void {
    if (this.#sink && this.#line) this.#sink.write(`${this.#line(record, session)}\n`);
  }
}
