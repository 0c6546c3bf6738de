/** One message per direction, then its end (`-1`). */
import type { Step } from "../protocol.ts";
import { delegateBytes } from "../stream/delegate.ts";
import { limitMessages } from "../stream/ends.ts";
import type { DirectionOptions } from "../stream/relay.ts";
import type { Stream } from "../stream/stream.ts";

/**
 * The source and the way of a direction that ends after one message. Where steps make messages of a byte stream it is
 * the first they make, otherwise the first message or block, of at most `blockBytes`, of the source.
 */
export function oneMessage(source: Stream, way: DirectionOptions, blockBytes?: number): [Stream, DirectionOptions] {
  if (source.kind !== "byte" || way.payload !== "datagram") return [limitMessages(source, blockBytes), way];
  let over = false;
  // What the steps still hold belongs to later messages: they are not asked for it.
  const steps = way.steps.map((step): Step => ({
    push: (data, emit) => step.push(data, emit),
    end: (emit) => over ? undefined : step.end?.(emit),
    close: () => step.close?.(),
  }));
  const first: Step = {
    push(data, emit) {
      if (over) return;
      over = true;
      emit(data);
    },
  };
  const stream = delegateBytes(source, { read: async () => over ? null : await source.read() });
  return [stream, { ...way, steps: [...steps, first] }];
}
