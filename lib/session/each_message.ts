/** A stream that opens an endpoint anew for every message (`foreachmsg`). */
import { LimitError, messageOf, StreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Accumulator } from "../stream/accumulator.ts";
import { DatagramQueue } from "../stream/memory.ts";
import type { ByteStream, Datagram, DatagramStream, Stream, StreamInfo } from "../stream/stream.ts";

export interface EachMessageOptions {
  /** Of the endpoint, for messages. */
  readonly name: string;
  open(signal: AbortSignal): Promise<Stream>;
  /** Largest answer to assemble. */
  readonly maxMessageBytes: number;
  readonly log: Log;
}

/**
 * For each message in turn: opens the endpoint, writes the message, ends the writing half and passes on what comes back
 * until the endpoint ends: bytes as one message (none when there are none), messages one by one. The next message waits
 * for that. A message whose endpoint fails is counted in `dropped` and warned of; the session goes on. Those that an
 * `abort` leaves without an answer are counted.
 */
export function forEachMessage(options: EachMessageOptions): DatagramStream {
  return new EachMessage(options);
}

class EachMessage implements DatagramStream {
  readonly kind = "datagram";
  readonly info: StreamInfo;
  dropped = 0;
  readonly #options: EachMessageOptions;
  readonly #answers: DatagramQueue;
  readonly #gone = new AbortController();
  #running: Stream | undefined;

  constructor(options: EachMessageOptions) {
    this.#options = options;
    this.info = { protocol: "foreachmsg", name: options.name };
    this.#answers = new DatagramQueue(undefined, options.name);
  }

  receive(): Promise<readonly Datagram[] | null> {
    return this.#answers.receive();
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    const { signal } = this.#gone;
    for (const [i, message] of batch.entries()) {
      try {
        signal.throwIfAborted();
        await this.#run(message);
      } catch (error) {
        // What nobody will answer any more is lost, too.
        if (signal.aborted) this.dropped += batch.length - i;
        signal.throwIfAborted();
        this.dropped++;
        const { name, log } = this.#options;
        const text = `${name}: ${messageOf(error)} (message of ${message.data.length} bytes)`;
        log.warn("foreachmsg.failed", text, { bytes: message.data.length });
      }
    }
  }

  async #run(message: Datagram): Promise<void> {
    const { signal } = this.#gone;
    const stream = await this.#options.open(signal);
    this.#running = stream;
    try {
      signal.throwIfAborted();
      const answering = stream.kind === "byte" ? this.#readAnswer(stream) : this.#passAnswers(stream);
      await Promise.all([answering, give(stream, message)]);
      await stream.finished?.();
      stream.abort();
    } catch (error) {
      stream.abort(error);
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #readAnswer(stream: ByteStream): Promise<void> {
    const { maxMessageBytes } = this.#options;
    const answer = new Accumulator();
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      if (answer.length + bytes.length > maxMessageBytes) {
        throw new LimitError(`answer exceeds max-message=${maxMessageBytes}`, { code: "MESSAGE_TOO_BIG" });
      }
      answer.append(bytes);
    }
    if (answer.length > 0) await this.#answers.send([{ data: answer.take() }]);
  }

  async #passAnswers(stream: DatagramStream): Promise<void> {
    for (let batch = await stream.receive(); batch !== null; batch = await stream.receive()) {
      await this.#answers.send(batch);
    }
  }

  async closeWrite(): Promise<void> {
    this.#gone.signal.throwIfAborted();
    this.#answers.end();
  }

  abort(reason?: unknown): void {
    if (this.#gone.signal.aborted) return;
    const why = reason ?? new StreamError(`receive(${this.info.name}): stream is closed`, { code: "CLOSED" });
    this.#gone.abort(why);
    this.#answers.failRead(why);
    this.#answers.failWrite(why);
    this.#running?.abort(reason);
  }
}

/** One message and the end. A program that does not read its input is not a fault. */
async function give(stream: Stream, message: Datagram): Promise<void> {
  if (stream.kind === "byte") await stream.write(message.data);
  else await stream.send([message]);
  await stream.closeWrite();
}
