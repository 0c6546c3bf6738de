/** Gives every message back, its type included. */
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { datagramEcho } from "../lib/stream/memory.ts";

const echoSpec = s.object({});

/** Messages wait (64 KiB, or one larger message) until they are received; then the sender waits. Nothing is dropped. */
export const echo: Protocol<s.SpecOf<typeof echoSpec>> = {
  name: "Echo",
  types: [{
    names: ["ECHO", "MIRROR"],
    role: "local",
    parameters: { form: "none" },
    withParameters: "PIPE",
    help: "Gives back every message as it was; with a path it is PIPE",
  }, {
    names: ["SOCKETPAIR"],
    role: "local",
    parameters: { form: "none" },
    help: "The same as ECHO",
  }],
  kind: "datagram",
  end: "half",
  spec: echoSpec,
  async connect(_spec, { signal }) {
    signal.throwIfAborted();
    return datagramEcho({ info: { protocol: "Echo", name: "ECHO" } });
  },
};
