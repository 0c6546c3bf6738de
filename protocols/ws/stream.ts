/** A WebSocket after its handshake (RFC 6455 sections 5 to 7), as a datagram stream. Both sides are alike. */
import { EndedError, L7mpError, LimitError, messageOf, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { type AdaptedDuplex, freeBlock } from "../../lib/stream/duplex.ts";
import type { ByteStream, Datagram, DatagramStream, Ending, StreamInfo } from "../../lib/stream/stream.ts";
import { isUtf8, printSize } from "../_bytes.ts";
import { compresses, freeBlocks, tameInflater, type WsSocket } from "./_library.ts";
import { describeCloseCode, isOrdinaryClose, isSendableCloseCode } from "./close_codes.ts";
import { type DataFrame, FrameWriter, maxHeaderBytes, opcodes } from "./frames.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Pongs } from "./pongs.ts";
import type { WsSpec } from "./spec.ts";
import { after } from "../../lib/stream/timer.ts";

/** Received messages waiting for `receive`; beyond either bound the socket is paused. */
const queueBytes = 262_144;
const queueMessages = 1024;

/** Frames are gathered up to this size into one write; a larger one is written alone. */
const sendBytes = 65_536 + maxHeaderBytes;

/** How long `abort` lets a close frame travel before it drops the connection. */
const closingMs = 1000;

/** `readyState` of the library. */
const open = 1;
const closing = 2;

/** The peer closed with a code that is no ordinary end. Another WebSocket of the session passes it on. */
export class WebSocketClosedError extends StreamError {
  constructor(message: string, readonly closeCode: number, readonly closeReason: string, cause?: unknown) {
    super(message, { code: `WS_${closeCode}`, cause });
  }
}

interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

export interface WebSocketParts {
  readonly socket: WsSocket;
  readonly adapted: AdaptedDuplex;
  readonly lower: ByteStream;
  readonly info: StreamInfo;
  readonly role: "connect" | "listen";
  readonly spec: WsSpec;
  readonly context: Context;
}

export class WebSocketStream implements DatagramStream {
  readonly kind = "datagram";
  readonly info: StreamInfo;
  readonly finished?: () => Promise<void>;
  readonly takesText: boolean;
  dropped = 0;
  readonly #parts: WebSocketParts;
  readonly #heartbeat: Heartbeat;
  #queue: Datagram[] = [];
  /** What the last `receive` gave. */
  #lent: readonly Datagram[] = [];
  #queued = 0;
  /** Present while the socket is paused; resolved when it goes on, or is done with. */
  #resumed: PromiseWithResolvers<void> | undefined;
  #wake = () => {};
  /** Set by the peer's close frame, or by the loss of the connection (1006). */
  #closed: CloseFrame | undefined;
  /** Answers the peer's close frame, with its code or with another; set when that has come. */
  #answerClose: ((other?: CloseFrame) => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Code of our close frame, when we were the first to send one. */
  #closeSent: number | undefined;
  #aborted = false;
  readonly #warned = new Set<string>();
  readonly #frames: FrameWriter;

  constructor(parts: WebSocketParts) {
    const { socket, context, spec, lower } = parts;
    this.#parts = parts;
    this.info = parts.info;
    this.#frames = new FrameWriter(parts.role === "connect");
    this.takesText = spec.text === true || (!spec.binary && context.http?.messageType === "text");
    if (lower.finished) this.finished = () => lower.finished!();
    const timeoutMs = spec.ping_timeout ?? context.http?.pingTimeoutMs;
    this.#heartbeat = new Heartbeat({
      // A timeout alone asks for pings too: as often as it may take to miss one.
      intervalMs: spec.ping_interval ?? context.http?.pingIntervalMs ?? timeoutMs,
      timeoutMs,
      ping: () => socket.readyState === open && socket.ping(),
      fail: (ms) => this.#loseHeartbeat(ms),
    });
    const pongs = new Pongs((data, done) => socket.pong(data, undefined, done));
    socket.on("ping", (data) => socket.readyState === open && pongs.answer(data));
    socket.on("message", (data, isBinary) => this.#take(data, isBinary));
    // A peer that has closed may leave: its end is told already, and what it does not take is told by `send`.
    socket.on("error", (error) => this.#closed || this.#fail(this.#explain(error)));
    socket.on("close", (code, reason) => this.#end(code, text(reason)));
  }

  /** To be called when the handshake is done, before the event loop turns. */
  opened(): void {
    const { socket } = this.#parts;
    freeBlocks(socket, freeBlock);
    tameInflater(socket, () => this.#resumed?.promise);
    const answer = socket._receiver.listeners("conclude");
    socket._receiver.removeAllListeners("conclude");
    socket._receiver.on("conclude", (code, reason) => {
      this.#end(code, text(reason));
      const answerClose = (other?: CloseFrame) => {
        const words = other ? new TextEncoder().encode(other.reason) : reason;
        for (const listener of answer) listener.call(socket._receiver, other?.code ?? code, words);
      };
      if (socket.readyState !== open) return answerClose();
      this.#answerClose = answerClose;
      // Nothing of meaning can follow a close frame, and the library's receiver takes no more.
      socket.pause();
    });
    this.#heartbeat.start();
  }

  /** Bytes arrived from the peer: it lives. */
  alive(): void {
    this.#heartbeat.alive();
  }

  async receive(): Promise<readonly Datagram[] | null> {
    for (const { data } of this.#lent) freeBlock(data);
    this.#lent = [];
    while (this.#queue.length === 0) {
      if (this.#failure) throw this.#failure.error;
      if (this.#closed) return this.#endOfStream(this.#closed);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const batch = this.#lent = this.#queue;
    this.#queue = [];
    this.#queued = 0;
    if (this.#resumed) {
      this.#resumed.resolve();
      this.#resumed = undefined;
      this.#heartbeat.resume();
      if (!this.#closed) this.#parts.socket.resume();
    }
    return batch;
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    this.#throwFailure();
    // What the library compresses, it has to frame.
    const { socket } = this.#parts;
    const error = await (compresses(socket) ? this.#sendCompressed(batch) : this.#sendFrames(batch));
    if (!error) return;
    this.#throwFailure();
    throw this.#lateError();
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Resolves with the error, if any, when the socket has taken all messages. */
  async #sendCompressed(batch: readonly Datagram[]): Promise<unknown> {
    const { socket } = this.#parts;
    let last: Promise<unknown> | undefined;
    for (const { opcode, fin, payload } of this.#framesOf(batch)) {
      if (socket.readyState !== open) throw this.#lateError();
      last = new Promise((resolve) => socket.send(payload, { binary: opcode === opcodes.binary, fin }, resolve));
    }
    return await last;
  }

  /**
   * The same, as the library's own way to send would leave several copies of all that passes to the collector: here it
   * is copied once, to memory that is given back when the lower stream has taken it.
   */
  async #sendFrames(batch: readonly Datagram[]): Promise<unknown> {
    const { socket, adapted: { duplex } } = this.#parts;
    const gathered: DataFrame[] = [];
    let bytes = 0;
    // Frames go out whole, and control frames of the library between them.
    const flush = async () => {
      if (socket.readyState !== open) throw this.#lateError();
      const block = new Uint8Array(bytes);
      let end = 0;
      for (const frame of gathered) end = this.#frames.put(block, end, frame);
      gathered.length = bytes = 0;
      const error = await new Promise((resolve) => duplex.write(block.subarray(0, end), resolve));
      if (!error) freeBlock(block);
      return error;
    };
    for (const frame of this.#framesOf(batch)) {
      const needed = frame.payload.length + maxHeaderBytes;
      if (bytes > 0 && bytes + needed > sendBytes) {
        const error = await flush();
        if (error) return error;
      }
      gathered.push(frame);
      bytes += needed;
    }
    return bytes > 0 ? await flush() : undefined;
  }

  /** The frames of those messages that can be sent as what they must be; the others are counted and logged. */
  *#framesOf(batch: readonly Datagram[]): Generator<DataFrame> {
    const frameBytes = this.#parts.spec.max_frame ?? Infinity;
    for (const message of batch) {
      const binary = this.#isBinary(message);
      if (binary === undefined) continue;
      const { data } = message;
      let opcode: number = binary ? opcodes.binary : opcodes.text;
      let at = 0;
      for (; data.length - at > frameBytes; at += frameBytes) {
        yield { opcode, fin: false, payload: data.subarray(at, at + frameBytes) };
        opcode = opcodes.continuation;
      }
      yield { opcode, fin: true, payload: data.subarray(at) };
    }
  }

  /** The message's type; undefined when it cannot be sent as what it must be, which is counted and logged. */
  #isBinary({ data, meta }: Datagram): boolean | undefined {
    const { spec, context } = this.#parts;
    if (meta?.type !== undefined) return meta.type === "binary";
    if (this.takesText) {
      if (isUtf8(data)) return false;
      this.dropped++;
      const message = `${this.info.name}: message of ${data.length} bytes is not UTF-8, so it cannot be text; dropped`;
      context.log.error("datagram.dropped", message, { bytes: data.length });
      return undefined;
    }
    if (spec.binary || context.http?.messageType === "binary" || !(spec.lines || spec.null_lines)) return true;
    if (isUtf8(data)) return false;
    this.#warnOnce(`${this.info.name}: a line is not UTF-8, so it goes out as a binary message`);
    return true;
  }

  get staysOpen(): boolean {
    return this.#parts.context.http?.noClose === true;
  }

  /** How the peer closed it in an ordinary way; undefined while it has not. */
  get ending(): Ending | undefined {
    return this.#closed && isOrdinaryClose(this.#closed.code) ? this.#closed : undefined;
  }

  async closeWrite(ending?: Ending): Promise<void> {
    const { socket, adapted: { duplex }, spec, context } = this.#parts;
    this.#throwFailure();
    // A WebSocket has no halves: a close frame would end what is only read, too.
    if (context.direction === "read" && !this.#closed) return;
    if (socket.readyState === open) {
      if (context.http?.noClose && !this.#answerClose) return;
      const passed = ending && isSendableCloseCode(ending.code) ? ending : undefined;
      this.#close(spec.close_code ?? passed?.code ?? 1000, spec.close_reason ?? passed?.reason);
    }
    if (duplex.destroyed || duplex.writableEnded) return;
    // Answered after everything before it, so the close frame has been taken by the lower stream.
    await new Promise((resolve) => duplex.write(new Uint8Array(0), resolve));
  }

  abort(reason?: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    const { socket, adapted: { duplex }, lower } = this.#parts;
    // The library has answered a fault of the peer, or its close frame, with a close frame that is still under way.
    const own = this.#failure !== undefined && this.#failure.error === reason;
    const answered = own && socket.readyState === closing;
    this.#fail(reason ?? new StreamError(`receive(${this.info.name}): stream is closed`, { code: "CLOSED" }));
    this.#queue = [];
    const close = socket.readyState === open ? this.#closeCodeFor(reason, own) : undefined;
    // Echoed, the code of a peer that has ended in order would say that its answer has ended so too.
    if (close && close.code !== 1000 && this.#answerClose) this.#answerClose(close);
    else if (close) this.#close(close.code, close.reason);
    const closed = reason instanceof EndedError && socket.readyState === closing;
    const unsent = reason === undefined && duplex.writableLength > 0;
    if ((close || answered || closed || unsent) && !duplex.destroyed) return this.#destroyLater();
    lower.abort(reason);
    socket.terminate();
    duplex.destroy();
  }

  /** Sends our close frame; one that answers the peer's carries the peer's code (RFC 6455 section 5.5.1). */
  #close(code: number, reason: string | undefined): void {
    if (this.#answerClose) return this.#answerClose();
    this.#closeSent = code;
    this.#parts.socket.close(code, reason);
  }

  /**
   * What to tell the peer at the end of the session, when the connection is still open; undefined: a reset. `own`: it ends
   * for a fault of this stream.
   */
  #closeCodeFor(reason: unknown, own: boolean): CloseFrame | undefined {
    if (reason === undefined || (reason instanceof EndedError && this.#closed)) return { code: 1000, reason: "" };
    if (reason instanceof WebSocketClosedError && isSendableCloseCode(reason.closeCode)) {
      return { code: reason.closeCode, reason: reason.closeReason };
    }
    if (own) return undefined;
    return goingAway(reason) ?? (this.#parts.role === "listen" ? failed(reason) : undefined);
  }

  /** Drops the connection when the peer has closed it too, or has had the time to. */
  #destroyLater(): void {
    const { lower, adapted: { duplex } } = this.#parts;
    const timer = after(closingMs, () => duplex.destroy());
    duplex.once("close", () => {
      timer.stop();
      lower.abort();
    });
    this.#parts.socket.resume();
  }

  #take(data: Uint8Array, isBinary: boolean): void {
    if (this.#failure || (data.length === 0 && this.#parts.spec.zero_ok === false)) return;
    // A Buffer is no plain array: its `slice` does not copy.
    const plain = new Uint8Array(data.buffer, data.byteOffset, data.length);
    this.#queue.push({ data: plain, meta: isBinary ? binaryMeta : textMeta });
    this.#queued += data.length;
    if (!this.#resumed && (this.#queued >= queueBytes || this.#queue.length >= queueMessages)) {
      this.#resumed = Promise.withResolvers();
      this.#heartbeat.pause();
      this.#parts.socket.pause();
    }
    this.#wake();
  }

  #end(code: number, reason: string): void {
    this.#closed ??= { code, reason };
    this.#heartbeat.stop();
    this.#wake();
  }

  #endOfStream({ code, reason }: CloseFrame): null {
    const { log } = this.#parts.context;
    const { lowerError } = this.#parts.adapted;
    const message = this.#describeClose({ code, reason });
    // Our close frame is answered by an echo of its code, or by hanging up (websocat).
    const answer = this.#closeSent !== undefined && (code === this.#closeSent || (code === 1006 && !lowerError));
    if (!isOrdinaryClose(code) && !answer) {
      const error = new WebSocketClosedError(message, code, reason, lowerError);
      this.#fail(error);
      throw error;
    }
    if (!this.#warned.has(message)) log.info("ws.close", message, { code, reason });
    this.#warned.add(message);
    return null;
  }

  #describeClose({ code, reason }: { code: number; reason: string }): string {
    const { lowerError } = this.#parts.adapted;
    const because = reason ? `: "${reason}"` : lowerError && code === 1006 ? `: ${messageOf(lowerError)}` : "";
    return `${this.info.name}: closed by peer, code ${describeCloseCode(code)}${because}`;
  }

  /** The connection has been closed while there still was something to send. */
  #lateError(): EndedError {
    const by = this.#closed ? this.#describeClose(this.#closed) : `${this.info.name}: closed`;
    const error = new EndedError(`${by}; what is still to be sent is lost`);
    // Callers come and go.
    if (this.#parts.role === "listen") error.level = "warn";
    return error;
  }

  #warnOnce(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#parts.context.log.warn("ws.message", message);
  }

  #loseHeartbeat(timeoutMs: number): void {
    this.#fail(
      new StreamError(`${this.info.name}: no answer to ping for ${timeoutMs / 1000} s`, { code: "ETIMEDOUT" }),
    );
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#resumed?.resolve();
    this.#heartbeat.stop();
    this.#wake();
  }

  /** A fault the library found in what the peer sent; it has answered with the close code that stands for it. */
  #explain(error: Error & { code?: string }): L7mpError {
    const { name } = this.info;
    const { spec, context } = this.#parts;
    const options = { code: error.code, cause: error };
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
      const max = printSize(spec.max_message ?? context.maxMessageBytes);
      return new LimitError(`${name}: message exceeds max-message=${max}`, options);
    }
    if (error.code === "WS_ERR_TOO_MANY_BUFFERED_PARTS") {
      return new LimitError(`${name}: message in too many pieces`, options);
    }
    if (error.code?.startsWith("Z_")) {
      return new ProtocolError(`${name}: compressed message is damaged (RFC 7692 section 7.2.2)`, options);
    }
    if (error.code?.startsWith("WS_ERR")) {
      const section = error.code === "WS_ERR_INVALID_UTF8" ? "8.1" : error.code.includes("CLOSE_CODE") ? "7.4" : "5";
      return new ProtocolError(`${name}: ${error.message} (RFC 6455 section ${section})`, options);
    }
    return error instanceof L7mpError ? error : new StreamError(`${name}: ${error.message}`, options);
  }
}

/** What either side is told of a session that is ended from outside. */
function goingAway(reason: unknown): CloseFrame | undefined {
  const code = reason instanceof L7mpError ? reason.code : undefined;
  if (code === "STOPPED") return { code: 1001, reason: "the proxy is stopping" };
  if (code === "DELETED") return { code: 1001, reason: "the session was deleted" };
  return undefined;
}

/** What a caller is told of a session that fails, whose connection is in order: 1008 where it is refused. */
function failed(reason: unknown): CloseFrame {
  const error = reason instanceof L7mpError ? reason : undefined;
  const { status = 500 } = error ?? {};
  if (status < 500) return { code: 1008, reason: shortened(error!.message) };
  return { code: 1011, reason: "the other side of the session has failed" };
}

/** As much of `text` as a close frame holds (RFC 6455 section 5.5). */
function shortened(text: string): string {
  let bytes = new TextEncoder().encode(text);
  if (bytes.length <= 123) return text;
  bytes = bytes.subarray(0, 120);
  return `${new TextDecoder().decode(bytes).replace(/\ufffd+$/, "")}...`;
}

const textMeta = { type: "text" } as const;
const binaryMeta = { type: "binary" } as const;

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
