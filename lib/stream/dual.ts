/** Two streams as one: read from the first, written to the second (`STDIN!!STDOUT`). */
import type { Datagram, Ending, Stream } from "./stream.ts";

/**
 * Joins two streams of one kind and owns both. The unused halves are left alone until `abort`, which releases both.
 */
export function dual(reading: Stream, writing: Stream): Stream {
  const shared = {
    info: {
      protocol: "Dual",
      name: `${reading.info.name}!!${writing.info.name}`,
      local: writing.info.local,
      remote: reading.info.remote,
    },
    closeWrite: (ending?: Ending) => writing.closeWrite(ending),
    abort(reason?: unknown) {
      reading.abort(reason);
      writing.abort(reason);
    },
    async finished() {
      await Promise.all([reading.finished?.(), writing.finished?.()]);
    },
  };
  if (reading.kind === "byte" && writing.kind === "byte") {
    return { ...shared, kind: "byte", read: () => reading.read(), write: (bytes) => writing.write(bytes) };
  }
  if (reading.kind === "datagram" && writing.kind === "datagram") {
    return {
      ...shared,
      kind: "datagram",
      maxDatagramBytes: writing.maxDatagramBytes,
      takesText: writing.takesText,
      get dropped() {
        return reading.dropped + writing.dropped;
      },
      receive: () => reading.receive(),
      send: (batch: readonly Datagram[]) => writing.send(batch),
    };
  }
  throw new TypeError("dual() needs two streams of one kind");
}
