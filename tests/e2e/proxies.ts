/** Scripted proxies inside the test process: HTTP CONNECT, SOCKS4, SOCKS4A, SOCKS5. They note what they are asked for. */

import type { Run } from "./harness.ts";
import { dial, type Peer, serveStreams } from "./peers.ts";

export interface ProxyOptions {
  readonly port: number;
  /** `user:password` that callers need. */
  readonly login?: string;
  /** Where a request really goes, always on this machine: the port, or the answer of a refusal (a status line, a code). */
  readonly route?: (target: string) => number | string;
}

/** What proxies were asked for. */
export interface ProxyRequest {
  /** `host:port`, as it was sent. */
  readonly target: string;
  /** User id of SOCKS4, `user:password` of SOCKS5, value of Proxy-Authorization. */
  readonly login: string;
  /** First line of an HTTP request. */
  readonly line?: string;
}

type Serve = (peer: Peer, options: ProxyOptions, requests: ProxyRequest[]) => Promise<void>;

function serveProxy(serve: Serve) {
  return (run: Run, options: ProxyOptions): ProxyRequest[] => {
    const requests: ProxyRequest[] = [];
    serveStreams(run, { tcp: options.port }, (peer) => serve(peer, options, requests));
    return requests;
  };
}

const portOf = (target: string) => Number(target.slice(target.lastIndexOf(":") + 1));

/** Where to connect; a text is the refusal. */
function routeOf(target: string, { route = portOf }: ProxyOptions): number | string {
  return route(target);
}

/** Joins both until both have ended, half-closes and all. */
async function join(peer: Peer, conn: Deno.Conn): Promise<void> {
  const copy = async (from: Deno.Conn, to: Deno.Conn) => {
    const buffer = new Uint8Array(65536);
    for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
      for (let sent = 0; sent < n;) sent += await to.write(buffer.subarray(sent, n));
    }
    await to.closeWrite();
  };
  try {
    await Promise.all([copy(peer.conn, conn), copy(conn, peer.conn)]);
  } finally {
    conn.close();
  }
}

const latin1 = new TextDecoder("latin1");

async function bytes(peer: Peer, count: number): Promise<Uint8Array> {
  const all = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const n = await peer.conn.read(all.subarray(at));
    if (n === null) throw new Error("end within a request");
    at += n;
  }
  return all;
}

async function textTo(peer: Peer, end: string): Promise<string> {
  let text = "";
  while (!text.endsWith(end)) text += latin1.decode(await bytes(peer, 1));
  return text.slice(0, -end.length);
}

/** An HTTP proxy that knows CONNECT. */
export const serveHttpProxy = serveProxy(async (peer, options, requests) => {
  const head = await textTo(peer, "\r\n\r\n");
  const [line, ...headers] = head.split("\r\n");
  const login = headers.find((header) => /^proxy-authorization:/i.test(header))?.replace(/^[^:]*: */, "") ?? "";
  const target = line!.split(" ")[1]!;
  requests.push({ target, login, line });
  if (options.login !== undefined && login !== `Basic ${btoa(options.login)}`) {
    await peer.send("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n");
    return;
  }
  const to = routeOf(target, options);
  if (typeof to === "string") return await peer.send(`HTTP/1.1 ${to}\r\nContent-Length: 0\r\n\r\n`);
  const conn = await dial(to);
  await peer.send("HTTP/1.0 200 Connection established\r\n\r\n");
  if (conn) await join(peer, conn);
});

/** A SOCKS4 proxy; it takes names (4A). A refusal is a code. */
export const serveSocks4 = serveProxy(async (peer, options, requests) => {
  const [version, command, high, low, ...address] = await bytes(peer, 8);
  if (version !== 4 || command !== 1) return;
  const login = await textTo(peer, "\0");
  const isName = address.slice(0, 3).every((byte) => byte === 0) && address[3] !== 0;
  const host = isName ? await textTo(peer, "\0") : address.join(".");
  const target = `${host}:${high! << 8 | low!}`;
  requests.push({ target, login });
  const to = routeOf(target, options);
  const code = typeof to === "string" ? Number(to) : 90;
  const conn = typeof to === "number" ? await dial(to) : undefined;
  await peer.send(new Uint8Array([0, code, 0, 0, 0, 0, 0, 0]));
  if (conn) await join(peer, conn);
});

/** A SOCKS5 proxy. A refusal is a code. */
export const serveSocks5 = serveProxy(async (peer, options, requests) => {
  const [, count] = await bytes(peer, 2);
  const methods = await bytes(peer, count!);
  const wanted = options.login === undefined ? 0 : 2;
  await peer.send(new Uint8Array([5, methods.includes(wanted) ? wanted : 0xff]));
  if (!methods.includes(wanted)) return;
  let login = "";
  if (wanted === 2) {
    const user = latin1.decode(await bytes(peer, (await bytes(peer, 2))[1]!));
    const password = latin1.decode(await bytes(peer, (await bytes(peer, 1))[0]!));
    login = `${user}:${password}`;
    await peer.send(new Uint8Array([1, login === options.login ? 0 : 1]));
    if (login !== options.login) return;
  }
  const [, , , type] = await bytes(peer, 4);
  const size = type === 3 ? (await bytes(peer, 1))[0]! : type === 1 ? 4 : 16;
  const address = await bytes(peer, size);
  const [high, low] = await bytes(peer, 2);
  const host = type === 3 ? latin1.decode(address) : type === 1 ? address.join(".") : address.toHex();
  const target = `${host}:${high! << 8 | low!}`;
  requests.push({ target, login });
  const to = routeOf(target, options);
  const code = typeof to === "string" ? Number(to) : 0;
  const conn = typeof to === "number" ? await dial(to) : undefined;
  await peer.send(new Uint8Array([5, code, 0, 1, 127, 0, 0, 1, 0, 80]));
  if (conn) await join(peer, conn);
});
