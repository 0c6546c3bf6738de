/** `broadcast:`: one connection for all sessions of an address. What any of them says goes to it, what it says to all. */
import { ConfigError } from "../lib/errors.ts";
import type { Layer } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { memberOptions } from "./_member_options.ts";

const spec = s.object(memberOptions);
export type BroadcastSpec = s.SpecOf<typeof spec>;

const help = "One connection for all sessions: it hears all of them, and all hear it";

/**
 * The connection is opened for the first session and closed after the last; while it is being opened others wait for
 * the same. Nobody's end or failure is told to it, since others go on. Its own end or failure is that of all sessions,
 * and the next one opens it again.
 */
export const broadcast: Layer<BroadcastSpec> = {
  name: "Broadcast",
  types: [],
  schemes: ["broadcast"],
  overlays: [{ name: "broadcast", role: "connect", help }, { name: "reuse", role: "connect", help: "As broadcast:" }],
  needs: "any",
  gives: "same",
  end: "none",
  spec,
  check(_spec, { role }) {
    if (role === "listen") throw new ConfigError("broadcast: shares a connection, so it stands before what connects");
  },
  async share(open, spec, context) {
    const { Hub } = await import("./_hub.ts");
    const make = () => new Hub();
    const hub = context.shared ? context.shared(spec, make) : make();
    return await hub.join(open, spec, context);
  },
};
