/** The policy `LeastRequest`. */
import type { Candidates } from "./availability.ts";
import type { Balancer } from "./balancer.ts";
import type { Member } from "./member.ts";
import { weightedRandom } from "./random.ts";

/**
 * The member with the fewest sessions for its weight. Among equals chance decides, as weights say: a cluster whose
 * sessions are too short to meet each other is shared all the same.
 */
export class LeastRequest implements Balancer {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  update(): void {}

  pick({ untried }: Candidates): Member {
    let least = Infinity;
    let best: Member[] = [];
    for (const member of untried) {
      const load = member.active / member.weight;
      if (load > least) continue;
      if (load < least) best = [];
      least = load;
      best.push(member);
    }
    return weightedRandom(best, this.#random);
  }
}
