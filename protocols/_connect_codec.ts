/** The client's part of an HTTP CONNECT request (RFC 9110 section 9.3.6). Pure: no streams, no clock. */
import { ConnectError, LimitError, ProtocolError } from "../lib/errors.ts";
import type { Dialogue } from "./_dialogue.ts";
import { beginsResponse, HeadBytes, latin1 } from "./http/head.ts";

export interface ConnectRequest {
  /** `host:port`, IPv6 in brackets. */
  readonly target: string;
  /** Of HTTP. */
  readonly version: "1.0" | "1.1";
  /** `user:password`, for Basic authentication (RFC 7617). */
  readonly login?: string;
  /** Read lines that end in LF, whatever CR they have. */
  readonly ignoreCr?: boolean;
}

const headBytes = 16_384;
/** Interim answers (RFC 9110 section 15.2) before the one that counts. */
const maxInterim = 16;
const maxReasonCharacters = 200;

/** Asks for a connection to the target. */
export class ConnectClient implements Dialogue<void> {
  readonly #request: ConnectRequest;
  #head: HeadBytes;
  #pushed: Uint8Array | undefined;
  #interim = 0;

  constructor(request: ConnectRequest) {
    this.#request = request;
    this.#head = this.#newHead();
  }

  #newHead(): HeadBytes {
    return new HeadBytes("answer", headBytes, this.#request.ignoreCr);
  }

  begin(): Uint8Array {
    return encodeConnect(this.#request);
  }

  push(chunk: Uint8Array): void {
    this.#pushed = chunk;
  }

  next(): { result: void; rest: Uint8Array } | null {
    while (this.#pushed !== undefined) {
      // Another kind of server says its line and waits: the end of a head would never come.
      const begins = this.#head.length === 0 && this.#pushed.length > 0 && !this.#request.ignoreCr;
      if (begins && !beginsResponse(this.#pushed)) throw malformed(latin1(this.#pushed.subarray(0, 64)));
      const found = this.#head.push(this.#pushed);
      this.#pushed = found?.rest;
      if (!found) return null;
      const { status, reason } = this.#statusOf(found.head);
      if (status >= 200 && status < 300) return { result: undefined, rest: found.rest };
      if (status === 101 || status >= 200) throw this.#refused(status, reason);
      if (++this.#interim > maxInterim) throw new LimitError(`more than ${maxInterim} interim answers`);
      this.#head = this.#newHead();
    }
    return null;
  }

  /** Several spaces, and none after the code, are accepted: there are proxies that write so. */
  #statusOf(head: Uint8Array): { status: number; reason: string } {
    const text = latin1(head.subarray(0, head.indexOf(10)));
    const line = this.#request.ignoreCr ? text.replaceAll("\r", "") : text.replace(/\r$/, "");
    // deno-lint-ignore no-control-regex
    const match = /^HTTP\/\d\.\d[ \t]+([1-9]\d\d)(?:[ \t]+([^\x00-\x08\x0a-\x1f\x7f]*))?$/.exec(line);
    if (!match) throw malformed(line);
    return { status: Number(match[1]), reason: (match[2] ?? "").trim().slice(0, maxReasonCharacters) };
  }

  #refused(status: number, reason: string): ConnectError {
    const { target, login } = this.#request;
    // tinyproxy answers 401 to a wrong password.
    const cure = status !== 407 && status !== 401
      ? ""
      : login === undefined
      ? "; proxy needs authentication; use proxyauth= or via=http://user:pass@..."
      : "; proxy refuses this user and password; check proxyauth= or via=http://user:pass@...";
    const line = reason === "" ? String(status) : `${status} ${reason}`;
    return new ConnectError(`${line} (CONNECT ${target})${cure}`, {
      code: `HTTP_${status}`,
      retryable: status >= 500,
    });
  }
}

/** Quotes the beginning of the first line of `text`, with what cannot be printed escaped. */
function malformed(text: string): ProtocolError {
  const line = text.split(/\r?\n/, 1)[0]!;
  const start = line.length > 40 ? `${line.slice(0, 40)}...` : line;
  const hint = line.startsWith("HTTP/") ? "" : "; is it an HTTP proxy?";
  return new ProtocolError(`malformed status line ${JSON.stringify(start)} (RFC 9112 section 4)${hint}`);
}

/** The request with its empty line. */
export function encodeConnect({ target, version, login }: ConnectRequest): Uint8Array {
  const lines = [`CONNECT ${target} HTTP/${version}`, `Host: ${target}`];
  if (login !== undefined) lines.push(`Proxy-Authorization: Basic ${new TextEncoder().encode(login).toBase64()}`);
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}
