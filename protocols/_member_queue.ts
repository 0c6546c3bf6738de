/** What waits for one of many who get the same data: bounded, with a rule for what happens when it is full. */
import { StreamError } from "../lib/errors.ts";

/** More than this waits for nobody, however few messages it is; a larger one waits alone. */
const queueBytes = 16 << 20;

export interface MemberQueueOptions {
  readonly queue: number | undefined;
  readonly slow: "drop" | "block" | "close" | undefined;
  /** Begins the message of a member that is closed for being slow: `SYNC:room`. */
  readonly name: string;
  /** Told of the first item that is dropped. */
  onDrop?(): void;
}

/**
 * One reader, many writers. Items are shared with other queues: nobody changes them. A failure rejects what is pending
 * and all that follows; an end comes after what waits.
 */
export class MemberQueue<Item> {
  readonly #options: MemberQueueOptions;
  readonly #sizeOf: (item: Item) => number;
  #items: Item[] = [];
  #bytes = 0;
  #dropped = 0;
  /** The end comes after what waits: with an error where it is one. */
  #ended: { readonly error?: unknown } | undefined;
  #failure: { readonly error: unknown } | undefined;
  #reader: PromiseWithResolvers<readonly Item[] | null> | undefined;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(options: MemberQueueOptions, sizeOf: (item: Item) => number) {
    this.#options = options;
    this.#sizeOf = sizeOf;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Takes `item`, or does what the rule says. A promise is given only where the rule is to wait: it resolves when there
   * is room, and `put` is to be called again.
   */
  put(item: Item): Promise<void> | undefined {
    if (this.#ended || this.#failure) return undefined;
    const bytes = this.#sizeOf(item);
    if (this.#reader || this.#hasRoom(bytes)) {
      this.#items.push(item);
      this.#bytes += bytes;
      this.#serve();
      return undefined;
    }
    const { queue, slow, name } = this.#options;
    if (slow === "block") return (this.#room ??= Promise.withResolvers()).promise;
    if (slow === "close") {
      const why = `too slow, more than ${queue} messages or ${queueBytes} bytes would wait (queue, slow=close)`;
      this.fail(new StreamError(`${name}: ${why}`, { code: "SLOW" }));
    } else if (this.#dropped++ === 0) {
      this.#options.onDrop?.();
    }
    return undefined;
  }

  /** All that waits, in order; `null` at the end. At most one call may be pending. */
  take(): Promise<readonly Item[] | null> {
    if (this.#failure) return Promise.reject(this.#failure.error);
    if (this.#items.length > 0) return Promise.resolve(this.#takeAll());
    if (this.#ended) return this.#end(this.#ended);
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  /** Nothing follows what waits but the end, or `error`. */
  end(error?: unknown): void {
    this.#ended ??= { error };
    this.#serve();
    this.#room?.resolve();
  }

  fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#items = [];
    this.#bytes = 0;
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.#room?.resolve();
  }

  #hasRoom(bytes: number): boolean {
    const { queue = Infinity } = this.#options;
    return this.#items.length === 0 || (this.#items.length < queue && this.#bytes + bytes <= queueBytes);
  }

  #serve(): void {
    const reader = this.#reader;
    if (!reader || (this.#items.length === 0 && !this.#ended)) return;
    this.#reader = undefined;
    reader.resolve(this.#items.length > 0 ? this.#takeAll() : this.#end(this.#ended!));
  }

  #end({ error }: { readonly error?: unknown }): Promise<null> {
    return error === undefined ? Promise.resolve(null) : Promise.reject(error);
  }

  #takeAll(): readonly Item[] {
    const items = this.#items;
    this.#items = [];
    this.#bytes = 0;
    this.#room?.resolve();
    this.#room = undefined;
    return items;
  }
}
