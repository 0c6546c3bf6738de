/** Settings of those who get what others say: how much may wait for one that is slow. */
import * as s from "../lib/schema.ts";

/** What happens to a member that does not read as fast as the others talk. */
export const memberOptions = {
  queue: s.integer({ min: 1, default: 256, group: "members", help: "Messages that wait for a slow member, at most" }),
  slow: s.choice(["drop", "block", "close"], {
    default: "drop",
    group: "members",
    help: "A member whose queue is full loses messages (counted), holds all up, or is closed",
  }),
};
