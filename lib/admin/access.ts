/**
 * Who may use the API: callers of this machine, and others that show a token or a certificate; never a web page that
 * was not asked to.
 */
import type { SocketAddress, StreamInfo } from "../stream/stream.ts";
import { Fault } from "./fault.ts";

export interface AccessRules {
  /** The bearer token that lets callers from elsewhere in, where there is one. */
  token?(): Promise<string | undefined>;
  /** Names for `Host`, beside `localhost` and IP addresses. */
  readonly hosts: readonly string[];
  /** Origins of web pages that may use the API, such as `https://console.example.org`. */
  readonly origins: readonly string[];
}

/** Throws a `Fault`, 403 or 421, when this request may not be served. */
export async function checkAccess(request: Request, caller: StreamInfo, rules: AccessRules): Promise<void> {
  checkHost(request, caller, rules.hosts);
  checkOrigin(request, rules.origins);
  if (isLocal(caller) || showsCertificate(caller)) return;
  const shown = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  const token = await rules.token?.();
  if (shown !== undefined && token !== undefined && await sameSecret(shown, token)) return;
  throw new Fault(403, refusal(shown !== undefined, token !== undefined));
}

function refusal(shown: boolean, configured: boolean): string {
  const who = "Callers from other machines are refused";
  if (shown && configured) return `${who}: the bearer token is not the right one`;
  if (configured) return `${who} unless they show the bearer token (Authorization: Bearer ...)`;
  return `${who}: to allow them, start with --admin-token-file=FILE (in a configuration: admin.token_file) and send ` +
    `its content as a bearer token, or have the listener ask for client certificates (cafile)`;
}

function isLocal({ remote, local }: StreamInfo): boolean {
  const address = remote ?? (local?.family === "unix" ? local : undefined);
  return address !== undefined && (address.family === "unix" || isLoopback(address));
}

function isLoopback({ host }: Extract<SocketAddress, { host: string }>): boolean {
  return host === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(host);
}

/** A listener lets nobody in whose certificate it has not found good: that there is one is enough. */
function showsCertificate({ facts }: StreamInfo): boolean {
  return (facts?.tls as { peer?: unknown } | undefined)?.peer !== undefined;
}

/** Takes the same time whatever the two have in common. */
async function sameSecret(a: string, b: string): Promise<boolean> {
  const digest = async (text: string) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const [left, right] = await Promise.all([digest(a), digest(b)]);
  let difference = 0;
  left.forEach((byte, i) => difference |= byte ^ right[i]!);
  return difference === 0;
}

/**
 * A page of an attacker may have its name point to this machine (DNS rebinding): only names that are ours, and
 * addresses, which need no name, are served. No page reaches a UNIX socket.
 */
function checkHost(request: Request, caller: StreamInfo, hosts: readonly string[]): void {
  if ((caller.remote ?? caller.local)?.family === "unix") return;
  const written = request.headers.get("host");
  if (written === null) return;
  const name = hostName(written);
  if (name === undefined) throw new Fault(400, `Host "${written}" is no host name`);
  if (name === "localhost" || isAddress(name) || hosts.some((host) => host.toLowerCase() === name)) return;
  const how = "to allow it, add it to admin.hosts";
  throw new Fault(421, `Host "${name}" is not served, only localhost, IP addresses and names of admin.hosts; ${how}`);
}

/** The name in a Host header, in lower case and without the port and a final dot. */
function hostName(text: string): string | undefined {
  const match = /^(\[[0-9a-f:.%a-z]+\]|[^\s:/?#@[\]]+)(?::\d*)?$/i.exec(text);
  return match?.[1]?.toLowerCase().replace(/\.$/, "");
}

function isAddress(name: string): boolean {
  return name.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(name);
}

/** Requests that change something, and preflights, are served to pages of our own origin and of those allowed. */
function checkOrigin(request: Request, origins: readonly string[]): void {
  const origin = request.headers.get("origin");
  if (origin === null || ["GET", "HEAD"].includes(request.method)) return;
  if (isOwnOrigin(request, origin) || origins.includes(origin)) return;
  throw new Fault(403, `Requests of pages from ${origin} are refused; to allow them, add it to the allowed origins`);
}

function isOwnOrigin(request: Request, origin: string): boolean {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  return origin.toLowerCase().replace(/^https?:\/\//, "") === host.toLowerCase() && /^https?:/i.test(origin);
}

/** Header fields that let a page of an allowed origin read the answer; none for any other. */
export function corsHeaders(request: Request, { origins }: AccessRules): Readonly<Record<string, string>> {
  const origin = request.headers.get("origin");
  if (origin === null || !origins.includes(origin)) return {};
  const shared = { "access-control-allow-origin": origin, "vary": "Origin" };
  if (!request.headers.has("access-control-request-method")) {
    return { ...shared, "access-control-expose-headers": "ETag" };
  }
  return {
    ...shared,
    "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": "Authorization, Content-Type, If-Match, If-None-Match",
    "access-control-max-age": "600",
  };
}
