/**
 * Ways to carry a session from one l7mp to another: how the listener and the connector of each are written, and what
 * each can and cannot do. A tunnel is two relays joined by a carrier, with plain TCP at both ends:
 *
 *     test --TCP--> entry --carrier--> exit --TCP--> backend in the test
 */

import type { Certificates } from "../support/certificates.ts";
import { type Bound, type Child, patience, type Run } from "./harness.ts";
import { callers, Peer } from "./peers.ts";
import { serveHttpProxy, serveSocks5 } from "./proxies.ts";
import { released } from "./wait.ts";

/** Where a carrier runs; it takes of these what it needs. */
export interface Place {
  readonly port: number;
  readonly path: string;
  readonly proxyPort: number;
}

export interface Carrier {
  readonly name: string;
  /** Without `fork`; further options may follow after a comma. */
  listener(place: Place): string;
  connector(place: Place): string;
  bound(place: Place): Bound;
  /** What must run beside it, in the test's process. */
  prepare?(run: Run, place: Place): void;
  /** The option that makes the listener serve one session; `fork` makes it serve many. */
  readonly once: string;
  /** Keeps the borders of messages. */
  readonly datagrams: boolean;
  /** Callers have an IP address. */
  readonly ip: boolean;
  /** A connection that ends without a word is told from one that was ended. */
  readonly tellsCuts: boolean;
  /** A connection can be reset. */
  readonly resets: boolean;
  /** A caller must say something before there is a session. */
  readonly shakesHands: boolean;
  /** How a caller begins that. */
  readonly greeting: Uint8Array;
  /** What the listener says of a caller that does not go on as it should. */
  readonly badCaller: RegExp;
  /** What the connector says where nobody listens. */
  readonly refused: RegExp;
  /** What the connector says of a listener whose upstream is gone, if it can tell that from an ordinary end. */
  readonly gone?: RegExp;
  /** What the connector says of a peer that was killed. */
  readonly cut: RegExp;
}

const reset = / E .*Connection reset by peer/;
const noListener = / E .*Connection refused/;
const noSocketFile = / E connect\(AF=1 .*No such file or directory/;
const cutTls = / E .*(connection closed without close_notify|Connection reset by peer)/;
const code1006 = / E .*code 1006/;
const badGateway = / E .*502 Bad Gateway/;
const cutBody = / E .*(Connection reset by peer|connection closed (inside the body|without close_notify))/;

const tcp = (place: Place): Bound => ({ tcp: place.port });
const unix = (place: Place): Bound => ({ unix: place.path });

const nothing = { shakesHands: false, greeting: new Uint8Array(0), badCaller: / / };
const hello = {
  shakesHands: true,
  greeting: new Uint8Array([22, 3, 1, 2, 0]),
  badCaller: / W (TLS handshake with .* failed: |read\(.*: Connection reset by peer)/,
};
const request = {
  shakesHands: true,
  greeting: new TextEncoder().encode("GET / HTTP/1.1\r\n"),
  badCaller: / W (ws|http|read\()/,
};

const stream = { datagrams: false, resets: true, once: "fork=0", ...nothing };
const plain = { ...stream, bound: tcp, ip: true, tellsCuts: false, refused: noListener, cut: reset };
const overTcp = { ...stream, bound: tcp, ip: true, tellsCuts: true, refused: noListener };
const overUnix = { ...stream, bound: unix, ip: false, tellsCuts: true, refused: noSocketFile };
const tls = { ...hello, gone: cutTls, cut: cutTls };
const ws = { ...request, datagrams: true, gone: badGateway, cut: code1006 };
const http = { ...request, once: "oneshot", gone: badGateway, cut: cutBody };

/** All of them. The certificates are those of `makeCertificates`. */
export function carriers(certificates: Certificates): Carrier[] {
  const serving = `cert=${certificates.path("server-both.pem")},verify=0,handshake-timeout=${patience}`;
  const trusting = `cafile=${certificates.path("ca.pem")}`;
  const named = `snihost=localhost,commonname=localhost,${trusting}`;
  return [
    {
      name: "TCP",
      ...plain,
      gone: reset,
      listener: ({ port }) => `tcp-l:127.0.0.1:${port}`,
      connector: ({ port }) => `tcp:127.0.0.1:${port}`,
    },
    {
      name: "UNIX",
      ...plain,
      bound: unix,
      ip: false,
      resets: false,
      refused: noSocketFile,
      listener: ({ path }) => `unix-l:${path}`,
      connector: ({ path }) => `unix-c:${path}`,
    },
    {
      name: "TLS over TCP",
      ...overTcp,
      ...tls,
      listener: ({ port }) => `openssl-listen:127.0.0.1:${port},${serving}`,
      connector: ({ port }) => `openssl:localhost:${port},${trusting}`,
    },
    {
      name: "TLS 1.2 over TCP",
      ...overTcp,
      ...tls,
      listener: ({ port }) => `tls-l:127.0.0.1:${port},${serving}`,
      connector: ({ port }) => `tls:localhost:${port},${trusting},max-proto-version=TLS1.2`,
    },
    {
      name: "TLS over UNIX",
      ...overUnix,
      ...tls,
      listener: ({ path }) => `tls:unix-l:${path},${serving}`,
      connector: ({ path }) => `tls:unix:${path},${named}`,
    },
    {
      name: "WebSocket over TCP",
      ...overTcp,
      ...ws,
      listener: ({ port }) => `ws-l:127.0.0.1:${port}`,
      connector: ({ port }) => `ws://127.0.0.1:${port}/,binary`,
    },
    {
      name: "WebSocket over UNIX",
      ...overUnix,
      ...ws,
      listener: ({ path }) => `ws-u:unix-l:${path}`,
      connector: ({ path }) => `ws+unix://${path},binary`,
    },
    {
      name: "WebSocket over TLS",
      ...overTcp,
      ...ws,
      ...hello,
      listener: ({ port }) => `wss-l:127.0.0.1:${port},${serving}`,
      connector: ({ port }) => `wss://localhost:${port}/,binary,${trusting}`,
    },
    {
      name: "WebSocket over TLS over UNIX",
      ...overUnix,
      ...ws,
      ...hello,
      listener: ({ path }) => `ws-u:tls:unix-l:${path},${serving}`,
      connector: ({ path }) => `ws+tls+unix://${path},binary,${named}`,
    },
    {
      name: "HTTP over TCP",
      ...overTcp,
      ...http,
      listener: ({ port }) => `http-l:127.0.0.1:${port}`,
      connector: ({ port }) => `http://127.0.0.1:${port}/`,
    },
    {
      name: "HTTP over UNIX",
      ...overUnix,
      ...http,
      listener: ({ path }) => `http-u:unix-l:${path}`,
      connector: ({ path }) => `http+unix://${path}`,
    },
    {
      name: "HTTP over TLS",
      ...overTcp,
      ...http,
      ...hello,
      listener: ({ port }) => `https-l:127.0.0.1:${port},${serving}`,
      connector: ({ port }) => `https://localhost:${port}/,${trusting}`,
    },
    {
      name: "TCP through SOCKS5",
      ...plain,
      // The scripted proxy ends what it should reset.
      resets: false,
      refused: / E socks5 127\.0\.0\.1:\d+: connection refused \(code 5\)/,
      listener: ({ port }) => `tcp-l:127.0.0.1:${port}`,
      connector: ({ port, proxyPort }) => `tcp:127.0.0.1:${port},via=socks5://127.0.0.1:${proxyPort}`,
      prepare: (run, { port, proxyPort }) => serveSocks5(run, { port: proxyPort, route: () => ifListening(port, "5") }),
    },
    {
      name: "TLS through an HTTP proxy",
      ...overTcp,
      ...tls,
      resets: false,
      refused: / E proxy 127\.0\.0\.1:\d+: 503 Unavailable/,
      listener: ({ port }) => `openssl-listen:127.0.0.1:${port},${serving}`,
      connector: ({ port, proxyPort }) => `openssl:localhost:${port},${trusting},via=http://127.0.0.1:${proxyPort}`,
      prepare: (run, { port, proxyPort }) =>
        serveHttpProxy(run, { port: proxyPort, route: () => ifListening(port, "503 Unavailable") }),
    },
    {
      name: "WebSocket through SOCKS5",
      ...overTcp,
      ...ws,
      resets: false,
      refused: / E socks5 127\.0\.0\.1:\d+: connection refused \(code 5\)/,
      listener: ({ port }) => `ws-l:127.0.0.1:${port}`,
      connector: ({ port, proxyPort }) => `ws://127.0.0.1:${port}/,binary,via=socks5://127.0.0.1:${proxyPort}`,
      prepare: (run, { port, proxyPort }) => serveSocks5(run, { port: proxyPort, route: () => ifListening(port, "5") }),
    },
    {
      name: "TCP with a PROXY header",
      ...plain,
      gone: reset,
      shakesHands: true,
      greeting: new TextEncoder().encode("PROXY TCP4 "),
      badCaller: / [EW] (accept-proxy from |read\()/,
      listener: ({ port }) => `tcp-l:127.0.0.1:${port},accept-proxy=require`,
      connector: ({ port }) => `tcp:127.0.0.1:${port},proxy-protocol`,
    },
  ];
}

/** The port, or the refusal where nobody listens there. */
function ifListening<Refusal>(port: number, refusal: Refusal): number | Refusal {
  const end = ":" + port.toString(16).toUpperCase().padStart(4, "0");
  const rows = Deno.readTextFileSync("/proc/self/net/tcp").split("\n").map((row) => row.trim().split(/\s+/));
  return rows.some((row) => row[1]?.endsWith(end) && row[3] === "0A") ? port : refusal;
}

export function newPlace(run: Run): Place {
  const port = run.port();
  return { port, path: run.path(`s${port}`), proxyPort: run.port() };
}

/** The server at the end of a tunnel. It may go and come back; what it does with a connection can be exchanged. */
export class Backend {
  readonly port: number;
  handle: (peer: Peer) => Promise<void>;
  #listener: Deno.Listener | undefined;
  readonly #peers = new Set<Peer>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(run: Run, handle: (peer: Peer) => Promise<void>) {
    this.port = run.port();
    this.handle = handle;
    this.start();
    run.defer(() => this.stop());
  }

  start(): void {
    if (this.#listener) return;
    const listener = Deno.listen({ hostname: "127.0.0.1", port: this.port });
    this.#listener = listener;
    this.#own((async () => {
      for await (const conn of callers(listener)) this.#serve(new Peer(conn));
    })());
  }

  #serve(peer: Peer): void {
    this.#peers.add(peer);
    const served = this.handle(peer).catch(() => {}).finally(() => {
      this.#peers.delete(peer);
      peer.close();
    });
    this.#own(served);
  }

  #own(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task));
  }

  /** Ends all connections too. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    for (const peer of this.#peers) peer.close();
    await Promise.all(this.#tasks);
    await released({ tcp: this.port });
  }
}

export interface Tunnel {
  /** Where clients come in. */
  readonly port: number;
  readonly entry: Child;
  readonly exit: Child;
}

type Serve = (run: Run, args: readonly string[], bound: Bound) => Promise<Child>;
const serve: Serve = (run, args, bound) => run.serve(args, bound, { stderr: "any" });

/** Starts the listening half of a tunnel. */
export function startExit(run: Run, carrier: Carrier, place: Place, target: string, start = serve): Promise<Child> {
  return start(run, [`${carrier.listener(place)},fork`, target], carrier.bound(place));
}

/** Starts a tunnel to `backend` over `carrier`. */
export async function startTunnel(
  run: Run,
  carrier: Carrier,
  place: Place,
  backend: Backend,
  start = serve,
): Promise<Tunnel> {
  carrier.prepare?.(run, place);
  const port = run.port();
  const [entry, exit] = await Promise.all([
    start(run, [`tcp-l:127.0.0.1:${port},fork`, carrier.connector(place)], { tcp: port }),
    startExit(run, carrier, place, `tcp:127.0.0.1:${backend.port}`, start),
  ]);
  return { port, entry, exit };
}
