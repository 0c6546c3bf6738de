/** Bytes without end, for trying out how much something takes: zeros, and random ones. */
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { HandleStream } from "../lib/stream/handle_stream.ts";
import { nextTask } from "../lib/stream/timer.ts";

const endlessSpec = s.object({});

/** What `crypto.getRandomValues` gives at most in one call, in bytes. */
const mostRandomBytes = 65_536;

/** Swallows what is written. `fill` puts bytes in front of the buffer and tells how many. */
function endless(
  { name, help, fill }: { name: string; help: string; fill(buffer: Uint8Array): number },
): Protocol<s.SpecOf<typeof endlessSpec>> {
  return {
    name,
    types: [{ names: [name], role: "local", parameters: { form: "none" }, help }],
    kind: "byte",
    end: "none",
    spec: endlessSpec,
    async connect(_spec, { signal, direction }) {
      signal.throwIfAborted();
      const handle = {
        async read(buffer: Uint8Array) {
          // Nothing else makes a session wait that discards what it reads: signals and time limits would never come.
          await nextTask();
          return fill(buffer);
        },
        write: async (bytes: Uint8Array) => bytes.length,
        close() {},
      };
      return new HandleStream(handle, { protocol: name, name }, direction);
    },
  };
}

export const zero = endless({
  name: "ZERO",
  help: "Zeros without end (readbytes= limits them); swallows what is written",
  fill: (buffer) => buffer.fill(0).length,
});

export const random = endless({
  name: "RANDOM",
  help: "Random bytes without end (readbytes= limits them); swallows what is written",
  fill: (buffer) => crypto.getRandomValues(buffer.subarray(0, mostRandomBytes)).length,
});
