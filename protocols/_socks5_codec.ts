/**
 * The client's part of SOCKS version 5 (RFC 1928) with user name and password (RFC 1929). Pure: no streams, no clock.
 *
 *     greeting  05 n methods...                       answer  05 method
 *     login     01 len user len password              answer  01 status
 *     request   05 01 00 type address port            answer  05 code 00 type address port
 *
 * Addresses have type 1 (IPv4), 3 (length and name) or 4 (IPv6); ports are two bytes, high one first.
 */
import { ConnectError, ProtocolError } from "../lib/errors.ts";
import { Accumulator } from "../lib/stream/accumulator.ts";
import { concat } from "../lib/stream/concat.ts";
import { parseIp } from "../lib/stream/net_range.ts";
import type { Dialogue } from "./_dialogue.ts";

export interface Socks5Request {
  /** Name, which the proxy resolves, or IP address. At most 255 bytes. */
  readonly host: string;
  readonly port: number;
  /** To log in with, where the proxy asks for it; 1 to 255 bytes. */
  readonly user?: string;
  readonly password?: string;
}

const version = 5;
const loginVersion = 1;
const method = { none: 0, password: 2, noneAcceptable: 0xff } as const;
const addressType = { ipv4: 1, name: 3, ipv6: 4 } as const;

/** Reply codes of RFC 1928 section 6. */
const faults: readonly (readonly [text: string, retryable: boolean])[] = [
  ["", false],
  ["general failure", true],
  ["connection not allowed by the rules of the proxy", false],
  ["network unreachable", true],
  ["host unreachable", true],
  ["connection refused", true],
  ["TTL expired", true],
  ["command not supported", false],
  ["address type not supported", false],
];

const utf8 = new TextEncoder();

/** Asks for a connection. */
export class Socks5Client implements Dialogue<void> {
  readonly #request: Socks5Request;
  readonly #bytes = new Accumulator();
  #state: "method" | "login" | "reply" = "method";

  constructor(request: Socks5Request) {
    this.#request = request;
  }

  begin(): Uint8Array {
    const methods = this.#request.user === undefined ? [method.none] : [method.none, method.password];
    return new Uint8Array([version, methods.length, ...methods]);
  }

  push(chunk: Uint8Array): void {
    this.#bytes.append(chunk);
  }

  next(): { send: Uint8Array } | { result: void; rest: Uint8Array } | null {
    switch (this.#state) {
      case "method":
        return this.#chosen();
      case "login":
        return this.#loggedIn();
      case "reply":
        return this.#replied();
    }
  }

  #chosen(): { send: Uint8Array } | null {
    if (this.#bytes.length > 0) expectVersion(this.#bytes.at(0), "3");
    if (this.#bytes.length < 2) return null;
    const chosen = this.#bytes.at(1);
    this.#drop(2);
    const { user, password = "" } = this.#request;
    if (chosen === method.password && user !== undefined) {
      this.#state = "login";
      return { send: encodeLogin(user, password) };
    }
    if (chosen === method.none) return this.#ask();
    throw wantsLogin(chosen, user !== undefined);
  }

  #loggedIn(): { send: Uint8Array } | null {
    if (this.#bytes.length > 0 && this.#bytes.at(0) !== loginVersion && this.#bytes.at(0) !== version) {
      throw new ProtocolError(
        `version ${this.#bytes.at(0)} instead of 1 in the answer to the login (RFC 1929 section 2)`,
      );
    }
    if (this.#bytes.length < 2) return null;
    const status = this.#bytes.at(1);
    this.#drop(2);
    if (status === 0) return this.#ask();
    const cure = "check socksuser= and sockspass=, or user and password of via=";
    throw new ConnectError(`login refused (status ${status}); ${cure}`, { code: "SOCKS_LOGIN", retryable: false });
  }

  #ask(): { send: Uint8Array } {
    this.#state = "reply";
    return { send: encodeSocks5Request(this.#request) };
  }

  #replied(): { result: void; rest: Uint8Array } | null {
    const bytes = this.#bytes;
    if (bytes.length > 0) expectVersion(bytes.at(0), "6");
    // Some proxies send no address along with a refusal, so the code is enough.
    if (bytes.length > 1 && bytes.at(1) !== 0) throw refusal(bytes.at(1), this.#request);
    if (bytes.length < 5) return null;
    const length = replyLength(bytes.at(3), bytes.at(4));
    if (bytes.length < length) return null;
    return { result: undefined, rest: bytes.take().subarray(length) };
  }

  #drop(count: number): void {
    this.#bytes.keepLast(this.#bytes.length - count);
  }
}

function expectVersion(got: number, section: string): void {
  if (got === version) return;
  const hint = got === 0x48 ? "this looks like HTTP" : "is it a SOCKS5 proxy?";
  throw new ProtocolError(`version ${got} instead of 5 in the answer (RFC 1928 section ${section}); ${hint}`);
}

function wantsLogin(chosen: number, offered: boolean): Error {
  if (chosen !== method.noneAcceptable && !(chosen === method.password && !offered)) {
    return new ProtocolError(`chose authentication method ${chosen}, which was not offered (RFC 1928 section 3)`);
  }
  const cure = offered
    ? "takes neither a password nor none"
    : "needs authentication; use socksuser= and sockspass=, or via=socks5://user:pass@...";
  return new ConnectError(cure, { code: "SOCKS_LOGIN", retryable: false });
}

function refusal(code: number, { host, port }: Socks5Request): ConnectError {
  const [text, retryable] = faults[code] ?? ["unknown fault", true];
  const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return new ConnectError(`${text} (code ${code}) for ${target}`, { code: `SOCKS_${code}`, retryable });
}

/** Bytes of a whole reply; `first` is the first byte of its address. */
function replyLength(type: number, first: number): number {
  switch (type) {
    case addressType.ipv4:
      return 4 + 4 + 2;
    case addressType.ipv6:
      return 4 + 16 + 2;
    case addressType.name:
      return 4 + 1 + first + 2;
    default:
      throw new ProtocolError(`address type ${type} in the answer (RFC 1928 section 5)`);
  }
}

function encodeLogin(user: string, password: string): Uint8Array {
  return concat([new Uint8Array([loginVersion]), counted(user), counted(password)]);
}

/** The request to connect. Throws `ConnectError` for a name that does not fit. */
function encodeSocks5Request({ host, port }: Socks5Request): Uint8Array {
  const ip = parseIp(host);
  const address = ip
    ? [new Uint8Array([ip.length === 4 ? addressType.ipv4 : addressType.ipv6]), ip]
    : [new Uint8Array([addressType.name]), counted(host)];
  return concat([new Uint8Array([version, 1, 0]), ...address, new Uint8Array([port >> 8, port & 255])]);
}

/** Text with its length in one byte before it. */
function counted(text: string): Uint8Array {
  const bytes = utf8.encode(text);
  if (bytes.length > 255) {
    throw new ConnectError(`"${text}" has ${bytes.length} bytes, at most 255 can be sent`, { retryable: false });
  }
  return concat([new Uint8Array([bytes.length]), bytes]);
}
