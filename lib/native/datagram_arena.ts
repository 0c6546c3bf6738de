/**
 * Memory for `recvmmsg` and `sendmmsg`, with every header and iovec filled in once. One per driver serves all sockets:
 * both calls are synchronous, and what they bring is copied out before anybody else runs.
 */
import { iovec, mmsghdr, msghdr, sockaddrStorageBytes } from "./layout.ts";

/** Messages per call. */
export const batchSize = 64;

/** Room per message of a batch, in bytes; every UDP datagram fits. */
export const slotBytes = 64 * 1024;

/** Room per message for UNIX sockets, whose datagrams may be larger, and how many then fit the same memory. */
const wideSlotBytes = 512 * 1024;
const wideBatchSize = batchSize * slotBytes / wideSlotBytes;

/** `count` message headers over `payload`, cut into slots of equal size. */
export class MessageBatch {
  readonly headers: Uint8Array<ArrayBuffer>;
  readonly names: Uint8Array<ArrayBuffer>;
  readonly #headerWords: Uint32Array;
  readonly #iovecWords: Uint32Array;
  // The kernel reads these through addresses written into the headers, which keep nothing alive.
  readonly #iovecs: Uint8Array<ArrayBuffer>;
  readonly #pinned: readonly Deno.PointerObject[];

  constructor(readonly payload: Uint8Array<ArrayBuffer>, readonly count: number, readonly slot: number) {
    this.headers = new Uint8Array(count * mmsghdr.size);
    this.names = new Uint8Array(count * sockaddrStorageBytes);
    this.#iovecs = new Uint8Array(count * iovec.size);
    this.#headerWords = new Uint32Array(this.headers.buffer);
    this.#iovecWords = new Uint32Array(this.#iovecs.buffer);
    const pin = (bytes: Uint8Array<ArrayBuffer>) => Deno.UnsafePointer.of(bytes)!;
    this.#pinned = [pin(payload), pin(this.names), pin(this.#iovecs)];
    const [payloadAt, namesAt, iovecsAt] = this.#pinned.map((pointer) => Deno.UnsafePointer.value(pointer));
    const headers = new DataView(this.headers.buffer);
    const iovecs = new DataView(this.#iovecs.buffer);
    for (let i = 0; i < count; i++) {
      const header = i * mmsghdr.size + mmsghdr.header;
      headers.setBigUint64(header + msghdr.name, namesAt! + BigInt(i * sockaddrStorageBytes), true);
      headers.setUint32(header + msghdr.nameLength, sockaddrStorageBytes, true);
      headers.setBigUint64(header + msghdr.iov, iovecsAt! + BigInt(i * iovec.size), true);
      headers.setBigUint64(header + msghdr.iovCount, 1n, true);
      iovecs.setBigUint64(i * iovec.size + iovec.base, payloadAt! + BigInt(i * slot), true);
      iovecs.setBigUint64(i * iovec.size + iovec.length, BigInt(slot), true);
    }
  }

  /** Bytes received into message `i`. */
  length(i: number): number {
    return this.#headerWords[(i * mmsghdr.size + mmsghdr.length) >> 2]!;
  }

  flags(i: number): number {
    return this.#headerWords[(i * mmsghdr.size + msghdr.flags) >> 2]!;
  }

  nameLength(i: number): number {
    return this.#headerWords[(i * mmsghdr.size + msghdr.nameLength) >> 2]!;
  }

  /** For receiving: the whole name buffer, again after each call; for sending: the name's length, 0 when connected. */
  setNameLength(i: number, bytes: number): void {
    this.#headerWords[(i * mmsghdr.size + msghdr.nameLength) >> 2] = bytes;
  }

  /** Payload bytes to send of message `i`. */
  setLength(i: number, bytes: number): void {
    this.#iovecWords[(i * iovec.size + iovec.length) >> 2] = bytes;
  }
}

export class DatagramArena {
  readonly receive: MessageBatch;
  /** Over the same memory as `receive`, in fewer and larger slots. */
  readonly receiveWide: MessageBatch;
  readonly send: MessageBatch;

  constructor() {
    const bytes = batchSize * slotBytes;
    const received = new Uint8Array(bytes);
    this.receive = new MessageBatch(received, batchSize, slotBytes);
    this.receiveWide = new MessageBatch(received, wideBatchSize, wideSlotBytes);
    this.send = new MessageBatch(new Uint8Array(bytes), batchSize, slotBytes);
  }
}
