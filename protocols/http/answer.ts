/** How an answer begins: status, header, and how its body is framed. Pure. */
import type { AnswerHead } from "../../lib/stream/stream.ts";
import { type BodyEncoder, bodyEncoder } from "./body.ts";
import { endToEnd } from "./forwarding.ts";
import type { Framing } from "./framing.ts";
import { encodeHead, type HeaderLine, type RequestHead, utf8Value } from "./head.ts";
import type { Start } from "./message_writer.ts";
import { httpDate, statusText } from "./refusal.ts";
import type { HttpSpec } from "./spec.ts";
import { headerLines, replaced } from "./target.ts";

export interface AnswerParts {
  readonly request: RequestHead;
  readonly spec: HttpSpec;
  /** The head that the other side gives; absent: the listener's own. */
  readonly given: AnswerHead | undefined;
  /** Length of the body where it is known because it has ended. */
  readonly length: number | undefined;
  /** The connection may carry another request. */
  readonly keepAlive: boolean;
}

export interface AnswerStart extends Start {
  /** The body ends with the connection. */
  readonly endsByClose: boolean;
}

const noContent: BodyEncoder = { encode: () => [], end: () => new Uint8Array(0) };

export function startAnswer(parts: AnswerParts): AnswerStart {
  const { request, spec, given, keepAlive } = parts;
  const status = given?.status ?? spec.status ?? 200;
  if (given && status === 101) return startUpgrade(given);
  const empty = status === 204 || status === 304;
  const bodiless = request.method === "HEAD" || empty;
  const framing = framingOf(parts, bodiless);
  const endsByClose = framing.kind === "close" && !bodiless;
  const stays = keepAlive && !endsByClose;
  const connection: HeaderLine[] = !stays
    ? [["Connection", "close"]]
    : request.version === "1.0"
    ? [["Connection", "keep-alive"]]
    : [];
  const own = given ? passedOn(given, framing) : ownLines(parts);
  const lines = replaced(own, headerLines(spec.header ?? []));
  const head = encodeHead(`HTTP/1.1 ${statusLine(status, given)}`, [
    ...lines,
    ...(bodiless ? toldLength(parts, status) : framingLines(framing)),
    ...connection,
  ]);
  return { head, encoder: bodiless ? noContent : bodyEncoder(framing), endsByClose };
}

/** What follows in both directions is bytes of the protocol that was asked for. */
function startUpgrade(given: AnswerHead): AnswerStart {
  const upgrade = given.headers.filter(([name]) => name.toLowerCase() === "upgrade");
  const lines: HeaderLine[] = [["Connection", "Upgrade"], ...upgrade, ...endToEnd(withoutLength(given.headers))];
  const head = encodeHead(`HTTP/1.1 ${statusLine(101, given)}`, lines);
  return { head, encoder: bodyEncoder({ kind: "close" }), endsByClose: true };
}

function statusLine(status: number, given: AnswerHead | undefined): string {
  return given?.reason === undefined ? statusText(status) : `${status} ${given.reason}`;
}

/** The length that was told counts: a body that differs from it is cut. */
function framingOf({ request, given, length }: AnswerParts, bodiless: boolean): Framing {
  const told = given && !bodiless ? lengthOf(given) : undefined;
  if (told !== undefined) return { kind: "length", length: told };
  if (length !== undefined) return { kind: "length", length };
  return { kind: request.version === "1.1" ? "chunked" : "close" };
}

function framingLines(framing: Framing): HeaderLine[] {
  if (framing.kind === "length") return [["Content-Length", String(framing.length)]];
  return framing.kind === "chunked" ? [["Transfer-Encoding", "chunked"]] : [];
}

/** Of an answer without a body: the length it would have had (RFC 9110 section 8.6), which 204 never has. */
function toldLength({ given }: AnswerParts, status: number): HeaderLine[] {
  const told = given && status !== 204 ? lengthOf(given) : undefined;
  return told === undefined ? [] : [["Content-Length", String(told)]];
}

function lengthOf({ headers }: AnswerHead): number | undefined {
  const told = headers.find(([name]) => name.toLowerCase() === "content-length")?.[1];
  return told !== undefined && /^\d{1,15}$/.test(told) ? Number(told) : undefined;
}

export function withoutLength(lines: readonly HeaderLine[]): readonly HeaderLine[] {
  return lines.filter(([name]) => name.toLowerCase() !== "content-length");
}

function ownLines({ spec, length }: AnswerParts): readonly HeaderLine[] {
  const type: HeaderLine[] = length === 0 && spec.content_type === undefined
    ? []
    : [["Content-Type", utf8Value(spec.content_type ?? "application/octet-stream")]];
  return [["Date", httpDate()], ...type];
}

function passedOn({ headers }: AnswerHead, framing: Framing): readonly HeaderLine[] {
  // Only chunks have a place for trailers.
  const lines = endToEnd(withoutLength(headers)).filter(([name]) =>
    framing.kind === "chunked" || name.toLowerCase() !== "trailer"
  );
  const dated = lines.some(([name]) => name.toLowerCase() === "date");
  return dated ? lines : [["Date", httpDate()], ...lines];
}

/** Fields that decide what a message is, or whose it is, may not come after it (RFC 9110 section 6.5.1). */
const neverTrailing = /^(content-(length|encoding|type|range)|host|set-cookie|authorization|cache-control|trailer)$/i;

/** The fields after the body of an answer that may go on. */
export function trailersOf(given: AnswerHead | undefined): readonly HeaderLine[] {
  return endToEnd(given?.trailers?.() ?? []).filter(([name]) => !neverTrailing.test(name));
}
