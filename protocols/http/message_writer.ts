/** Sends one HTTP message: its head together with the first of its body, then the body, then its end. */
import { StreamError } from "../../lib/errors.ts";
import { Accumulator } from "../../lib/stream/accumulator.ts";
import { concat } from "../../lib/stream/concat.ts";
import type { ByteStream } from "../../lib/stream/stream.ts";
import { after, type Timer } from "../../lib/stream/timer.ts";
import type { BodyEncoder } from "./body.ts";
import type { HeaderLine } from "./head.ts";

/** How a message begins. */
export interface Start {
  readonly head: Uint8Array;
  readonly encoder: BodyEncoder;
}

export interface MessageWriterOptions {
  /** Makes the head when it is to go out; `length` is that of the whole body where it is known by then. */
  start(length: number | undefined): Start;
  /**
   * Waits this long for the body, and as long again for its end, before it begins without a length: many a small server
   * understands bodies only with one. 0: does not wait. A process that stood still looks once more (see `after`).
   */
  readonly holdMs: number;
  /** What to say after the body, where there is a place for it. */
  trailers?(): readonly HeaderLine[];
  /** Name of the stream in errors. */
  readonly name: string;
}

/** A body up to this size may be held back. */
const holdBytes = 65_536;
/** Pieces up to this size together are sent in one write. */
const joinBytes = 65_536;

/** Writes to `lower`, of which it is the only writer, until the end of the message; it does not close it. */
export class MessageWriter {
  readonly #lower: ByteStream;
  readonly #options: MessageWriterOptions;
  #encoder: BodyEncoder | undefined;
  readonly #held = new Accumulator();
  #timer: Timer | undefined;
  #soon: ReturnType<typeof setTimeout> | undefined;
  /** The write that is under way, or was the last. */
  #sending: Promise<void> | undefined;
  #ended = false;
  #complete = false;

  constructor(lower: ByteStream, options: MessageWriterOptions) {
    this.#lower = lower;
    this.#options = options;
    if (options.holdMs > 0) this.#hold();
  }

  #hold(): void {
    this.#timer?.stop();
    this.#timer = after(this.#options.holdMs, () => this.#release());
  }

  /** The head has been handed to the connection, or is about to. */
  get started(): boolean {
    return this.#encoder !== undefined;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The whole message has been handed to the connection. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Lets the head go out in the next turn of the event loop, where nothing of the body takes it along before that. */
  beginSoon(): void {
    if (!this.started && !this.#ended) this.#soon ??= setTimeout(() => this.#release(), 0);
  }

  /** As `ByteStream.write`. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) throw this.#afterEnd();
    if (bytes.length === 0) return;
    if (this.#timer !== undefined && this.#held.length + bytes.length <= holdBytes) {
      if (this.#held.length === 0) this.#hold();
      return this.#held.append(bytes);
    }
    while (this.#sending) await this.#sending;
    if (this.#ended) throw this.#afterEnd();
    await this.#send(this.#encoder ? this.#encoder.encode(bytes) : this.#begin(undefined, bytes));
  }

  /** The end of the body. May be called twice. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    while (this.#sending) await this.#sending;
    const pieces = this.#encoder ? [] : this.#begin(this.#held.length);
    await this.#send([...pieces, this.#encoder!.end(this.#options.trailers?.())]);
    this.#complete = true;
  }

  /** Lets go of what is held back and of its timer: nothing more will be written. */
  stop(): void {
    this.#ended = true;
    this.#stopTimers();
  }

  #stopTimers(): void {
    this.#timer?.stop();
    clearTimeout(this.#soon);
    this.#timer = undefined;
  }

  /** The body or its end has not come in time: begins without knowing the length. */
  #release(): void {
    // A failure shows at the next write, and when reading.
    if (!this.#encoder) this.#send(this.#begin(undefined)).catch(() => {});
  }

  /** The head, what has been held back, and `more`. */
  #begin(length: number | undefined, more?: Uint8Array): readonly Uint8Array[] {
    this.#stopTimers();
    const { head, encoder } = this.#options.start(length);
    this.#encoder = encoder;
    const held = this.#held.length > 0 ? encoder.encode(this.#held.take()) : [];
    return [head, ...held, ...(more ? encoder.encode(more) : [])];
  }

  #afterEnd(): StreamError {
    return new StreamError(`write(${this.#options.name}): the body has ended`, { code: "EPIPE" });
  }

  async #send(pieces: readonly Uint8Array[]): Promise<void> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes === 0) return;
    // A failed one stays, so that whatever comes later fails as it did.
    this.#sending = this.#writeAll(pieces, bytes);
    await this.#sending;
    this.#sending = undefined;
  }

  async #writeAll(pieces: readonly Uint8Array[], bytes: number): Promise<void> {
    if (bytes <= joinBytes) return await this.#lower.write(pieces.length === 1 ? pieces[0]! : concat(pieces));
    for (const piece of pieces) if (piece.length > 0) await this.#lower.write(piece);
  }
}
