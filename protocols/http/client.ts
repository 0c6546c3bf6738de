/**
 * The connecting side of HTTP as one byte session: what is written is the request's body, what is read the response's.
 * For the caller of an HTTP listener it is a reverse proxy: the caller's request goes on, and the answer's head goes back.
 */
import { EndedError, LimitError, ProtocolError, StreamError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import { AbortGate } from "../../lib/stream/abort_gate.ts";
import type { ByteStream, StreamInfo } from "../../lib/stream/stream.ts";
import { after } from "../../lib/stream/timer.ts";
import { withoutLength } from "./answer.ts";
import { bodyEncoder } from "./body.ts";
import { BodyReader, Connection, readHead } from "./connection.ts";
import { type ForwardedRequest, forwardedRequest, withTrace } from "./forwarding.ts";
import { type Framing, noBody, responseFraming } from "./framing.ts";
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
/** How long the answer of a server that takes no more of the request may take to begin. */
const earlyMs = 1000;
/** How long the answer to a wish to go on in another protocol may take. */
const upgradeMs = 60_000;

/** Without a body these say nothing about it; the others say that it is empty (RFC 9110 section 8.6). */
const bodylessMethods = ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"];

/** Begins a request over `lower`, which it owns. Rejects with `ConnectError`, or the signal's reason. */
export async function connectHttp(lower: ByteStream, spec: HttpSpec, context: Context): Promise<ByteStream> {
  try {
    context.signal.throwIfAborted();
    const target = targetOf(lower.info, spec);
    const { downstream, direction, program, metadata } = context;
    // Read from or written to alone, it is one half of a session whose other half has the caller's request.
    const forwarded = direction === "both" ? forwardedRequest(downstream, spec, context) : undefined;
    const kept = spec.keep_host === false ? undefined : forwarded?.host;
    const host = ["Host", spec.host ?? kept ?? target.host] as const;
    const usual: readonly HeaderLine[] = forwarded
      ? [host, ...forwarded.lines]
      : [host, ["User-Agent", program], ["Accept", "*/*"]];
    const lines = await requestLines(withTrace(usual, metadata), spec, context);
    context.signal.throwIfAborted();
    if (forwarded?.upgrade !== undefined) downstream?.awaitUpgrade?.();
    return new HttpClientStream(lower, { target, lines, spec, context, forwarded });
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
  readonly forwarded: ForwardedRequest | undefined;
}

/** One request and its response on a connection of their own. */
class HttpClientStream implements ByteStream {
  readonly kind = "byte";
  #info: StreamInfo;
  readonly #connection: Connection;
  readonly #parts: Parts;
  readonly #method: string;
  readonly #gate: AbortGate;
  readonly #writer: MessageWriter;
  #head: ResponseHead | undefined;
  #body: BodyReader | undefined;
  /** The server has answered 101: both halves are bytes of another protocol. */
  #upgraded = false;
  /** What the response has become: settled at its end, at its failure and at the latest by `abort`. */
  readonly #outcome = Promise.withResolvers<void>();
  /** Resolved when the head of the answer is there, or will not come. */
  readonly #answered = Promise.withResolvers<void>();

  constructor(lower: ByteStream, parts: Parts) {
    const { target, spec, context, forwarded } = parts;
    const { local, remote } = lower.info;
    this.#info = { protocol: "HTTP", name: target.name, local, remote, halfCloses: true, answer: "read" };
    this.#connection = new Connection(lower);
    this.#parts = parts;
    const silent = forwarded
      ? forwarded.framing === noBody
      : context.direction === "read" || context.downstream?.protocol === "Discard";
    this.#method = forwarded?.method ?? spec.method ?? (silent ? "GET" : "POST");
    this.#gate = new AbortGate(target.name);
    this.#writer = new MessageWriter(this.#connection, {
      start: (length) => this.#start(length),
      holdMs: silent || forwarded?.framing ? 0 : holdMs,
      name: target.name,
    });
    // Whoever reads or writes learns of a failure there.
    this.#outcome.promise.catch(() => {});
    if (silent) this.#writer.end().catch(() => {});
    else if (forwarded?.framing) this.#writer.beginSoon();
  }

  get info(): StreamInfo {
    return this.#info;
  }

  #start(length: number | undefined): Start {
    const { target, lines, forwarded } = this.#parts;
    const told: Framing = length === undefined ? { kind: "chunked" } : { kind: "length", length };
    const framing = forwarded?.framing ?? told;
    const about: HeaderLine[] = framing.kind !== "length"
      ? [["Transfer-Encoding", "chunked"]]
      : framing.length === 0 && bodylessMethods.includes(this.#method)
      ? []
      : [["Content-Length", String(framing.length)]];
    const path = forwarded?.path ?? target.path;
    const head = encodeHead(`${this.#method} ${path} HTTP/1.1`, [...lines, ...about, ...connectionLines(forwarded)]);
    return { head, encoder: bodyEncoder(framing) };
  }

  async read(): Promise<Uint8Array | null> {
    this.#gate.check();
    try {
      return await this.#gate.race(this.#read());
    } catch (error) {
      this.#outcome.reject(error);
      this.#answered.resolve();
      throw error;
    }
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      this.#body ??= await this.#answer();
      const data = await this.#body.read();
      if (data === null) this.#settle();
      return data;
    } catch (error) {
      throw named(this.info.name, error);
    }
  }

  /** The beginning of the answer, under a limit where the engine has none: while the request has not ended for it. */
  async #answer(): Promise<BodyReader> {
    if (this.#parts.forwarded?.upgrade === undefined) return await this.#readHead();
    const late = Promise.withResolvers<never>();
    const message = `${this.#info.name}: no answer for ${upgradeMs / 1000} s after the request`;
    const error = new StreamError(message, { code: "ETIMEDOUT" });
    const timer = after(upgradeMs, () => late.reject(error));
    try {
      return await Promise.race([this.#readHead(), late.promise]);
    } finally {
      timer.stop();
    }
  }

  async #readHead(): Promise<BodyReader> {
    for (let interim = 0; interim <= maxInterim; interim++) {
      const head = await readHead(this.#connection, new ResponseHeadReader(headBytes));
      if (head === null) throw new StreamError("the server closed the connection without an answer", { code: "CUT" });
      if (head.status === 101) this.#upgrade();
      else if (head.status < 200) continue;
      const framing = this.#upgraded ? { kind: "close" } as const : responseFraming(head, this.#method);
      const body = new BodyReader(this.#connection, framing);
      this.#head = head;
      this.#answered.resolve();
      this.#tell(head);
      this.#passOn(head, body);
      return body;
    }
    throw new LimitError(`more than ${maxInterim} interim answers`, { code: "TOO_MANY_INTERIM" });
  }

  /** Gives the answer's head to the caller of the session. */
  #passOn({ status, reason, lines }: ResponseHead, body: BodyReader): void {
    const { forwarded, context: { downstream, transformed } } = this.#parts;
    if (!forwarded) return;
    const headers = transformed ? withoutLength(lines) : lines;
    downstream?.respond?.({ status, reason, headers, trailers: () => body.trailers });
  }

  #upgrade(): void {
    if (this.#parts.forwarded?.upgrade === undefined) {
      throw new ProtocolError("101 was not asked for (RFC 9110 section 7.8)");
    }
    this.#upgraded = true;
    this.#info = { ...this.#info, answer: undefined };
  }

  #tell({ status, reason, headers }: ResponseHead): void {
    const { log } = this.#parts.context;
    const { name } = this.info;
    if (status >= 300 && status < 400 && headers["location"] !== undefined && !this.#parts.forwarded) {
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

  #refusal(): EndedError | undefined {
    const { status, reason, headers } = this.#head!;
    const { spec, forwarded } = this.#parts;
    if (status < 400 || !(spec.fail ?? !forwarded)) return undefined;
    const location = headers["location"] === undefined ? "" : ` (Location: ${headers["location"]})`;
    const message = `${this.info.name}: server answered ${statusLine(status, reason)}${location}`;
    return new EndedError(message, { code: `HTTP_${status}` });
  }

  /** The server has answered, and does not want the rest of the request. */
  #early(): EndedError {
    const { status, reason } = this.#head!;
    const answer = `${this.info.name}: server answered ${statusLine(status, reason)}`;
    return this.#refusal() ?? new EndedError(`${answer} before it had the whole request; the rest is lost`);
  }

  /** Whether a server that takes no more of the request has answered, or is about to. */
  async #hasAnswered(): Promise<boolean> {
    const late = Promise.withResolvers<void>();
    const timer = after(earlyMs, late.resolve);
    try {
      await this.#gate.race(Promise.race([this.#answered.promise, late.promise]));
    } finally {
      timer.stop();
    }
    return this.#head !== undefined;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#gate.check();
    if (this.#upgraded) return await this.#gate.race(this.#connection.write(bytes));
    const refusal = this.#body?.ended ? this.#refusal() : undefined;
    if (refusal) throw refusal;
    try {
      await this.#gate.race(this.#writer.write(bytes));
    } catch (error) {
      if (this.#gate.aborted || !await this.#hasAnswered()) throw error;
      // A caller that we speak for reads the answer when it has sent everything.
      if (!this.#parts.forwarded) throw this.#early();
    }
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    if (this.#upgraded) return await this.#gate.race(this.#connection.closeWrite());
    try {
      await this.#gate.race(this.#writer.end());
    } catch (error) {
      // Whoever has answered need not hear that this was all.
      if (this.#gate.aborted || !await this.#hasAnswered()) throw error;
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
    const timer = after(goodbyeMs, () => this.#connection.abort());
    try {
      await this.#writer.end();
    } catch {
      // The server is gone, and nobody waits for its answer.
    } finally {
      timer.stop();
      this.#writer.stop();
      this.#connection.abort();
    }
  }
}

/** A connection is for one request. */
function connectionLines(forwarded: ForwardedRequest | undefined): HeaderLine[] {
  const { upgrade, trailers = false } = forwarded ?? {};
  if (upgrade !== undefined) return [["Connection", "Upgrade"], ["Upgrade", upgrade]];
  return trailers ? [["TE", "trailers"], ["Connection", "close, TE"]] : [["Connection", "close"]];
}

function statusLine(status: number, reason: string): string {
  return reason === "" ? String(status) : `${status} ${reason}`;
}
