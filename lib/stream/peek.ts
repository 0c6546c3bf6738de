/** What was read too far ahead, put back in front of its stream. */
import { delegateBytes, delegateDatagrams } from "./delegate.ts";
import type { ByteStream, Datagram, DatagramStream, StreamInfo } from "./stream.ts";

/**
 * `lower` after a handshake, which it owns: gives `rest` first (memory of its own), under `info`. Where nothing is left
 * over nobody has to look at the bytes any more, so `native` stays.
 */
export function afterHandshake(lower: ByteStream, rest: Uint8Array, info: StreamInfo): ByteStream {
  if (rest.length === 0) return delegateBytes(lower, { info, native: lower.native });
  const { next, abort } = putBack(rest, () => lower.read(), lower);
  return delegateBytes(lower, { info, read: next, abort });
}

/** The same for messages; `rest` is as `receive` gave it, until `lower` is read again. */
export function afterHandshakeDatagrams(
  lower: DatagramStream,
  rest: readonly Datagram[],
  info: StreamInfo,
): DatagramStream {
  if (rest.length === 0) return delegateDatagrams(lower, { info, native: lower.native });
  const { next, abort } = putBack(rest, () => lower.receive(), lower);
  return delegateDatagrams(lower, { info, receive: next, abort });
}

/** Gives `rest`, then what `read` gives. An abort forgets `rest`; where it had a reason, reading rejects with that. */
function putBack<T>(rest: T, read: () => Promise<T | null>, lower: { abort(reason?: unknown): void }) {
  let left: T | undefined = rest;
  let failure: { readonly reason: unknown } | undefined;
  return {
    async next(): Promise<T | null> {
      if (failure) throw failure.reason;
      if (left === undefined) return await read();
      const first = left;
      left = undefined;
      return first;
    },
    abort(reason?: unknown): void {
      if (reason !== undefined) failure ??= { reason };
      left = undefined;
      lower.abort(reason);
    },
  };
}
