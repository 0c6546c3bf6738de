/** Swallows everything and has nothing to say. */
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { fixedDatagrams } from "./_fixed.ts";

const discardSpec = s.object({});

/** Receiving gives the end at once; sending always succeeds. */
export const discard: Protocol<s.SpecOf<typeof discardSpec>> = {
  name: "Discard",
  types: [{
    names: ["DISCARD", "NULL", "DEVNULL", "DUMMY", "EMPTY"],
    role: "local",
    parameters: { form: "none" },
    help: "Swallows everything, gives nothing",
  }],
  kind: "datagram",
  end: "none",
  spec: discardSpec,
  async connect(_spec, { signal }) {
    signal.throwIfAborted();
    return fixedDatagrams([], { protocol: "Discard", name: "DISCARD" });
  },
};
