/** One request and its answer as a byte stream: what is read is the request's body, what is written the answer's. */
import { L7mpError, LimitError, messageOf, StreamError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { AbortGate } from "../../lib/stream/abort_gate.ts";
import type { AnswerHead, ByteStream, StreamInfo } from "../../lib/stream/stream.ts";
import { faultOf, unavailable } from "./admission.ts";
import { startAnswer, trailersOf } from "./answer.ts";
import { BodyReader, type Connection } from "./connection.ts";
import type { Framing } from "./framing.ts";
import { encodeHead, listOf, type RequestHead } from "./head.ts";
import { MessageWriter, type Start } from "./message_writer.ts";
import { named } from "./named.ts";
import { leave, type Refusal, refuse } from "./refusal.ts";
import type { HttpSpec } from "./spec.ts";
import { after } from "../../lib/stream/timer.ts";

export interface ServerStreamParts {
  readonly info: StreamInfo;
  readonly head: RequestHead;
  readonly framing: Framing;
  /** The connection may carry another request, as far as caller and settings go. */
  readonly keepAlive: boolean;
  readonly spec: HttpSpec;
  readonly context: Context;
}

/** How long the end of an answer that nobody waits for may take, after a plain close. */
const goodbyeMs = 1000;

const continued = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

export class HttpServerStream implements ByteStream {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly #connection: Connection;
  readonly #parts: ServerStreamParts;
  readonly #gate: AbortGate;
  readonly #body: BodyReader;
  readonly #writer: MessageWriter;
  /** The read under way: after an abort it goes on until the connection is done with. */
  #reading: Promise<unknown> | undefined;
  #bodyBytes = 0;
  /** The head that the other side gives. */
  #given: AnswerHead | undefined;
  /** Somebody may answer 101; settled is whether, at the latest when the answer ends. */
  #upgradeAwaited = false;
  readonly #decided = Promise.withResolvers<void>();
  /** Both halves are bytes of another protocol. */
  #upgraded = false;
  #upgradedEnd = false;
  /** The answer's body ends with the connection. */
  #endsByClose = false;
  /** Only read from (`-u`): the answer waits for the end of the body, to say whether all went well. */
  #answerDue = false;
  #reusable = false;
  #goodbye = Promise.resolve();

  constructor(connection: Connection, parts: ServerStreamParts) {
    this.info = parts.info;
    this.#connection = connection;
    this.#parts = parts;
    this.#gate = new AbortGate(parts.info.name);
    this.#body = new BodyReader(connection, parts.framing);
    this.#writer = new MessageWriter(connection, {
      start: (length) => this.#start(length),
      holdMs: 0,
      trailers: () => trailersOf(this.#given),
      name: parts.info.name,
    });
  }

  /** After `abort`: request and answer were complete, and the connection waits for another request. */
  get reusable(): boolean {
    return this.#reusable;
  }

  /** Lets a caller go on that waits for a sign before it sends its body (RFC 9110 section 10.1.1). */
  async begin(): Promise<void> {
    const { head: { headers, version } } = this.#parts;
    const waits = version === "1.1" && listOf(headers["expect"]).includes("100-continue");
    if (waits && !this.#body.ended && !this.#connection.hasUnread) await this.#connection.write(continued);
  }

  #start(length: number | undefined): Start {
    const { head: request, spec, keepAlive } = this.#parts;
    const start = startAnswer({ request, spec, given: this.#given, length, keepAlive });
    this.#endsByClose = start.endsByClose;
    return start;
  }

  /** As `StreamInfo.respond`: the first counts, and none once the answer has begun. Throws `RangeError` for bad lines. */
  respond(given: AnswerHead): void {
    if (this.#given || this.#writer.started || this.#gate.aborted) return;
    encodeHead(`HTTP/1.1 ${given.status} ${given.reason ?? ""}`, given.headers);
    this.#given = given;
    this.#upgraded = given.status === 101;
    this.#decided.resolve();
    this.#writer.beginSoon();
  }

  /** As `StreamInfo.awaitUpgrade`. */
  awaitUpgrade(): void {
    this.#upgradeAwaited = true;
  }

  async read(): Promise<Uint8Array | null> {
    this.#gate.check();
    const reading = this.#read();
    this.#reading = reading;
    const data = await this.#gate.race(reading);
    if (data === null && this.#answerDue) await this.#gate.race(this.#writer.end());
    return data;
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      const data = await this.#body.read();
      if (data === null && this.#upgradeAwaited) return await this.#readUpgraded();
      this.#bodyBytes += data?.length ?? 0;
      const { max_body = Infinity } = this.#parts.spec;
      if (this.#bodyBytes <= max_body) return data;
      throw new LimitError(`request body of more than ${max_body} bytes (max-body)`, { code: "BODY_TOO_BIG" });
    } catch (error) {
      const fault = named(this.info.name, error);
      // A caller that has its answer may leave the rest of its request unsaid.
      if (fault instanceof StreamError && this.#writer.complete) fault.level = "info";
      throw fault;
    }
  }

  async #readUpgraded(): Promise<Uint8Array | null> {
    await this.#decided.promise;
    const data = this.#upgraded ? await this.#connection.read() : null;
    if (data === null) this.#upgradedEnd = true;
    return data;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#gate.check();
    this.#decided.resolve();
    await this.#gate.race(this.#named(this.#writer.write(bytes)));
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    if (this.#parts.context.direction === "read" && !this.#writer.started && !this.#body.ended) {
      this.#answerDue = true;
      return;
    }
    this.#decided.resolve();
    await this.#gate.race(this.#named(this.#end()));
  }

  /** Tells of whom it is that a body has another length than its head says. */
  async #named(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      throw named(this.info.name, error);
    }
  }

  async #end(): Promise<void> {
    await this.#writer.end();
    if (this.#endsByClose) await this.#connection.closeWrite();
  }

  /** Resolves when what `abort` still had to say has been said. */
  finished(): Promise<void> {
    return this.#goodbye;
  }

  /**
   * A complete exchange leaves the connection to the next request where there can be one; a complete answer to a request
   * that goes on can still be read. An answer that has not begun becomes one that says what went wrong; one that has is
   * cut by a reset, or ended by a plain close.
   */
  abort(reason?: unknown): void {
    if (!this.#gate.abort(reason)) return;
    this.#decided.resolve();
    const { started, complete } = this.#writer;
    if (complete && (this.#upgraded ? this.#upgradedEnd : this.#body.ended)) {
      this.#reusable = this.#parts.keepAlive && !this.#endsByClose;
      if (!this.#reusable) this.#connection.abort();
    } else if (!started) {
      this.#writer.stop();
      this.#goodbye = refuse(this.#connection, this.#apology(reason), this.#reading);
    } else if (complete && !this.#upgraded) {
      this.#goodbye = leave(this.#connection, this.#reading);
    } else if (reason !== undefined) {
      this.#writer.stop();
      this.#connection.abort(reason);
    } else {
      this.#goodbye = this.#finish();
    }
  }

  #apology(reason: unknown): Refusal {
    const error = reason === undefined || reason instanceof L7mpError ? reason : new StreamError(messageOf(reason));
    // A server that answers nonsense is not the caller's fault.
    const fault = error?.side === "upstream" ? undefined : faultOf(error);
    return { ...fault ?? unavailable(error), bodiless: this.#parts.head.method === "HEAD" };
  }

  /** Ends the answer and closes. */
  async #finish(): Promise<void> {
    const timer = after(goodbyeMs, () => this.#connection.abort());
    try {
      await this.#end();
    } catch {
      // The caller is gone.
    } finally {
      timer.stop();
      this.#writer.stop();
      this.#connection.abort();
    }
  }
}
