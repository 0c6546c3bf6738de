/**
 * A stream over a connection that is opened again when it is lost (`reconnect`, `autoreconnect:`), so that the session
 * goes on.
 *
 * What is kept and what is lost: data written while the connection is away is kept up to `bufferBytes` and goes out, in
 * order, once it is back; beyond that a byte stream makes its writer wait, and a datagram stream drops what comes and
 * counts it. Data that had been handed to the connection when it broke may or may not have reached the peer. It is
 * never sent a second time: what was still under way (the one write that had not resolved) is given up and named in the
 * warning; what the connection had taken before is the peer's or lost, which nobody here can know. Data from the peer
 * that had not been read when the connection broke is lost with it.
 */
import type { Reconnect, Retry } from "../config/plan.ts";
import { ConfigError, EndedError, L7mpError, LimitError, messageOf, StreamError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Direction } from "../protocol.ts";
import type { ByteStream, Datagram, DatagramStream, Ending, Stream, StreamInfo } from "../stream/stream.ts";
import { sleep } from "../stream/timer.ts";
import { ByteBacklog, DatagramBacklog } from "./backlog.ts";
import { Waits } from "./retry.ts";

export interface ReconnectOptions {
  readonly policy: Reconnect & Pick<Retry, "intervalMs" | "backoffMs">;
  /** Opens the connection again; rejects with the signal's reason when that aborts. */
  open(signal: AbortSignal): Promise<Stream>;
  /** `read`: only read from, so that ending the unused half says nothing about the session. */
  readonly direction: Direction;
  readonly log: Log;
  readonly events?: ReconnectEvents;
}

/** Told of every loss, every further attempt, and when the connection is back. */
export interface ReconnectEvents {
  lost(error: unknown): void;
  retrying(): void;
  restored(): void;
}

/** Even an interval of 0 does not spin. */
const shortestWaitMs = 10;
/** How long to wait for the exit status of a program that ended its output, to name it in the warning. */
const statusMs = 100;

/**
 * Keeps `first`, which is open and owned by the result, alive as `options.policy` says. Attempts are counted and waits
 * grow over connections that die at once; one that lasted at least as long as the wait before it begins the count anew.
 * `abort` stops everything at once. `closeWrite` does too while the connection is away: it then rejects when something
 * was kept that nobody will get; while it is there, what follows is as without reconnection.
 */
export function reconnecting(first: Stream, options: ReconnectOptions): Stream {
  return first.kind === "byte" ? new ReconnectingBytes(first, options) : new ReconnectingDatagrams(first, options);
}

abstract class Reconnecting<S extends Stream> {
  readonly #options: ReconnectOptions;
  readonly #waits: Waits;
  #warnedOfRoom = false;
  readonly #stop = new AbortController();
  /** The connection, or the last one while it is away. */
  #latest: S;
  #away = false;
  /** The connection is back, and what was kept for it is going out. */
  #flushing = false;
  /** How much the write under way handed over: bytes or messages. */
  #underWay = 0;
  /** No loss is made good any more: our side has ended, or the peer in a way that is no loss. */
  #final = false;
  /** Our side has ended. */
  #ended = false;
  /** The unused writing half has been shut, and is on every new connection. */
  #halfShut = false;
  /** The peer has ended, which is no loss, and takes no more; what it said may still be read. */
  #takesNoMore: EndedError | undefined;
  #failure: { readonly error: unknown } | undefined;
  #openedAt = performance.now();
  #waitedMs: number;
  #attempts = 0;
  /** Dropped by connections that are gone, and by us. */
  #droppedBefore = 0;
  #changed = Promise.withResolvers<void>();

  constructor(first: S, options: ReconnectOptions) {
    const { intervalMs, backoffMs } = options.policy;
    this.#options = options;
    this.#latest = first;
    this.#waits = new Waits(intervalMs, backoffMs);
    this.#waitedMs = intervalMs;
  }

  /** Takes the first part of what is kept and how much it is; undefined: nothing is. */
  protected abstract takeKept(): { readonly amount: number; give(stream: S): Promise<void> } | undefined;
  protected abstract readonly keptAmount: number;
  protected abstract readonly unit: string;

  get info(): StreamInfo {
    return this.#latest.info;
  }

  get dropped(): number {
    return this.#droppedBefore + (this.#latest.dropped ?? 0);
  }

  get ending(): Ending | undefined {
    return this.#latest.ending;
  }

  async finished(): Promise<void> {
    if (!this.#away) await this.#latest.finished?.();
  }

  /** One read of the connection there is, once there is one. */
  protected async next<T>(read: (stream: S) => Promise<T | null>): Promise<T | null> {
    for (;;) {
      this.#check();
      if (this.#away) {
        if (this.#final) return null;
        await this.#changed.promise;
        continue;
      }
      const stream = this.#latest;
      try {
        const data = await read(stream);
        if (data !== null) return data;
        if (this.#options.policy.on === "error") this.#final = true;
        if (this.#final) return null;
        this.#lose(stream, undefined);
      } catch (error) {
        this.#lose(stream, error);
      }
    }
  }

  /** The connection to write to; undefined while data is to be kept. */
  protected get ready(): S | undefined {
    this.#check();
    if (this.#takesNoMore) throw this.#takesNoMore;
    if (this.#ended) throw new StreamError(`write(${this.info.name}): Broken pipe`, { code: "EPIPE" });
    return this.#away || this.#flushing ? undefined : this.#latest;
  }

  /** Hands `amount` to `stream`. If that fails it is given up: part of it may have gone. */
  protected async hand(stream: S, amount: number, give: () => Promise<void>): Promise<void> {
    this.#underWay = amount;
    try {
      await give();
    } catch (error) {
      if (error instanceof EndedError && this.#options.policy.on === "error") {
        this.#final = true;
        this.#takesNoMore = error;
        throw error;
      }
      this.#lose(stream, error);
      this.#check();
    } finally {
      this.#underWay = 0;
    }
  }

  /** Resolves when the connection came or went, and once what was kept has gone out. */
  protected get change(): Promise<void> {
    return this.#changed.promise;
  }

  protected drop(count: number): void {
    this.#droppedBefore += count;
  }

  /** Drops a message there is no room for; warns of the first while the connection is away. */
  protected dropForRoom(): void {
    this.drop(1);
    if (this.#warnedOfRoom) return;
    this.#warnedOfRoom = true;
    const what = `${this.#options.policy.bufferBytes} bytes are kept for it, more messages are dropped`;
    this.#options.log.warn("datagram.dropped", `${this.info.name} is away: ${what} (reconnect-buffer)`);
  }

  async closeWrite(ending?: Ending): Promise<void> {
    this.#check();
    if (this.#options.direction === "read") {
      this.#halfShut = true;
      if (!this.#away) await this.#latest.closeWrite();
      return;
    }
    while (this.#flushing && !this.#away) await this.#changed.promise;
    this.#check();
    this.#ended = this.#final = true;
    if (!this.#away) return await this.#latest.closeWrite(ending);
    this.#stop.abort();
    this.#wake();
    if (this.keptAmount === 0) return;
    throw new StreamError(this.#undelivered, { code: "LOST" });
  }

  get #undelivered(): string {
    const kept = `${this.keptAmount} ${this.unit} kept for it`;
    return `connection to ${this.info.name} lost, and ${kept} could not be delivered`;
  }

  abort(reason?: unknown): void {
    if (this.#failure) return;
    this.#fail(reason ?? new StreamError(`read(${this.info.name}): stream is closed`, { code: "CLOSED" }));
    this.#latest.abort(reason);
    if (reason === undefined && this.keptAmount > 0) this.#options.log.warn("connection.lost", this.#undelivered);
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #fail(error: unknown): void {
    if (!this.#failure && this.#latest.kind === "datagram") this.drop(this.keptAmount);
    this.#failure ??= { error };
    this.#stop.abort();
    this.#wake();
  }

  /** `stream` failed with `error`, or ended where that is a loss. */
  #lose(stream: S, error: unknown): void {
    // The other direction, or an abort, was first.
    if (this.#away || stream !== this.#latest || this.#failure) return;
    if (this.#final || isHopeless(error)) return this.#fail(error);
    this.#away = true;
    this.#flushing = false;
    if (stream.kind === "datagram") this.drop(this.#underWay);
    this.#wake();
    this.#restore(stream, error, this.#underWay);
  }

  /** Opens the connection anew. Never rejects: what goes wrong fails the stream. */
  async #restore(stream: S, error: unknown, underWay: number): Promise<void> {
    const { signal } = this.#stop;
    const lostAt = performance.now();
    if (lostAt - this.#openedAt >= this.#waitedMs) {
      this.#attempts = 0;
      this.#waits.reset();
    }
    try {
      const status = error === undefined ? await exitStatus(stream, signal) : undefined;
      const reason = describe(error ?? status, stream.ending);
      signal.throwIfAborted();
      stream.abort(error);
      this.#options.events?.lost(error ?? status);
      let failure: unknown = error ?? status ?? new StreamError(`connection to ${stream.info.name} lost (${reason})`);
      for (let first = true;; first = false) {
        if (this.#attempts >= this.#options.policy.count) throw failure;
        const atOnce = first && this.#options.policy.atOnce && this.#attempts === 0;
        this.#waitedMs = Math.max(atOnce ? 0 : this.#waits.next(), shortestWaitMs);
        this.#attempts++;
        this.#options.events?.retrying();
        if (first) this.#tellLoss(stream, reason, underWay);
        else this.#tellRetry(failure);
        await sleep(this.#waitedMs, signal);
        try {
          return await this.#restored(await this.#reopen(stream.kind, signal), lostAt);
        } catch (error) {
          signal.throwIfAborted();
          if (isHopeless(error)) throw error;
          failure = error;
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  async #reopen(kind: S["kind"], signal: AbortSignal): Promise<S> {
    const stream = await this.#options.open(signal);
    try {
      signal.throwIfAborted();
      if (stream.kind !== kind) {
        throw new ConfigError(`${stream.info.name}: was a ${kind} stream, and is now a ${stream.kind} stream`);
      }
      if (this.#halfShut) await stream.closeWrite();
      return stream as S;
    } catch (error) {
      stream.abort(error);
      throw error;
    }
  }

  async #restored(stream: S, lostAt: number): Promise<void> {
    this.#droppedBefore += this.#latest.dropped ?? 0;
    this.#latest = stream;
    this.#openedAt = performance.now();
    this.#away = false;
    this.#warnedOfRoom = false;
    this.#flushing = true;
    const after = seconds(this.#openedAt - lostAt);
    this.#options.events?.restored();
    this.#options.log.notice("connection.restored", `connection to ${stream.info.name} restored after ${after} s`);
    this.#wake();
    await this.#flush(stream);
  }

  async #flush(stream: S): Promise<void> {
    while (!this.#away && !this.#failure && !this.#takesNoMore) {
      const kept = this.takeKept();
      if (!kept) break;
      await this.hand(stream, kept.amount, () => kept.give(stream)).catch(() => {});
    }
    if (this.#latest !== stream || this.#away) return;
    this.#flushing = false;
    this.#wake();
  }

  #tellLoss({ info: { name } }: S, reason: string, underWay: number): void {
    const wait = `reconnecting in ${seconds(this.#waitedMs)} s (${this.#attempts})`;
    const lost = underWay > 0 ? `; up to ${underWay} ${this.unit} under way are lost` : "";
    this.#options.log.warn("connection.lost", `connection to ${name} lost (${reason}), ${wait}${lost}`);
  }

  #tellRetry(failure: unknown): void {
    const { count } = this.#options.policy;
    const number = count === Infinity ? this.#attempts : `${this.#attempts} of ${count}`;
    const wait = `trying again in ${seconds(this.#waitedMs)} s (${number})`;
    this.#options.log.info("connect.retry", `${messageOf(failure)}; ${wait}`);
  }
}

class ReconnectingBytes extends Reconnecting<ByteStream> implements ByteStream {
  readonly kind = "byte";
  readonly unit = "bytes";
  readonly #kept: ByteBacklog;

  constructor(first: ByteStream, options: ReconnectOptions) {
    super(first, options);
    this.#kept = new ByteBacklog(options.policy.bufferBytes);
  }

  protected get keptAmount(): number {
    return this.#kept.size;
  }

  protected takeKept() {
    const block = this.#kept.take();
    return block && { amount: block.length, give: (stream: ByteStream) => stream.write(block) };
  }

  read(): Promise<Uint8Array | null> {
    return this.next((stream) => stream.read());
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      const stream = this.ready;
      if (stream) return await this.hand(stream, rest.length, () => stream.write(rest));
      const { change } = this;
      rest = rest.subarray(this.#kept.append(rest));
      if (rest.length > 0) await change;
    }
  }
}

class ReconnectingDatagrams extends Reconnecting<DatagramStream> implements DatagramStream {
  readonly kind = "datagram";
  readonly unit = "messages";
  readonly #kept: DatagramBacklog;

  constructor(first: DatagramStream, options: ReconnectOptions) {
    super(first, options);
    this.maxDatagramBytes = first.maxDatagramBytes;
    this.takesText = first.takesText;
    this.staysOpen = first.staysOpen;
    this.#kept = new DatagramBacklog(options.policy.bufferBytes);
  }

  readonly maxDatagramBytes?: number;
  readonly takesText?: boolean;
  readonly staysOpen?: boolean;

  protected get keptAmount(): number {
    return this.#kept.size;
  }

  protected takeKept() {
    const batch = this.#kept.take();
    return batch && { amount: batch.length, give: (stream: DatagramStream) => stream.send(batch) };
  }

  receive(): Promise<readonly Datagram[] | null> {
    return this.next((stream) => stream.receive());
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    const stream = this.ready;
    if (stream) return await this.hand(stream, batch.length, () => stream.send(batch));
    for (const message of batch) if (!this.#kept.append(message)) this.dropForRoom();
  }
}

/** Trying again cannot help: a bound of ours was reached, the words are wrong, or the fault is our own. */
function isHopeless(error: unknown): boolean {
  if (error === undefined) return false;
  if (!(error instanceof L7mpError) || error instanceof LimitError || error instanceof ConfigError) return true;
  return error.name === "ConnectError" && !error.retryable;
}

/** Why a program ended, where it says so soon. */
async function exitStatus(stream: Stream, signal: AbortSignal): Promise<unknown> {
  if (!stream.finished) return undefined;
  const finished = stream.finished().then(() => undefined, (error: unknown) => error);
  return await Promise.race([finished, sleep(statusMs, signal).catch(() => undefined)]);
}

/** `code 1006` of a WebSocket, or the error's own words. */
function describe(error: unknown, ending: Ending | undefined): string {
  if (error === undefined) return ending ? `code ${ending.code}` : "closed by peer";
  const code = error instanceof L7mpError ? /^WS_(\d+)$/.exec(error.code)?.[1] : undefined;
  return code === undefined ? messageOf(error) : `code ${code}`;
}

/** At most one digit after the point, two below a second. */
function seconds(ms: number): number {
  return ms < 1000 ? Math.round(ms / 10) / 100 : Math.round(ms / 100) / 10;
}
