/** A driver whose sockets a test plays, and a context to call plug-ins with. */
import type { DatagramSocket, DatagramTarget, Driver, Packet, Peer, StreamListener } from "../../lib/driver.ts";
import { accountNumber } from "../../lib/portable/account.ts";
import { Log } from "../../lib/log.ts";
import type { Context } from "../../lib/protocol.ts";
import type { ByteStream, Datagram, SocketAddress } from "../../lib/stream/stream.ts";

/** An IPv4 address with the last byte and port given. */
export function ip(lastByte: number, port: number): SocketAddress {
  return { family: "inet", host: `127.0.0.${lastByte}`, port };
}

export function peer(lastByte: number, port: number): Peer {
  return { key: `${lastByte}:${port}`, address: ip(lastByte, port) };
}

export function packet(from: Peer, text: string): Packet {
  return { from, data: new TextEncoder().encode(text) };
}

export const texts = (batch: readonly Datagram[] | null) => batch?.map(({ data }) => new TextDecoder().decode(data));

/** What `deliver` is given is received as one batch; what is sent is kept. */
export class FakeDatagramSocket implements DatagramSocket {
  readonly local: SocketAddress;
  readonly remote?: SocketAddress;
  readonly target: DatagramTarget;
  readonly sent: { text: string; to?: Peer | SocketAddress }[] = [];
  dropped = 0;
  closed = false;
  #arrived: (readonly Packet[] | Error)[] = [];
  #waiting: (() => void) | undefined;

  constructor(target: DatagramTarget) {
    this.target = target;
    this.local = target.local ?? ip(1, 1);
    this.remote = target.remote;
  }

  /** Resolves when whoever receives has had the batch. */
  async deliver(batch: readonly Packet[] | Error): Promise<void> {
    this.#arrived.push(batch);
    this.#waiting?.();
    await settled();
  }

  async receive(): Promise<readonly Packet[] | null> {
    while (this.#arrived.length === 0) {
      if (this.closed) return null;
      await new Promise<void>((resolve) => this.#waiting = resolve);
    }
    const batch = this.#arrived.shift()!;
    if (batch instanceof Error) throw batch;
    return batch;
  }

  async send(batch: readonly Datagram[], to?: Peer | SocketAddress): Promise<void> {
    for (const text of texts(batch)!) this.sent.push({ text, to });
  }

  close(): void {
    this.closed = true;
    this.#waiting?.();
  }
}

/** All promises that can go on have gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

export interface FakeDriver extends Driver {
  readonly calls: string[];
  readonly datagramSockets: FakeDatagramSocket[];
}

export interface FakeAnswers {
  readonly names?: Readonly<Record<string, readonly SocketAddress[]>>;
  connectStream?(remote: SocketAddress, options: Parameters<Driver["connectStream"]>[1]): Promise<ByteStream>;
  listenStream?(local: SocketAddress, options: Parameters<Driver["listenStream"]>[1]): Promise<StreamListener>;
  openDatagram?(target: DatagramTarget, options: Parameters<Driver["openDatagram"]>[1]): void;
}

export function fakeDriver(answers: FakeAnswers = {}): FakeDriver {
  const calls: string[] = [];
  const datagramSockets: FakeDatagramSocket[] = [];
  const unused = () => {
    throw new Error("the test did not expect this call");
  };
  return {
    name: "native",
    calls,
    datagramSockets,
    connectStream: (remote, options) => answers.connectStream?.(remote, options) ?? unused(),
    listenStream: (local, options) => answers.listenStream?.(local, options) ?? unused(),
    async openDatagram(target, options) {
      answers.openDatagram?.(target, options);
      const socket = new FakeDatagramSocket(target);
      datagramSockets.push(socket);
      return socket;
    },
    async resolve(host, version) {
      calls.push(`resolve ${host} ${version}`);
      const family = version === 4 ? "inet" : version === 6 ? "inet6" : undefined;
      return (answers.names?.[host] ?? []).filter((a) => family === undefined || a.family === family);
    },
    descriptorKind: unused,
    descriptorAccess: unused,
    adoptDescriptor: unused,
    listenDescriptor: unused,
    accountNumber,
    mkfifo: unused,
    openTerminal: unused,
    closeStdout: unused,
    close: () => {},
  };
}

/** A context over `driver` whose log lines (level letter and text) are collected in `lines`. */
export function testContext(driver: Driver, changes: Partial<Context> = {}): Context & { readonly lines: string[] } {
  const lines: string[] = [];
  const log = new Log({
    level: "debug",
    format: "socat",
    program: "l7mp",
    microseconds: false,
    pid: 1,
    write: (line) => lines.push(line.replace(/^\S+ \S+ \S+ /, "")),
  });
  return {
    signal: new AbortController().signal,
    log,
    lines,
    driver,
    direction: "both",
    ipVersion: 4,
    maxMessageBytes: 1 << 26,
    program: "l7mp",
    ...changes,
  };
}
