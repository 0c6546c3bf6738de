/** The policy `Random`, and the weighted choice that others fall back on. */
import type { Candidates } from "./availability.ts";
import type { Balancer } from "./balancer.ts";
import type { Member } from "./member.ts";

/** One of `members`, which are not empty, each as likely as its weight says. */
export function weightedRandom(members: readonly Member[], random: () => number): Member {
  let left = random() * members.reduce((sum, { weight }) => sum + weight, 0);
  return members.find(({ weight }) => (left -= weight) < 0) ?? members.at(-1)!;
}

export class Random implements Balancer {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  update(): void {}

  pick({ untried }: Candidates): Member {
    return weightedRandom(untried, this.#random);
  }
}
