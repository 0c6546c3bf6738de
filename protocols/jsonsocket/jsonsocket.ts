/**
 * JSONSocket version 1, both sides, over any stream: a JSON header in each direction, and then the stream below as it
 * is. The server's comes only once there is somebody to talk to.
 */
import { ConfigError } from "../../lib/errors.ts";
import type { Layer } from "../../lib/protocol.ts";
import * as s from "../../lib/schema.ts";
import { headerItems } from "./header.ts";

/** Absent in the document: nobody waits longer for a header that never comes. */
const handshakeMs = 10_000;

const jsonSocketSpec = s.object({
  header: headerItems,
  handshake_timeout: s.duration({
    default: handshakeMs,
    group: "jsonsocket",
    help: "How long the other side's header is waited for",
  }),
});
export type JsonSocketSpec = s.SpecOf<typeof jsonSocketSpec>;

export const jsonSocket: Layer<JsonSocketSpec> = {
  name: "JSONSocket",
  types: [
    {
      names: ["JSONSOCKET", "JSONSOCKET-CONNECT"],
      role: "connect",
      parameters: { form: "host:port" },
      help: "Connect over UDP to a JSONSocket server; jsonsocket:unix:PATH and the like over other types",
    },
    {
      names: ["JSONSOCKET-LISTEN", "JSONSOCKET-L", "L-JSONSOCKET", "LISTEN-JSONSOCKET"],
      role: "listen",
      parameters: { form: "[host:]port" },
      help: "Serve JSONSocket clients over UDP; jsonsocket:unix-l:PATH and the like over other types",
    },
  ],
  schemes: ["jsonsocket"],
  overlays: [{ name: "jsonsocket", role: "connect" }, { name: "jsonsocket", role: "listen" }],
  needs: "any",
  gives: "same",
  end: "none",
  base: "UDP",
  spec: jsonSocketSpec,

  check({ header, handshake_timeout = handshakeMs }, { role }) {
    if (handshake_timeout === 0) throw new ConfigError("JSONSOCKET: a handshake-timeout of 0 leaves no time");
    if (header && role === "listen") throw new ConfigError('JSONSOCKET-LISTEN: option "header" is for clients');
  },

  async client(lower, spec, context) {
    const { connectJsonSocket } = await import("./client.ts");
    return await connectJsonSocket(lower, spec, context);
  },

  async server(lower, spec, context) {
    const { serveJsonSocket } = await import("./server.ts");
    return await serveJsonSocket(lower, spec, context);
  },
};
