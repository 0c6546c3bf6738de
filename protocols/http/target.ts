/** Whom a request is for, and the lines of its head that the settings stand for. */
import { ConnectError, systemFault } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import type { StreamInfo } from "../../lib/stream/stream.ts";
import { type HeaderLine, utf8Value } from "./head.ts";
import type { HttpSpec } from "./spec.ts";

export interface Target {
  /** For messages: `http://h:8080/file`. */
  readonly name: string;
  /** For the Host header. */
  readonly host: string;
  /** Path and query, as they go into the request line. */
  readonly path: string;
}

/** `lower` is what the request goes over: its address where the settings have none, and whether it is encrypted. */
export function targetOf(lower: StreamInfo, spec: HttpSpec): Target {
  const path = pathOf(spec.path ?? "");
  const { remote, protocol } = lower;
  const secure = protocol === "TLS";
  if (remote?.family === "unix") {
    const name = `http${secure ? "+tls" : ""}+unix://${remote.path}${path === "/" ? "" : `,path=${path}`}`;
    return { name, host: spec.host ?? "localhost", path };
  }
  const usual = secure ? 443 : 80;
  const port = spec.port ?? remote?.port ?? usual;
  const address = spec.address ?? remote?.host ?? "localhost";
  const host = address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
  const at = port === usual ? host : `${host}:${port}`;
  return { name: `${secure ? "https" : "http"}://${at}${path}`, host: spec.host ?? at, path };
}

function pathOf(written: string): string {
  return escapePath(written.startsWith("/") || written === "*" ? written : `/${written}`);
}

/** A fragment is never sent, so here it belongs to the path; what no request line can hold is escaped. */
export function escapePath(path: string): string {
  return path.replaceAll("#", "%23").replace(/[^!-~]+/gu, encodeURIComponent);
}

/** The settings that become header lines, of whatever sends a request. */
type RequestSpec =
  & Pick<HttpSpec, "useragent" | "basic_auth" | "basic_auth_file" | "header">
  & Partial<Pick<HttpSpec, "content_type">>;

/**
 * Header lines of a request but for those about its body: `usual` ones, then what the options stand for, then what was
 * given by hand; the later win. Rejects with `ConnectError` when the password file cannot be read.
 */
export async function requestLines(
  usual: readonly HeaderLine[],
  spec: RequestSpec,
  context: Context,
): Promise<HeaderLine[]> {
  const lines: HeaderLine[] = [];
  if (spec.useragent !== undefined) lines.push(["User-Agent", utf8Value(spec.useragent)]);
  const login = spec.basic_auth ?? await readLogin(spec.basic_auth_file);
  if (login !== undefined) lines.push(["Authorization", `Basic ${new TextEncoder().encode(login).toBase64()}`]);
  if (spec.content_type !== undefined) lines.push(["Content-Type", utf8Value(spec.content_type)]);
  const byHand = headerLines([...context.http?.headers ?? [], ...spec.header ?? []]);
  return replaced(replaced(usual, lines), byHand);
}

/** `Name: value` as a header line. */
export function headerLines(written: readonly string[]): HeaderLine[] {
  return written.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), utf8Value(line.slice(colon + 1).trim())];
  });
}

/** `lines` without those that `others` has too, and `others`. */
export function replaced(lines: readonly HeaderLine[], others: readonly HeaderLine[]): HeaderLine[] {
  const names = new Set(others.map(([name]) => name.toLowerCase()));
  return [...lines.filter(([name]) => !names.has(name.toLowerCase())), ...others];
}

async function readLogin(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return (await Deno.readTextFile(file)).replace(/\r?\n$/, "");
  } catch (error) {
    const message = `basic-auth-file: open("${file}", O_RDONLY): ${systemFault(error).text}`;
    throw new ConnectError(message, { cause: error, retryable: false });
  }
}
