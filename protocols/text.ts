/** A fixed text to read; what is written goes to standard output. */
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { HandleStream } from "../lib/stream/handle_stream.ts";
import { standardOutput } from "./_standard_output.ts";

const textSpec = s.object({ text: s.string({ help: "The text" }) });

/** Gives the text, then the end. */
export const text: Protocol<s.SpecOf<typeof textSpec>> = {
  name: "TEXT",
  types: [{
    names: ["TEXT"],
    role: "local",
    parameters: { form: "text", key: "text", label: "text" },
    help: "Gives the text, then the end; writes to standard output",
  }],
  kind: "byte",
  end: "none",
  spec: textSpec,
  async connect(spec, context) {
    const { signal, direction } = context;
    signal.throwIfAborted();
    const output = direction === "read" ? undefined : standardOutput(context);
    let rest = new TextEncoder().encode(spec.text ?? "");
    const handle = {
      async read(buffer: Uint8Array) {
        if (rest.length === 0) return null;
        const count = Math.min(rest.length, buffer.length);
        buffer.set(rest.subarray(0, count));
        rest = rest.subarray(count);
        return count;
      },
      write: (bytes: Uint8Array) => output!.write(bytes),
      endWrite: () => output?.end(),
      close: () => output?.leave(),
    };
    return new HandleStream(handle, { protocol: "TEXT", name: "TEXT" }, direction);
  },
};
