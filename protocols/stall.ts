/** Neither gives nor takes anything, and never ends: for trying out back-pressure. */
import { StreamError } from "../lib/errors.ts";
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";

const stallSpec = s.object({});

/** Reads and writes stay pending until `abort`. */
export const stall: Protocol<s.SpecOf<typeof stallSpec>> = {
  name: "STALL",
  types: [{
    names: ["STALL", "CLOGGED"],
    role: "local",
    parameters: { form: "none" },
    help: "Never readable, never writable, never ends",
  }],
  kind: "byte",
  end: "none",
  spec: stallSpec,
  async connect(_spec, { signal }) {
    signal.throwIfAborted();
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => {});
    return {
      kind: "byte",
      info: { protocol: "STALL", name: "STALL" },
      read: () => left.promise,
      write: () => left.promise,
      closeWrite: async () => {},
      abort: (reason) => left.reject(reason ?? new StreamError("read(STALL): stream is closed", { code: "CLOSED" })),
    };
  },
};
