/** One request and its answer as a byte stream: what is read is the request's body, what is written the answer's. */
import { L7mpError, LimitError, messageOf, StreamError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { AbortGate } from "../../lib/stream/abort_gate.ts";
import type { ByteStream, StreamInfo } from "../../lib/stream/stream.ts";
import { faultOf, unavailable } from "./admission.ts";
import { type BodyEncoder, bodyEncoder } from "./body.ts";
import { BodyReader, type Connection } from "./connection.ts";
import type { Framing } from "./framing.ts";
import { encodeHead, type HeaderLine, listOf, type RequestHead, utf8Value } from "./head.ts";
import { MessageWriter, type Start } from "./message_writer.ts";
import { named } from "./named.ts";
import { httpDate, type Refusal, refuse, statusText } from "./refusal.ts";
import type { HttpSpec } from "./spec.ts";
import { headerLines, replaced } from "./target.ts";

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

const noContent: BodyEncoder = { encode: () => [], end: () => new Uint8Array(0) };
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
    const { head, spec, keepAlive } = this.#parts;
    const status = spec.status ?? 200;
    const bodiless = head.method === "HEAD" || status === 204 || status === 304;
    const framing: Framing = length !== undefined
      ? { kind: "length", length }
      : head.version === "1.1"
      ? { kind: "chunked" }
      : { kind: "close" };
    this.#endsByClose = framing.kind === "close" && !bodiless;
    const about: HeaderLine[] = status === 204 || status === 304
      ? []
      : framing.kind === "length" && !bodiless
      ? [["Content-Length", String(framing.length)]]
      : framing.kind === "chunked"
      ? [["Transfer-Encoding", "chunked"]]
      : [];
    const stays = keepAlive && !this.#endsByClose;
    const connection: HeaderLine[] = !stays
      ? [["Connection", "close"]]
      : head.version === "1.0"
      ? [["Connection", "keep-alive"]]
      : [];
    const type: HeaderLine[] = length === 0 && spec.content_type === undefined
      ? []
      : [["Content-Type", utf8Value(spec.content_type ?? "application/octet-stream")]];
    const lines = replaced([["Date", httpDate()], ...type], headerLines(spec.header ?? []));
    return {
      head: encodeHead(`HTTP/1.1 ${statusText(status)}`, [...lines, ...about, ...connection]),
      encoder: bodiless ? noContent : bodyEncoder(framing),
    };
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
      this.#bodyBytes += data?.length ?? 0;
      const { max_body = Infinity } = this.#parts.spec;
      if (this.#bodyBytes <= max_body) return data;
      throw new LimitError(`request body of more than ${max_body} bytes (max-body)`, { code: "BODY_TOO_BIG" });
    } catch (error) {
      throw named(this.info.name, error);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#gate.check();
    await this.#gate.race(this.#writer.write(bytes));
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    if (this.#parts.context.direction === "read" && !this.#writer.started && !this.#body.ended) {
      this.#answerDue = true;
      return;
    }
    await this.#gate.race(this.#end());
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
   * A complete exchange leaves the connection to the next request where there can be one. An answer that has not begun
   * becomes one that says what went wrong; one that has is cut by a reset, or ended by a plain close.
   */
  abort(reason?: unknown): void {
    if (!this.#gate.abort(reason)) return;
    const { started, ended } = this.#writer;
    if (ended && this.#body.ended) {
      this.#reusable = this.#parts.keepAlive && !this.#endsByClose;
      if (!this.#reusable) this.#connection.abort();
    } else if (!started) {
      this.#writer.stop();
      this.#goodbye = refuse(this.#connection, this.#apology(reason), this.#reading);
    } else if (reason !== undefined) {
      this.#writer.stop();
      this.#connection.abort(reason);
    } else {
      this.#goodbye = this.#finish();
    }
  }

  #apology(reason: unknown): Refusal {
    const error = reason === undefined || reason instanceof L7mpError ? reason : new StreamError(messageOf(reason));
    return { ...faultOf(error) ?? unavailable(error), bodiless: this.#parts.head.method === "HEAD" };
  }

  /** Ends the answer and closes. */
  async #finish(): Promise<void> {
    const timer = setTimeout(() => this.#connection.abort(), goodbyeMs);
    try {
      await this.#end();
    } catch {
      // The caller is gone.
    } finally {
      clearTimeout(timer);
      this.#writer.stop();
      this.#connection.abort();
    }
  }
}
