/** SYNC: sessions with the same label hear each other. */
import type { Protocol } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { memberOptions } from "./_member_options.ts";

const syncSpec = s.object({
  label: s.string({ help: "Whom to hear: all with the same label", example: "room" }),
  query: s.string({
    group: "members",
    help: "Take the label from the session's metadata at this path; two SYNCs then never share one",
    example: "/HTTP/url/path",
  }),
  self: s.boolean({ group: "members", help: "Hear oneself too" }),
  ...memberOptions,
});
export type SyncSpec = s.SpecOf<typeof syncSpec>;

/**
 * What one sends all others of its room get, in the same order and with its type. The end of a session's input is its
 * leave-taking: what waits for it still comes, then the end. A room is gone with its last member.
 */
export const sync: Protocol<SyncSpec> = {
  name: "Sync",
  types: [{
    names: ["SYNC"],
    role: "local",
    parameters: { form: "text", key: "label", label: "label", optional: true },
    help: "Sessions with the same label hear each other",
  }],
  kind: "datagram",
  end: "close",
  spec: syncSpec,
  async connect(spec, context) {
    context.signal.throwIfAborted();
    const { enterRoom, Rooms } = await import("./_rooms.ts");
    // A label that is written down means the same everywhere; one that callers bring means it among themselves.
    const scope = spec.query === undefined ? sync : spec;
    const make = () => new Rooms();
    const rooms = context.shared ? context.shared(scope, make) : make();
    return enterRoom(rooms, spec, context);
  },
};
