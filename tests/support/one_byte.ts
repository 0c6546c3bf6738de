/** A byte stream that reads and writes one byte at a time, for whoever must not count on larger pieces. */
import type { ByteStream } from "../../lib/stream/stream.ts";

/** `lower` with every read lending one byte and every write passing one byte on at a time. */
export function oneByte(lower: ByteStream): ByteStream {
  let lent: Uint8Array = new Uint8Array(0);
  let at = 0;
  return {
    kind: "byte",
    info: lower.info,
    async read() {
      if (at === lent.length) {
        const next = await lower.read();
        if (next === null) return null;
        [lent, at] = [next, 0];
      }
      return lent.subarray(at, ++at);
    },
    async write(bytes) {
      for (let i = 0; i < bytes.length; i++) await lower.write(bytes.subarray(i, i + 1));
    },
    closeWrite: () => lower.closeWrite(),
    abort: (reason) => lower.abort(reason),
    ...(lower.finished && { finished: () => lower.finished!() }),
  };
}
