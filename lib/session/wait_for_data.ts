/** A stream that is opened by the first data written to it (`waitfordata`). */
import { StreamError } from "../errors.ts";
import type { ByteStream, Datagram, DatagramStream, Ending, Stream, StreamInfo, StreamKind } from "../stream/stream.ts";

/**
 * Calls `open` at the first write and passes everything on to what it gives; a failed opening rejects that write and
 * all that follows. Reading waits for the opening, and is at its end when the writer ends without having written.
 * `abort` cancels an opening through its signal. `info` holds until the stream is there.
 */
export function waitForData(
  kind: StreamKind,
  info: StreamInfo,
  open: (signal: AbortSignal) => Promise<Stream>,
): Stream {
  return kind === "byte" ? new WaitingBytes(info, open) : new WaitingDatagrams(info, open);
}

abstract class Waiting<S extends Stream> {
  abstract readonly kind: S["kind"];
  readonly #info: StreamInfo;
  readonly #open: (signal: AbortSignal) => Promise<Stream>;
  readonly #gone = new AbortController();
  /** Settled by the opening, or with `undefined` when there will be none. */
  readonly #opened = Promise.withResolvers<S | undefined>();
  #opening = false;
  #stream: S | undefined;

  constructor(info: StreamInfo, open: (signal: AbortSignal) => Promise<Stream>) {
    this.#info = info;
    this.#open = open;
    // Who reads or writes hears of a failure; until then it is not "unhandled".
    this.#opened.promise.catch(() => {});
  }

  get info(): StreamInfo {
    return this.#stream?.info ?? this.#info;
  }

  get ending(): Ending | undefined {
    return this.#stream?.ending;
  }

  get dropped(): number {
    return this.#stream?.dropped ?? 0;
  }

  protected get stream(): S | undefined {
    return this.#stream;
  }

  /** The stream to read from, once somebody wrote; undefined when nobody will. */
  protected opened(): Promise<S | undefined> {
    return this.#opened.promise;
  }

  /** The stream to write to. */
  protected async toWrite(): Promise<S> {
    if (!this.#opening) {
      this.#opening = true;
      this.#openNow().then(this.#opened.resolve, this.#opened.reject);
    }
    const stream = await this.#opened.promise;
    if (!stream) throw new StreamError(`write(${this.#info.name}): Broken pipe`, { code: "EPIPE" });
    return stream;
  }

  async #openNow(): Promise<S> {
    const { signal } = this.#gone;
    signal.throwIfAborted();
    const stream = await this.#open(signal);
    if (signal.aborted || stream.kind !== this.kind) {
      stream.abort(signal.reason);
      signal.throwIfAborted();
      throw new StreamError(`${this.#info.name}: is a ${stream.kind} stream, not a ${this.kind} stream`);
    }
    this.#stream = stream as S;
    return this.#stream;
  }

  async closeWrite(ending?: Ending): Promise<void> {
    this.#gone.signal.throwIfAborted();
    if (!this.#opening) {
      this.#opening = true;
      this.#opened.resolve(undefined);
    }
    await (await this.#opened.promise)?.closeWrite(ending);
  }

  abort(reason?: unknown): void {
    if (this.#gone.signal.aborted) return;
    const why = reason ?? new StreamError(`read(${this.#info.name}): stream is closed`, { code: "CLOSED" });
    this.#gone.abort(why);
    this.#opened.reject(why);
    this.#stream?.abort(reason);
  }

  async finished(): Promise<void> {
    await this.#stream?.finished?.();
  }
}

class WaitingBytes extends Waiting<ByteStream> implements ByteStream {
  readonly kind = "byte";

  async read(): Promise<Uint8Array | null> {
    return await (await this.opened())?.read() ?? null;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await (await this.toWrite()).write(bytes);
  }
}

class WaitingDatagrams extends Waiting<DatagramStream> implements DatagramStream {
  readonly kind = "datagram";
  /** What any type can take: blocks that become messages are cut before it is known who gets them. */
  readonly maxDatagramBytes = 65_507;

  get staysOpen(): boolean | undefined {
    return this.stream?.staysOpen;
  }

  async receive(): Promise<readonly Datagram[] | null> {
    return await (await this.opened())?.receive() ?? null;
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    await (await this.toWrite()).send(batch);
  }
}
