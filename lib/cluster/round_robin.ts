/** The policy `RoundRobin`. */
import type { Candidates } from "./availability.ts";
import type { Balancer } from "./balancer.ts";
import type { Member } from "./member.ts";

/**
 * Members in turn, each as often as its weight says and as evenly spread as can be: with weights 3, 1, 1 the order is
 * a a b a c... and never a a a b c. Every member gains its weight at each pick, and the one with the most, which is
 * picked, pays for all.
 */
export class RoundRobin implements Balancer {
  readonly #credits = new WeakMap<Member, number>();

  update(): void {}

  pick({ untried }: Candidates): Member {
    let best = untried[0]!;
    let most = -Infinity;
    let total = 0;
    for (const member of untried) {
      const credit = (this.#credits.get(member) ?? 0) + member.weight;
      this.#credits.set(member, credit);
      total += member.weight;
      if (credit > most) [best, most] = [member, credit];
    }
    this.#credits.set(best, most - total);
    return best;
  }
}
