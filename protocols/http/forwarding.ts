/**
 * What a reverse proxy passes on of a caller's request, and what it adds (RFC 9110 section 7.6). Pure.
 *
 * The request line and the header are those of the session's metadata where there is one, so that rewrites count, and
 * otherwise the caller's own. What concerns only one connection is left out; the program sets its own.
 */
import { ConnectError } from "../../lib/errors.ts";
import type { StreamInfo } from "../../lib/stream/stream.ts";
import { type Framing, noBody } from "./framing.ts";
import { type HeaderLine, listOf, utf8Value } from "./head.ts";
import type { HttpSpec } from "./spec.ts";
import { escapePath } from "./target.ts";

export interface ForwardedRequest {
  readonly method: string;
  /** Path and query, behind the connector's own path where it has one. */
  readonly path: string;
  /** As the caller named it; undefined in HTTP/1.0 without it. */
  readonly host: string | undefined;
  /** Without Host, and without those about body and connection. */
  readonly lines: readonly HeaderLine[];
  /** Of the caller's body. `undefined`: there was one, or may be, whose length nobody knows. */
  readonly framing: Framing | undefined;
  /** The caller takes fields after the answer's body. */
  readonly trailers: boolean;
  /** The protocol the caller asks to go on with. */
  readonly upgrade: string | undefined;
}

/** Those of one connection, and those that each hop says anew. */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
];

/** The lines that concern more than one connection; those that `Connection` names are left out, too. */
export function endToEnd(lines: readonly HeaderLine[]): HeaderLine[] {
  const left = new Set(hopByHop);
  for (const [name, value] of lines) {
    if (name.toLowerCase() === "connection") { for (const named of listOf(value)) left.add(named); }
  }
  return lines.filter(([name]) => !left.has(name.toLowerCase()));
}

/** What is known of a caller's request: see `infoOf` in server.ts. */
export interface RequestFacts {
  readonly method: string;
  /** As it was written. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly lines?: readonly HeaderLine[];
  readonly tls?: unknown;
}

/**
 * The caller's request as it is to go on. `undefined`: the caller sent none that waits for an answer with a head. Throws
 * `ConnectError` where the metadata were rewritten to something that no request can hold.
 */
export function forwardedRequest(
  downstream: StreamInfo | undefined,
  spec: HttpSpec,
  { metadata, transformed }: {
    readonly metadata?: Readonly<Record<string, unknown>>;
    readonly transformed?: boolean;
  },
): ForwardedRequest | undefined {
  if (!downstream?.respond || typeof downstream.facts?.method !== "string") return undefined;
  const facts = downstream.facts as unknown as RequestFacts;
  const rewritten = (metadata?.HTTP ?? {}) as RewrittenRequest;
  const upgrade = downstream.awaitUpgrade ? facts.headers["upgrade"] : undefined;
  const [authority, asked] = splitTarget(facts.path);
  const host = authority ?? facts.headers["host"];
  const lines = withTrace(addressed(passedOn(facts, rewritten), downstream, host, spec), metadata);
  return {
    method: spec.method ?? checked("method", rewritten.method ?? facts.method, token),
    path: behind(spec.path, escapeBytes(asked, pathIn(rewritten))),
    host: hostIn(rewritten, facts) ?? host,
    lines,
    framing: bodyOf(facts.headers, transformed),
    trailers: listOf(facts.headers["te"]).includes("trailers"),
    upgrade,
  };
}

/** `HTTP` of the metadata, whatever it was rewritten to. */
export interface RewrittenRequest {
  readonly method?: unknown;
  readonly url?: { readonly path?: unknown; readonly host?: unknown; readonly port?: unknown };
  readonly headers?: Readonly<Record<string, unknown>>;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// deno-lint-ignore no-control-regex
const oneLine = /^[^\x00-\x08\x0a-\x1f\x7f]*$/;

function checked(what: string, value: unknown, pattern: RegExp): string {
  const text = Array.isArray(value) ? value.join(", ") : String(value);
  if (pattern.test(text)) return text;
  const message = `HTTP: the session's metadata ask for ${what} ${JSON.stringify(text)}, which no request can hold`;
  throw new ConnectError(message, { retryable: false, side: "local" });
}

/** A target that is a whole URL names the host, whatever the Host header says (RFC 9112 section 3.2.2). */
function splitTarget(target: string): [authority: string | undefined, path: string] {
  const match = /^https?:\/\/(?:[^@/?#]*@)?([^/?#]+)(.*)$/i.exec(target);
  if (!match) return [undefined, target];
  const path = match[2]!;
  return [match[1], path.startsWith("/") ? path : `/${path}`];
}

/** The path of the metadata, which may have been written without its slash. */
export function pathIn({ url }: RewrittenRequest): string | undefined {
  if (url?.path === undefined) return undefined;
  const path = String(url.path);
  return path.startsWith("/") || path === "*" ? path : `/${path}`;
}

/** The path as it came, where nothing was rewritten: its bytes are in whatever code the caller uses. */
export function escapeBytes(asked: string, rewritten = asked): string {
  if (rewritten !== asked) return escapePath(rewritten);
  return asked.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Rewriting the metadata's Host header changes the host. */
function hostIn({ headers }: RewrittenRequest, facts: RequestFacts): string | undefined {
  const host = headers?.["host"];
  return host === undefined || host === facts.headers["host"] ? undefined : checked("Host", host, oneLine);
}

/** A connector's own path with a query is asked for as it is; another one stands before the caller's. */
export function behind(own: string | undefined, asked: string): string {
  if (own === undefined || asked === "*") return asked;
  const base = escapePath(own.startsWith("/") ? own : `/${own}`);
  if (base.includes("?")) return base;
  // The caller's `/` is the connector's path itself, with or without a slash at its end.
  return /^\/(?=\?|$)/.test(asked) ? base + asked.slice(1) : base.replace(/\/$/, "") + asked;
}

/**
 * The caller's lines in their order and spelling but for those that the metadata have otherwise, and without those of
 * one connection, of the body and of the host. Throws `ConnectError` for what is no header line.
 */
export function passedOn(
  facts: Pick<RequestFacts, "headers" | "lines">,
  { headers: rewritten }: RewrittenRequest,
): HeaderLine[] {
  const { headers } = facts;
  const lines = facts.lines ?? Object.entries(headers);
  const wanted = rewritten ?? headers;
  const same = ([name]: HeaderLine) => wanted[name.toLowerCase()] === headers[name.toLowerCase()];
  const changed = Object.entries(wanted).filter(([name, value]) => value !== headers[name.toLowerCase()]);
  const own = ["host", "content-length", "expect"];
  return endToEnd([...lines.filter(same), ...writtenLines(changed)])
    .filter(([name]) => !own.includes(name.toLowerCase()));
}

/** Header lines that stand in the metadata, `null` where one was taken out. */
function writtenLines(entries: readonly (readonly [name: string, value: unknown])[]): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (const [name, value] of entries) {
    if (value === undefined || value === null) continue;
    lines.push([checked("header", name, token), utf8Value(checked(`header ${name}:`, value, oneLine))]);
  }
  return lines;
}

/** Who asked, and for what, for a server that sees only us. */
function addressed(
  lines: readonly HeaderLine[],
  { remote, facts }: StreamInfo,
  host: string | undefined,
  { forwarded = "append" }: HttpSpec,
): readonly HeaderLine[] {
  if (forwarded === "off") return lines;
  const told = (wanted: string) =>
    forwarded === "set" ? [] : lines.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const callers = told("x-forwarded-for");
  if (remote && remote.family !== "unix") callers.push(remote.host.replace(/^::ffff:(?=\d+\.)/, ""));
  // What a proxy before this one has seen is nearer to the truth.
  const protocol = told("x-forwarded-proto")[0] ?? (facts?.tls ? "https" : "http");
  const askedFor = told("x-forwarded-host")[0] ?? host;
  return [
    ...lines.filter(([name]) => !/^x-forwarded-(for|proto|host)$/i.test(name)),
    ...(callers.length > 0 ? [["X-Forwarded-For", callers.join(", ")] as const] : []),
    ["X-Forwarded-Proto", protocol],
    ...(askedFor === undefined ? [] : [["X-Forwarded-Host", askedFor] as const]),
  ];
}

/** The session's place in a trace (W3C Trace Context), where the engine keeps one. */
export function withTrace(
  lines: readonly HeaderLine[],
  metadata: Readonly<Record<string, unknown>> | undefined,
): readonly HeaderLine[] {
  const { traceparent } = (metadata?.trace ?? {}) as { traceparent?: unknown };
  if (typeof traceparent !== "string" || !oneLine.test(traceparent)) return lines;
  return [...lines.filter(([name]) => name.toLowerCase() !== "traceparent"), ["traceparent", utf8Value(traceparent)]];
}

function bodyOf(headers: Readonly<Record<string, string>>, transformed: boolean | undefined): Framing | undefined {
  const length = headers["content-length"];
  if (transformed) return undefined;
  if (headers["transfer-encoding"] !== undefined) return { kind: "chunked" };
  return length === undefined ? noBody : { kind: "length", length: Number(length) };
}
