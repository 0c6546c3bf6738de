/** Bytes that were read too far ahead, put back in front of their stream. */
import { delegateBytes } from "./delegate.ts";
import type { ByteStream, StreamInfo } from "./stream.ts";

/**
 * `lower` after a handshake, which it owns: gives `rest` first (memory of its own), under `info`. Where nothing is left
 * over nobody has to look at the bytes any more, so `native` stays.
 */
export function afterHandshake(lower: ByteStream, rest: Uint8Array, info: StreamInfo): ByteStream {
  if (rest.length === 0) return delegateBytes(lower, { info, native: lower.native });
  let left: Uint8Array | undefined = rest;
  let failure: { readonly reason: unknown } | undefined;
  return delegateBytes(lower, {
    info,
    async read() {
      if (failure) throw failure.reason;
      if (left === undefined) return await lower.read();
      const first = left;
      left = undefined;
      return first;
    },
    abort(reason) {
      if (reason !== undefined) failure ??= { reason };
      left = undefined;
      lower.abort(reason);
    },
  });
}
