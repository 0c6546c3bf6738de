/** A `Response` as what a session's caller reads: its head for callers that take one, its body as bytes. */
import { StreamError } from "../lib/errors.ts";
import { AbortGate } from "../lib/stream/abort_gate.ts";
import type { ByteStream, StreamInfo } from "../lib/stream/stream.ts";

export interface WebAnswer {
  readonly info: StreamInfo;
  /** Who gets the head: its status and headers. */
  readonly downstream: StreamInfo | undefined;
  /** Asked for once, when the stream is first read. */
  answer(): Promise<Response>;
  /** Takes what the caller sends, and is told of its end; absent: it is thrown away. */
  readonly body?: RequestBody;
  /** Told of an abort, once. */
  onAbort?(reason: unknown): void;
}

/** What a caller sends. */
export interface RequestBody {
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
  fail(error: unknown): void;
}

/** Headers about one connection (RFC 9110 section 7.6.1): they say nothing of the next. */
const hopByHop = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"]);

/** A stream that gives `answer`'s body; an abort cancels it. What is written after the answer's end is thrown away. */
export function webAnswer({ info, downstream, answer, body, onAbort }: WebAnswer): ByteStream {
  const gate = new AbortGate(info.name);
  let response: Promise<ReadableStreamDefaultReader<Uint8Array> | undefined> | undefined;
  let over = false;
  let ended = false;

  async function begin() {
    const { status, statusText, headers, body } = await answer();
    const reader = body?.getReader();
    if (gate.aborted) {
      reader?.cancel().catch(() => {});
      gate.check();
    }
    const kept = [...headers].filter(([name]) => !hopByHop.has(name));
    downstream?.respond?.({ status, ...(statusText && { reason: statusText }), headers: kept });
    return reader;
  }

  async function read(): Promise<Uint8Array | null> {
    const reader = await (response ??= begin());
    for (;;) {
      const next = await reader?.read();
      if (!next || next.done) break;
      if (next.value.length > 0) return next.value;
    }
    over = true;
    body?.fail(new StreamError(`${info.name}: the answer is complete`, { code: "ANSWERED" }));
    return null;
  }

  return {
    kind: "byte",
    info,
    async read() {
      gate.check();
      if (over) return null;
      return await gate.race(read());
    },
    async write(bytes) {
      gate.check();
      if (ended) throw new StreamError(`write(${info.name}): Broken pipe`, { code: "EPIPE" });
      if (over || !body) return;
      await gate.race(body.write(bytes));
    },
    async closeWrite() {
      gate.check();
      ended = true;
      body?.end();
    },
    abort(reason) {
      if (!gate.abort(reason)) return;
      const why = reason ?? new StreamError(`${info.name}: stream is closed`, { code: "CLOSED" });
      body?.fail(why);
      onAbort?.(why);
      // One that is still to come is cancelled where it comes.
      response?.then((reader) => reader?.cancel(why)).catch(() => {});
    },
  };
}
