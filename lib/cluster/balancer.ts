/** What picks a member for a session, and the list of policies. */
import type { Candidates } from "./availability.ts";
import { HashRing } from "./hash_ring.ts";
import { LeastRequest } from "./least_request.ts";
import type { LoadBalancing } from "./load_balancing.ts";
import type { Member } from "./member.ts";
import { Random } from "./random.ts";
import { RoundRobin } from "./round_robin.ts";
import { Sticky } from "./sticky.ts";
import { trivial } from "./trivial.ts";

export type Metadata = Readonly<Record<string, unknown>>;

export interface Balancer {
  /** Told all members, before the first pick and after every change of them; there may be none. */
  update(members: readonly Member[]): void;
  /** `metadata`: of the session, after the rewrites of its rule. */
  pick(candidates: Candidates, metadata: Metadata): Member;
}

export interface BalancerTools {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** From 0, which is included, to 1, which is not. */
  random(): number;
  /** The value at a path of the metadata; undefined: there is none. */
  valueAt(metadata: Metadata, path: string): unknown;
}

export function makeBalancer(settings: LoadBalancing, tools: BalancerTools): Balancer {
  const balancer = ofPolicy(settings, tools);
  return settings.sticky ? new Sticky(balancer, settings.sticky, tools) : balancer;
}

function ofPolicy({ policy, key }: LoadBalancing, tools: BalancerTools): Balancer {
  switch (policy) {
    case "None":
    case "Trivial":
      return trivial;
    case "RoundRobin":
      return new RoundRobin();
    case "Random":
      return new Random(tools.random);
    case "LeastRequest":
      return new LeastRequest(tools.random);
    case "HashRing":
      return new HashRing(key, tools);
  }
}
