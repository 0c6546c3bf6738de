/** The policy `HashRing`, also called `ConsistentHash`. */
import type { Candidates } from "./availability.ts";
import type { Balancer, BalancerTools, Metadata } from "./balancer.ts";
import { keyText } from "./key_text.ts";
import type { Member } from "./member.ts";
import { weightedRandom } from "./random.ts";
import { Ring } from "./ring.ts";

/**
 * Callers with the same value at a path of the metadata get the same member, also after a failure; without the path or a
 * value there, each gets a random one. The ring has all members, so that one that comes back finds the keys it had;
 * those of a member that is not available go to the next on the ring.
 */
export class HashRing implements Balancer {
  readonly #path: string | undefined;
  readonly #tools: BalancerTools;
  #members: readonly Member[] = [];
  /** Made at the first pick after a change: many changes in a row cost one ring. */
  #ring: Ring | undefined;

  constructor(path: string | undefined, tools: BalancerTools) {
    this.#path = path;
    this.#tools = tools;
  }

  update(members: readonly Member[]): void {
    this.#members = members;
    this.#ring = undefined;
  }

  pick({ available, untried }: Candidates, metadata: Metadata): Member {
    const { valueAt, random } = this.#tools;
    const key = this.#path === undefined ? undefined : keyText(valueAt(metadata, this.#path));
    if (key === undefined) return weightedRandom(untried, random);
    this.#ring ??= new Ring(this.#members);
    const fitting = available.length < this.#members.length ? new Set(available) : undefined;
    return this.#ring.owner(key, (member) => fitting?.has(member) ?? true) ?? available[0]!;
  }
}
