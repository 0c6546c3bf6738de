/** The parts of `npm:ws` in use, which ships no types, and its loading at first use. */
import type { Duplex } from "node:stream";

export interface WsSocket {
  readonly readyState: 0 | 1 | 2 | 3;
  readonly protocol: string;
  send(data: Uint8Array, options: { binary: boolean; fin: boolean }, done: (error?: Error) => void): void;
  ping(): void;
  pong(data: Uint8Array, mask: undefined, done: () => void): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  on(event: "open" | "pong", listener: () => void): void;
  on(event: "ping", listener: (data: Uint8Array) => void): void;
  on(event: "message", listener: (data: Uint8Array, isBinary: boolean) => void): void;
  on(event: "close", listener: (code: number, reason: Uint8Array) => void): void;
  on(event: "error", listener: (error: Error & { code?: string }) => void): void;
  on(event: "upgrade", listener: (response: WsResponse) => void): void;
  on(event: "unexpected-response", listener: (request: unknown, response: WsResponse) => void): void;
  /**
   * Not public. Its `conclude` tells of the peer's close frame when it arrives; the library's own listener answers it
   * at once, which would cut off what we still have to send.
   */
  readonly _receiver: {
    on(event: "conclude", listener: ConcludeListener): void;
    listeners(event: "conclude"): ConcludeListener[];
    removeAllListeners(event: "conclude"): void;
    readonly _extensions: { readonly "permessage-deflate"?: Inflater };
    /** What has arrived and has not been looked at; `_bufferedBytes` is its size. */
    readonly _buffers: Uint8Array[];
    _bufferedBytes: number;
    consume(bytes: number): Uint8Array;
  };
}

export type ConcludeListener = (code: number, reason: Uint8Array) => void;

/** Both sides have agreed on permessage-deflate. */
export function compresses({ _receiver }: WsSocket): boolean {
  return _receiver._extensions["permessage-deflate"] !== undefined;
}

interface Inflater {
  /** Present while a message is under way. */
  readonly _inflate: { readonly errored: Error | null } | null;
  decompress: Decompress;
  _decompress: Decompress;
}

type Decompress = (data: Uint8Array, fin: boolean, done: (error: Error | null, data?: Uint8Array) => void) => void;

/**
 * Two things that the library leaves undone, where both sides agreed on compression; to be called when the handshake is
 * done. It inflates all that has arrived, paused or not: each piece now waits for `room`. And of damaged data the
 * runtime's zlib tells twice, first as the end of a flush, which the library takes for an empty message: only what is
 * told as an error counts.
 */
export function tameInflater({ _receiver }: WsSocket, room: () => Promise<void> | undefined): void {
  const inflater = _receiver._extensions["permessage-deflate"];
  if (!inflater) return;
  const { decompress, _decompress: inflate } = inflater;
  inflater.decompress = async (data, fin, done) => {
    await room();
    decompress.call(inflater, data, fin, done);
  };
  inflater._decompress = (data, fin, done) =>
    inflate.call(inflater, data, fin, (error, result) => {
      if (error || !inflater._inflate?.errored) done(error, result);
    });
}

/**
 * Lets go of memory sooner than the library does, which gives out messages as parts of the blocks that arrived: each
 * is now memory of its own, and a block is given to `free` when all of it has been taken. To be called when the
 * handshake is done.
 */
export function freeBlocks({ _receiver: receiver }: WsSocket, free: (block: Uint8Array) => void): void {
  const buffers = receiver._buffers;
  /** The block at the front, as it arrived. */
  let front: Uint8Array | undefined;
  receiver.consume = (bytes) => {
    receiver._bufferedBytes -= bytes;
    const taken = globalThis.Buffer.allocUnsafe(bytes);
    for (let at = 0; at < bytes;) {
      const rest = buffers[0]!;
      front ??= rest;
      const part = Math.min(bytes - at, rest.length);
      taken.set(part === rest.length ? rest : rest.subarray(0, part), at);
      at += part;
      if (part < rest.length) buffers[0] = rest.subarray(part);
      else {
        buffers.shift();
        free(front);
        front = undefined;
      }
    }
    return taken;
  };
}

/** Answer to a handshake that is no upgrade. */
export interface WsResponse {
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  on(event: "data", listener: (data: Uint8Array) => void): void;
  on(event: "end" | "close" | "error", listener: () => void): void;
}

/** What both ends are made with. */
export interface WsOptions {
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly perMessageDeflate: boolean;
  readonly closeTimeout: number;
  /** Off: pings are ours to answer. */
  readonly autoPong: false;
}

export interface WsClientOptions extends WsOptions {
  readonly createConnection: () => Duplex;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

export interface WsServerOptions extends WsOptions {
  readonly noServer: true;
  readonly clientTracking: false;
  readonly handleProtocols: () => string | false;
}

export interface WsRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  on(): void;
  readonly socket: Duplex;
}

export interface WsServer {
  on(event: "headers", listener: (headers: string[]) => void): void;
  handleUpgrade(request: WsRequest, socket: Duplex, head: Uint8Array, done: (socket: WsSocket) => void): void;
}

export interface WsLibrary {
  readonly WebSocket: new (url: string, protocols: readonly string[], options: WsClientOptions) => WsSocket;
  readonly WebSocketServer: new (options: WsServerOptions) => WsServer;
}

export async function loadWs(): Promise<WsLibrary> {
  return await import("ws") as unknown as WsLibrary;
}
