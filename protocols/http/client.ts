/** The connecting side of HTTP as one byte session: what is written is the request's body, what is read the response's. */
import { LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { AbortGate } from "../../lib/stream/abort_gate.ts";
import type { ByteStream, StreamInfo } from "../../lib/stream/stream.ts";
import { bodyEncoder } from "./body.ts";
import { BodyReader, Connection, readHead } from "./connection.ts";
import { responseFraming } from "./framing.ts";
import { encodeHead, type HeaderLine, type ResponseHead, ResponseHeadReader } from "./head.ts";
import { MessageWriter, type Start } from "./message_writer.ts";
import { named } from "./named.ts";
import type { HttpSpec } from "./spec.ts";
import { requestLines, type Target, targetOf } from "./target.ts";

const headBytes = 65_536;
/** Interim answers (RFC 9110 section 15.2) before the one that counts. */
const maxInterim = 32;
/** How long a short body, and then its end, is waited for, so that it can be sent with its length. */
const holdMs = 50;
/** How long the rest of a request that nobody waits for may take, after a plain close. */
const goodbyeMs = 1000;

/** Without a body these say nothing about it; the others say that it is empty (RFC 9110 section 8.6). */
const bodylessMethods = ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"];

/** Begins a request over `lower`, which it owns. Rejects with `ConnectError`, or the signal's reason. */
export async function connectHttp(lower: ByteStream, spec: HttpSpec, context: Context): Promise<ByteStream> {
  try {
    context.signal.throwIfAborted();
    const target = targetOf(lower.info, spec);
    const lines = await requestLines(target.host, spec, context);
    context.signal.throwIfAborted();
    return new HttpClientStream(lower, { target, lines, spec, context });
  } catch (error) {
    lower.abort();
    throw error;
  }
}

interface Parts {
  readonly target: Target;
  readonly lines: readonly HeaderLine[];
  readonly spec: HttpSpec;
  readonly context: Context;
}

/** One request and its response on a connection of their own. */
class HttpClientStream implements ByteStream {
  readonly kind = "byte";
  readonly info: StreamInfo;
  readonly #connection: Connection;
  readonly #parts: Parts;
  readonly #method: string;
  readonly #gate: AbortGate;
  readonly #writer: MessageWriter;
  #head: ResponseHead | undefined;
  #body: BodyReader | undefined;
  /** What the response has become: settled at its end, at its failure and at the latest by `abort`. */
  readonly #outcome = Promise.withResolvers<void>();

  constructor(lower: ByteStream, parts: Parts) {
    const { target, spec, context } = parts;
    const { local, remote } = lower.info;
    this.info = { protocol: "HTTP", name: target.name, local, remote, halfCloses: true, answer: "read" };
    this.#connection = new Connection(lower);
    this.#parts = parts;
    const silent = context.direction === "read" || context.downstream?.protocol === "Discard";
    this.#method = spec.method ?? (silent ? "GET" : "POST");
    this.#gate = new AbortGate(target.name);
    this.#writer = new MessageWriter(this.#connection, {
      start: (length) => this.#start(length),
      holdMs: silent ? 0 : holdMs,
      name: target.name,
    });
    // Whoever reads or writes learns of a failure there.
    this.#outcome.promise.catch(() => {});
    if (silent) this.#writer.end().catch(() => {});
  }

  #start(length: number | undefined): Start {
    const { target, lines } = this.#parts;
    const framing = length === undefined ? { kind: "chunked" } as const : { kind: "length", length } as const;
    const about: HeaderLine[] = length === undefined
      ? [["Transfer-Encoding", "chunked"]]
      : length === 0 && bodylessMethods.includes(this.#method)
      ? []
      : [["Content-Length", String(length)]];
    const head = encodeHead(`${this.#method} ${target.path} HTTP/1.1`, [...lines, ...about, ["Connection", "close"]]);
    return { head, encoder: bodyEncoder(framing) };
  }

  async read(): Promise<Uint8Array | null> {
    this.#gate.check();
    try {
      return await this.#gate.race(this.#read());
    } catch (error) {
      this.#outcome.reject(error);
      throw error;
    }
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      this.#body ??= await this.#readHead();
      const data = await this.#body.read();
      if (data === null) this.#settle();
      return data;
    } catch (error) {
      throw named(this.info.name, error);
    }
  }

  async #readHead(): Promise<BodyReader> {
    for (let interim = 0; interim <= maxInterim; interim++) {
      const head = await readHead(this.#connection, new ResponseHeadReader(headBytes));
      if (head === null) throw new StreamError("the server closed the connection without an answer", { code: "CUT" });
      if (head.status === 101) throw new ProtocolError("101 was not asked for (RFC 9110 section 7.8)");
      if (head.status < 200) continue;
      const body = new BodyReader(this.#connection, responseFraming(head, this.#method));
      this.#head = head;
      this.#tell(head);
      return body;
    }
    throw new LimitError(`more than ${maxInterim} interim answers`, { code: "TOO_MANY_INTERIM" });
  }

  #tell({ status, reason, headers }: ResponseHead): void {
    const { log } = this.#parts.context;
    const { name } = this.info;
    if (status >= 300 && status < 400 && headers["location"] !== undefined) {
      const where = `${name}: ${statusLine(status, reason)}; Location: ${headers["location"]}`;
      log.notice("http.redirect", `${where} (redirects are not followed)`);
    } else {
      log.info("http.answer", `${name}: server answered ${statusLine(status, reason)}`);
    }
  }

  /** The response is complete: what it comes to. */
  #settle(): void {
    const failure = this.#refusal();
    if (failure) this.#outcome.reject(failure);
    else this.#outcome.resolve();
  }

  #refusal(): StreamError | undefined {
    const { status, reason, headers } = this.#head!;
    if (status < 400 || this.#parts.spec.fail === false) return undefined;
    const location = headers["location"] === undefined ? "" : ` (Location: ${headers["location"]})`;
    const message = `${this.info.name}: server answered ${statusLine(status, reason)}${location}`;
    return new StreamError(message, { code: `HTTP_${status}` });
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#gate.check();
    const refusal = this.#body?.ended ? this.#refusal() : undefined;
    if (refusal) throw refusal;
    try {
      await this.#gate.race(this.#writer.write(bytes));
    } catch (error) {
      // The server has answered already and wants no more: its answer is what counts.
      if (this.#gate.aborted || !this.#head) throw error;
    }
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    try {
      await this.#gate.race(this.#writer.end());
    } catch (error) {
      if (this.#gate.aborted || !this.#head) throw error;
    }
  }

  /** Rejects with `StreamError` when the server's status is an error (`fail`): the body has been delivered then. */
  finished(): Promise<void> {
    return this.#outcome.promise;
  }

  abort(reason?: unknown): void {
    const complete = this.#writer.ended && this.#body?.ended === true;
    if (!this.#gate.abort(reason)) return;
    if (reason !== undefined) {
      this.#writer.stop();
      this.#outcome.reject(reason);
      this.#connection.abort(complete ? undefined : reason);
    } else {
      this.#goodbye().then(this.#outcome.resolve);
    }
  }

  /** Sends what is left of the request and closes. */
  async #goodbye(): Promise<void> {
    const timer = setTimeout(() => this.#connection.abort(), goodbyeMs);
    try {
      await this.#writer.end();
    } catch {
      // The server is gone, and nobody waits for its answer.
    } finally {
      clearTimeout(timer);
      this.#writer.stop();
      this.#connection.abort();
    }
  }
}

function statusLine(status: number, reason: string): string {
  return reason === "" ? String(status) : `${status} ${reason}`;
}
