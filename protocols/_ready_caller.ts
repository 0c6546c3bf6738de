/** A caller who is there already, with nothing left to be agreed on. */
import type { L7mpError } from "../lib/errors.ts";
import type { Incoming } from "../lib/protocol.ts";
import type { Stream } from "../lib/stream/stream.ts";

/** Accepting gives `stream`, or aborts it where the session has ended meanwhile; refusing aborts it with the error. */
export function readyCaller(
  stream: Stream,
  reject = (error: L7mpError): void => stream.abort(error),
): Incoming {
  return {
    info: stream.info,
    async accept(signal) {
      if (signal.aborted) stream.abort(signal.reason);
      signal.throwIfAborted();
      return stream;
    },
    reject: async (error) => reject(error),
  };
}
