/** How a codec becomes a step of a transform: bytes to messages, or messages to bytes, by what comes in. */
import { LimitError, messageOf } from "../lib/errors.ts";
import type { Step, StepContext } from "../lib/protocol.ts";
import { concat } from "../lib/stream/concat.ts";
import type { Codec } from "../lib/stream/framer.ts";

/** Up to this size a message and its frame become one write; beyond, the copy costs more than a second write. */
const gatherBytes = 65_536;

/** The bound of a message, and the name of the option that sets it. */
export function messageLimit(max: number | undefined, context: StepContext): { bytes: number; option: string } {
  return max === undefined ? { bytes: context.maxMessageBytes, option: "max-message" } : { bytes: max, option: "max" };
}

export function framingStep(codec: Codec, context: StepContext): Step {
  return context.input === "byte" ? splittingStep(codec) : joiningStep(codec, context);
}

function splittingStep(codec: Codec): Step {
  const decoder = codec.decoder();
  return {
    push(chunk, emit) {
      decoder.push(chunk.data);
      for (let data = decoder.next(); data !== null; data = decoder.next()) emit({ data });
    },
    end(emit) {
      const data = decoder.end();
      if (data !== null) emit({ data });
    },
  };
}

function joiningStep(codec: Codec, context: StepContext): Step {
  return {
    push(message, emit) {
      let pieces: readonly Uint8Array[];
      try {
        pieces = codec.encode(message.data);
      } catch (error) {
        if (!(error instanceof LimitError)) throw error;
        context.drop();
        context.log.warn("datagram.dropped", `${messageOf(error)}, dropped`, { bytes: message.data.length });
        return;
      }
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
      if (bytes <= gatherBytes) return bytes > 0 ? emit({ data: concat(pieces) }) : undefined;
      for (const data of pieces) if (data.length > 0) emit({ data });
    },
  };
}
