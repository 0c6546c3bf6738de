/**
 * The client's part of SOCKS version 4 and its extension 4A, as their authors' notes describe them. Pure: no streams,
 * no clock.
 *
 *     request   04 01 port address user 00            4A: address 0.0.0.1, and after it name 00
 *     answer    00 code port address
 */
import { ConnectError, ProtocolError } from "../lib/errors.ts";
import { Accumulator } from "../lib/stream/accumulator.ts";
import { concat } from "../lib/stream/concat.ts";
import { parseIp } from "../lib/stream/net_range.ts";
import type { Dialogue } from "./_dialogue.ts";

export interface Socks4Request {
  /** IPv4 address, or a name, which goes to the proxy (4A). */
  readonly host: string;
  readonly port: number;
  /** User id, without a NUL byte. */
  readonly user: string;
}

const replyBytes = 8;
const granted = 90;
const faults: Readonly<Record<number, string>> = {
  91: "request rejected or failed",
  92: "request rejected: the proxy cannot reach identd here",
  93: "request rejected: identd here says another user id; check socksuser=",
};

const utf8 = new TextEncoder();

/** Asks for a connection. */
export class Socks4Client implements Dialogue<void> {
  readonly #request: Socks4Request;
  readonly #bytes = new Accumulator();

  constructor(request: Socks4Request) {
    this.#request = request;
  }

  begin(): Uint8Array {
    return encodeSocks4Request(this.#request);
  }

  push(chunk: Uint8Array): void {
    this.#bytes.append(chunk);
  }

  next(): { result: void; rest: Uint8Array } | null {
    const bytes = this.#bytes;
    if (bytes.length > 0 && bytes.at(0) !== 0) {
      const hint = bytes.at(0) === 0x48 ? "this looks like HTTP" : "is it a SOCKS4 proxy?";
      throw new ProtocolError(`version ${bytes.at(0)} instead of 0 in the answer; ${hint}`);
    }
    if (bytes.length < replyBytes) return null;
    const code = bytes.at(1);
    if (code !== granted) throw refusal(code, this.#request);
    return { result: undefined, rest: bytes.take().subarray(replyBytes) };
  }
}

function refusal(code: number, { host, port }: Socks4Request): ConnectError {
  const text = faults[code] ?? "unknown fault";
  return new ConnectError(`${text} (code ${code}) for ${host}:${port}`, {
    code: `SOCKS_${code}`,
    retryable: code !== 92 && code !== 93,
  });
}

/** The request to connect; a host that is no IPv4 address makes it one of 4A. */
function encodeSocks4Request({ host, port, user }: Socks4Request): Uint8Array {
  const ip = parseIp(host);
  const head = new Uint8Array([4, 1, port >> 8, port & 255]);
  const userId = utf8.encode(`${user}\0`);
  if (ip?.length === 4) return concat([head, ip, userId]);
  return concat([head, new Uint8Array([0, 0, 0, 1]), userId, utf8.encode(`${host}\0`)]);
}
