/** Blocks as messages: each block read from the byte side is one message, cut to at most N bytes where N is given. */
import type { Step, StepContext, Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const spec = s.object({
  max: s.size({ min: 1, help: "Largest message; longer blocks become several" }),
});
type ChunksSpec = s.SpecOf<typeof spec>;

export const chunks: Transform<ChunksSpec> = {
  name: "CHUNKS",
  types: [{
    names: ["CHUNKS"],
    role: "local",
    parameters: { form: "text", key: "max", label: "bytes", optional: true },
    help: "Each block read is a message; messages are written one after another",
  }],
  needs: "any",
  gives: "other",
  spec,
  forward: step,
  backward: step,
};

function step(spec: ChunksSpec, context: StepContext): Step {
  const largest = context.input === "byte" ? spec.max ?? Infinity : Infinity;
  return {
    push({ data }, emit) {
      if (data.length <= largest) return data.length > 0 ? emit({ data }) : undefined;
      for (let at = 0; at < data.length; at += largest) emit({ data: data.subarray(at, at + largest) });
    },
  };
}
