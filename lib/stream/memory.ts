/** Streams that live in this process: a bounded byte queue, a bounded datagram queue, and connected pairs of them. */
import { StreamError } from "../errors.ts";
import type { ByteStream, Datagram, DatagramStream, StreamInfo } from "./stream.ts";

export interface MemoryOptions {
  /** Bytes a queue holds before the writer has to wait; default 65,536. A datagram larger than this passes alone. */
  readonly capacityBytes?: number;
  /** Facts of both ends; default protocol `MEMORY`, name `memory`. */
  readonly info?: Partial<StreamInfo>;
}

const defaultCapacityBytes = 65_536;
/** Datagrams a queue holds at most, so that empty ones are bounded too. */
const capacityDatagrams = 1024;

/** A fault that is certain to come: every pending and later call of that side rejects with it. */
interface Failure {
  readonly error: unknown;
}

/**
 * One direction of bytes with one reader and one writer, copied through a ring that is allocated at the first write.
 * The writer waits while the ring is full; `read` lends a view as `ByteStream.read` does.
 */
class ByteQueue {
  readonly #capacity: number;
  readonly #name: string;
  #ring: Uint8Array | undefined;
  #start = 0;
  #length = 0;
  #lent = 0;
  #ended = false;
  #readFailure: Failure | undefined;
  #writeFailure: Failure | undefined;
  #reader: PromiseWithResolvers<Uint8Array | null> | undefined;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(capacityBytes: number = defaultCapacityBytes, name = "memory") {
    this.#capacity = capacityBytes;
    this.#name = name;
  }

  /** The writer has ended it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Ended, and everything in it has been read. */
  get drained(): boolean {
    return this.#ended && this.#length === this.#lent;
  }

  read(): Promise<Uint8Array | null> {
    this.#giveBack();
    if (this.#readFailure) return Promise.reject(this.#readFailure.error);
    if (this.#length > 0) return Promise.resolve(this.#lend());
    if (this.#ended) return Promise.resolve(null);
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let written = 0;
    for (;;) {
      if (this.#writeFailure) throw this.#writeFailure.error;
      if (this.#ended) throw brokenPipe(`write(${this.#name})`);
      written += this.#put(bytes, written);
      if (written === bytes.length) return;
      this.#room = Promise.withResolvers();
      await this.#room.promise;
    }
  }

  /** The end, after what was written. */
  end(): void {
    this.#ended = true;
    this.#wakeWriter();
    if (this.#length === 0) this.#answer(null);
  }

  /** Breaks the reading side; what is left in the queue is lost. */
  failRead(error: unknown): void {
    this.#readFailure ??= { error };
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.reject(this.#readFailure.error);
  }

  /** Breaks the writing side; what is in the queue may still be read. */
  failWrite(error: unknown): void {
    this.#writeFailure ??= { error };
    this.#wakeWriter();
  }

  #put(bytes: Uint8Array, from: number): number {
    const count = Math.min(bytes.length - from, this.#capacity - this.#length);
    if (count === 0) return 0;
    const ring = this.#ring ??= new Uint8Array(this.#capacity);
    const at = (this.#start + this.#length) % this.#capacity;
    const first = Math.min(count, this.#capacity - at);
    ring.set(bytes.subarray(from, from + first), at);
    if (first < count) ring.set(bytes.subarray(from + first, from + count), 0);
    this.#length += count;
    if (this.#reader) this.#answer(this.#lend());
    return count;
  }

  #lend(): Uint8Array {
    this.#lent = Math.min(this.#length, this.#capacity - this.#start);
    return this.#ring!.subarray(this.#start, this.#start + this.#lent);
  }

  #giveBack(): void {
    if (this.#lent === 0) return;
    this.#length -= this.#lent;
    this.#start = this.#length === 0 ? 0 : (this.#start + this.#lent) % this.#capacity;
    this.#lent = 0;
    this.#wakeWriter();
  }

  #answer(value: Uint8Array | null): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(value);
  }

  #wakeWriter(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.resolve();
  }
}

/**
 * One direction of messages with one reader and one writer. The writer waits while the queue is full; nothing is
 * dropped. A message larger than the capacity is taken when the queue is empty.
 */
export class DatagramQueue {
  readonly #capacity: number;
  readonly #name: string;
  #queue: Datagram[] = [];
  #bytes = 0;
  #ended = false;
  #readFailure: Failure | undefined;
  #writeFailure: Failure | undefined;
  #reader: PromiseWithResolvers<readonly Datagram[] | null> | undefined;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(capacityBytes: number = defaultCapacityBytes, name = "memory") {
    this.#capacity = capacityBytes;
    this.#name = name;
  }

  /** The writer has ended it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Ended, and everything in it has been received. */
  get drained(): boolean {
    return this.#ended && this.#queue.length === 0;
  }

  receive(): Promise<readonly Datagram[] | null> {
    if (this.#readFailure) return Promise.reject(this.#readFailure.error);
    if (this.#queue.length > 0) return Promise.resolve(this.#takeAll());
    if (this.#ended) return Promise.resolve(null);
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    for (const { data, meta } of batch) {
      while (!this.#writeFailure && !this.#ended && !this.#fits(data.length)) {
        this.#room = Promise.withResolvers();
        await this.#room.promise;
      }
      if (this.#writeFailure) throw this.#writeFailure.error;
      if (this.#ended) throw brokenPipe(`send(${this.#name})`);
      this.#queue.push(meta === undefined ? { data: data.slice() } : { data: data.slice(), meta });
      this.#bytes += data.length;
      this.#serve();
    }
  }

  end(): void {
    this.#ended = true;
    this.#wakeWriter();
    this.#serve();
  }

  failRead(error: unknown): void {
    this.#readFailure ??= { error };
    this.#queue = [];
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.reject(this.#readFailure.error);
  }

  failWrite(error: unknown): void {
    this.#writeFailure ??= { error };
    this.#wakeWriter();
  }

  #fits(bytes: number): boolean {
    if (this.#queue.length === 0) return true;
    return this.#bytes + bytes <= this.#capacity && this.#queue.length < capacityDatagrams;
  }

  #serve(): void {
    const reader = this.#reader;
    if (!reader || (this.#queue.length === 0 && !this.#ended)) return;
    this.#reader = undefined;
    reader.resolve(this.#queue.length > 0 ? this.#takeAll() : null);
  }

  #takeAll(): readonly Datagram[] {
    const batch = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    this.#wakeWriter();
    return batch;
  }

  #wakeWriter(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.resolve();
  }
}

/** One end of a pair: reads `incoming`, writes `outgoing`; knows how it was left. */
class End {
  readonly #incoming: ByteQueue | DatagramQueue;
  readonly #outgoing: ByteQueue | DatagramQueue;
  readonly #info: StreamInfo;
  #left: Failure | undefined;

  constructor(incoming: ByteQueue | DatagramQueue, outgoing: ByteQueue | DatagramQueue, info: StreamInfo) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#info = info;
  }

  async closeWrite(): Promise<void> {
    if (this.#left) throw this.#left.error;
    this.#outgoing.end();
  }

  abort(reason: unknown): void {
    if (this.#left) return;
    const { name } = this.#info;
    const clean = reason === undefined || (this.#incoming.drained && this.#outgoing.ended);
    const own = reason ?? new StreamError(`read(${name}): stream is closed`, { code: "CLOSED" });
    this.#left = { error: own };
    // Our own calls first: in an echo both queues are the same, and the first failure stays.
    this.#outgoing.failWrite(own);
    this.#incoming.failRead(own);
    if (clean) this.#outgoing.end();
    else this.#outgoing.failRead(connectionReset(`read(${name})`));
    this.#incoming.failWrite(clean ? brokenPipe(`write(${name})`) : connectionReset(`write(${name})`));
  }
}

function byteEnd(incoming: ByteQueue, outgoing: ByteQueue, info: StreamInfo): ByteStream {
  const end = new End(incoming, outgoing, info);
  return {
    kind: "byte",
    info,
    read: () => incoming.read(),
    write: (bytes) => outgoing.write(bytes),
    closeWrite: () => end.closeWrite(),
    abort: (reason) => end.abort(reason),
  };
}

function datagramEnd(incoming: DatagramQueue, outgoing: DatagramQueue, info: StreamInfo): DatagramStream {
  const end = new End(incoming, outgoing, info);
  return {
    kind: "datagram",
    info,
    dropped: 0,
    receive: () => incoming.receive(),
    send: (batch) => outgoing.send(batch),
    closeWrite: () => end.closeWrite(),
    abort: (reason) => end.abort(reason),
  };
}

function infoOf(options: MemoryOptions): StreamInfo {
  return { protocol: "MEMORY", name: "memory", ...options.info };
}

/** Two connected byte streams: what one writes the other reads, each direction bounded by `capacityBytes`. */
export function bytePair(options: MemoryOptions = {}): [ByteStream, ByteStream] {
  const info = infoOf(options);
  const there = new ByteQueue(options.capacityBytes, info.name);
  const back = new ByteQueue(options.capacityBytes, info.name);
  return [byteEnd(back, there, info), byteEnd(there, back, info)];
}

/** Two connected datagram streams that keep boundaries and `meta`, each direction bounded by `capacityBytes`. */
export function datagramPair(options: MemoryOptions = {}): [DatagramStream, DatagramStream] {
  const info = infoOf(options);
  const there = new DatagramQueue(options.capacityBytes, info.name);
  const back = new DatagramQueue(options.capacityBytes, info.name);
  return [datagramEnd(back, there, info), datagramEnd(there, back, info)];
}

/** A byte stream that reads what was written to it. */
export function byteEcho(options: MemoryOptions = {}): ByteStream {
  const info = infoOf(options);
  const queue = new ByteQueue(options.capacityBytes, info.name);
  return byteEnd(queue, queue, info);
}

/** A datagram stream that receives what was sent to it, `meta` included. */
export function datagramEcho(options: MemoryOptions = {}): DatagramStream {
  const info = infoOf(options);
  const queue = new DatagramQueue(options.capacityBytes, info.name);
  return datagramEnd(queue, queue, info);
}

function brokenPipe(call: string): StreamError {
  return new StreamError(`${call}: Broken pipe`, { code: "EPIPE" });
}

function connectionReset(call: string): StreamError {
  return new StreamError(`${call}: Connection reset by peer`, { code: "ECONNRESET" });
}
