/** Datagram streams whose content is known from the start. */
import { StreamError } from "../lib/errors.ts";
import type { Datagram, DatagramStream, StreamInfo } from "../lib/stream/stream.ts";

/** Gives `datagrams` once, then the end, and swallows what is sent to it. */
export function fixedDatagrams(datagrams: readonly Datagram[], info: StreamInfo): DatagramStream {
  let given = datagrams.length === 0;
  let left: { readonly reason: unknown } | undefined;
  const throwIfLeft = () => {
    if (left) throw left.reason;
  };
  return {
    kind: "datagram",
    info,
    dropped: 0,
    async receive() {
      throwIfLeft();
      if (given) return null;
      given = true;
      return datagrams;
    },
    async send() {
      throwIfLeft();
    },
    async closeWrite() {
      throwIfLeft();
    },
    abort(reason) {
      left ??= { reason: reason ?? new StreamError(`read(${info.name}): stream is closed`, { code: "CLOSED" }) };
    },
  };
}
