/** The policy `Trivial`. */
import type { Balancer } from "./balancer.ts";

/** Always the first available member, also for a session that has just failed with it. */
export const trivial: Balancer = {
  update: () => {},
  pick: ({ available }) => available[0]!,
};
