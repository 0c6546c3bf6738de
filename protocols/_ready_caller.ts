/** A caller who is there already, with nothing left to be agreed on. */
import type { Incoming } from "../lib/protocol.ts";
import type { Stream } from "../lib/stream/stream.ts";

/**
 * Accepting gives `stream`, or aborts it where the session has ended meanwhile. Who is refused is told nothing, by a plain
 * close; but whoever finds the other side gone must not take that for the end of an answer, and gets a reset.
 */
export function readyCaller(stream: Stream): Incoming {
  return {
    info: stream.info,
    async accept(signal) {
      if (signal.aborted) stream.abort(signal.reason);
      signal.throwIfAborted();
      return stream;
    },
    reject: async (error) => stream.abort(error.side === "upstream" ? error : undefined),
  };
}
