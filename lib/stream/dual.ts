/** Two streams as one: read from the first, written to the second (`STDIN!!STDOUT`). */
import type { Datagram, Ending, Stream } from "./stream.ts";

/**
 * Joins two streams and owns both. The unused halves are left alone until `abort`, which releases both. Where the kinds
 * differ the result is of the kind that is read, and `writing` the half to write to.
 */
export function dual(reading: Stream, writing: Stream): Stream {
  const [read, write] = [reading.info.descriptors?.[0], writing.info.descriptors?.[1]];
  const shared = {
    info: {
      protocol: "Dual",
      name: `${reading.info.name}!!${writing.info.name}`,
      local: writing.info.local,
      remote: reading.info.remote,
      descriptors: read !== undefined && write !== undefined ? [read, write] as const : undefined,
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
  if (reading.kind === "byte") {
    const write = writing.kind === "byte"
      ? (bytes: Uint8Array) => writing.write(bytes)
      : (bytes: Uint8Array) => writing.send([{ data: bytes }]);
    return { ...shared, kind: "byte", ...(writing.kind !== "byte" && { writing }), read: () => reading.read(), write };
  }
  if (writing.kind === "byte") {
    return {
      ...shared,
      kind: "datagram",
      writing,
      get dropped() {
        return reading.dropped;
      },
      receive: () => reading.receive(),
      async send(batch: readonly Datagram[]) {
        for (const { data } of batch) await writing.write(data);
      },
    };
  }
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
