/** Options that change how a stream ends: `ignoreeof`, `null-eof`, `escape`, `readbytes`, `-1`, `shut-*`. Each wraps a stream. */
import { delegateBytes, delegateDatagrams } from "./delegate.ts";
import type { ByteStream, Datagram, DatagramStream, Ending, Stream } from "./stream.ts";
import { after } from "./timer.ts";

/** Reads again every `pollMs` after an end, until the stream is aborted (`ignoreeof`). */
export function ignoreEnd(stream: Stream, pollMs: number): Stream {
  const gone = new AbortController();
  const again = async <T>(next: () => Promise<T | null>): Promise<T | null> => {
    for (;;) {
      const data = await next();
      if (data !== null || gone.signal.aborted) return data;
      await pause(pollMs, gone.signal);
    }
  };
  const abort = (reason?: unknown) => {
    gone.abort();
    stream.abort(reason);
  };
  return stream.kind === "byte"
    ? delegateBytes(stream, { abort, read: () => again(() => stream.read()) })
    : delegateDatagrams(stream, { abort, receive: () => again(() => stream.receive()) });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = after(ms, done);
    signal.addEventListener("abort", done);
  });
}

/** Takes an empty datagram as the end (`null-eof`); what came before it in the same batch is delivered. */
export function endAtEmpty(stream: DatagramStream): DatagramStream {
  let ended = false;
  return delegateDatagrams(stream, {
    async receive() {
      const batch = ended ? null : await stream.receive();
      const at = batch?.findIndex(({ data }) => data.length === 0) ?? -1;
      if (batch === null || at < 0) return batch;
      ended = true;
      return at === 0 ? null : batch.slice(0, at);
    },
  });
}

/** Ends reading at the first byte `code`, which is not delivered (`escape`). */
export function endAtByte(stream: Stream, code: number): Stream {
  let ended = false;
  const before = (data: Uint8Array): Uint8Array => {
    const at = data.indexOf(code);
    ended = at >= 0;
    return ended ? data.subarray(0, at) : data;
  };
  if (stream.kind === "byte") {
    return delegateBytes(stream, {
      async read() {
        const data = ended ? null : await stream.read();
        const part = data && before(data);
        return part?.length ? part : null;
      },
    });
  }
  return delegateDatagrams(stream, {
    async receive() {
      const batch = ended ? null : await stream.receive();
      const taken: Datagram[] = [];
      for (const one of batch ?? []) if (!ended) taken.push({ ...one, data: before(one.data) });
      return batch === null ? null : taken;
    },
  });
}

/** Ends reading after `limit` bytes (`readbytes`); the datagram that crosses the limit is cut. */
export function limitBytes(stream: Stream, limit: number): Stream {
  let left = limit;
  const take = (data: Uint8Array): Uint8Array => {
    const part = data.length > left ? data.subarray(0, left) : data;
    left -= part.length;
    return part;
  };
  return stream.kind === "byte" ? takeBytes(stream, () => left > 0, take) : delegateDatagrams(stream, {
    async receive() {
      const batch = left > 0 ? await stream.receive() : null;
      const taken: Datagram[] = [];
      for (const one of batch ?? []) if (left > 0) taken.push({ ...one, data: take(one.data) });
      return batch === null ? null : taken;
    },
  });
}

/** Ends reading after one message, or one block of at most `blockBytes` of a byte stream (`-1`). */
export function limitMessages(stream: Stream, blockBytes = Infinity): Stream {
  let more = true;
  const once = <T>(value: T): T => {
    more = false;
    return value;
  };
  return stream.kind === "byte"
    ? takeBytes(stream, () => more, (data) => once(data.subarray(0, blockBytes)))
    : delegateDatagrams(stream, {
      async receive() {
        const batch = more ? await stream.receive() : null;
        return once(batch === null ? null : batch.slice(0, 1));
      },
    });
}

function takeBytes(stream: ByteStream, more: () => boolean, take: (data: Uint8Array) => Uint8Array): ByteStream {
  return delegateBytes(stream, {
    async read() {
      const data = more() ? await stream.read() : null;
      return data === null ? null : take(data);
    },
  });
}

/** How the writing half is shut when the other side ends. */
export type Shut = "none" | "close" | "null";

/**
 * Replaces a stream's own way of shutting: not at all, by closing all of it, or by an empty datagram first. After
 * `close` its reading half is at its end.
 */
export function shutBy(stream: Stream, how: Shut): Stream {
  let shut = false;
  const closeWrite = async (ending?: Ending) => {
    if (shut || how === "none") return;
    shut = true;
    if (how === "null" && stream.kind === "datagram") await stream.send([{ data: new Uint8Array() }]);
    await stream.closeWrite(ending);
    if (how === "close") stream.abort();
  };
  const next = async <T>(read: () => Promise<T | null>): Promise<T | null> => {
    try {
      return await read();
    } catch (error) {
      if (shut && how === "close") return null;
      throw error;
    }
  };
  return stream.kind === "byte"
    ? delegateBytes(stream, { closeWrite, read: () => next(() => stream.read()) })
    : delegateDatagrams(stream, { closeWrite, receive: () => next(() => stream.receive()) });
}
