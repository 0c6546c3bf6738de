/** Callers that stay where they were. */
import type { Candidates } from "./availability.ts";
import type { Balancer, BalancerTools, Metadata } from "./balancer.ts";
import { keyText } from "./key_text.ts";
import type { StickySettings } from "./load_balancing.ts";
import { md5Hex } from "./md5.ts";
import type { Member } from "./member.ts";

/** Longer keys are remembered by their digest, so that what a caller sends does not decide what we store. */
const longestKey = 64;

/**
 * Remembers which member the balancer below picked for a value at a path of the metadata, and gives it again as long as
 * it is available and the session has not just failed with it; then the balancer picks another, which stays. Callers
 * without a value are not remembered. At most `maxKeys` are: the one that was not seen for the longest time goes.
 */
export class Sticky implements Balancer {
  readonly #balancer: Balancer;
  readonly #settings: StickySettings;
  readonly #tools: BalancerTools;
  /** In the order of their last use. */
  readonly #kept = new Map<string, { readonly member: Member; readonly untilMs: number }>();

  constructor(balancer: Balancer, settings: StickySettings, tools: BalancerTools) {
    this.#balancer = balancer;
    this.#settings = settings;
    this.#tools = tools;
  }

  update(members: readonly Member[]): void {
    this.#balancer.update(members);
  }

  pick(candidates: Candidates, metadata: Metadata): Member {
    const { path, ttlMs, maxKeys } = this.#settings;
    const text = keyText(this.#tools.valueAt(metadata, path));
    if (text === undefined) return this.#balancer.pick(candidates, metadata);
    const key = text.length > longestKey ? `md5 ${md5Hex(text)}` : text;
    const now = this.#tools.now();
    const kept = this.#kept.get(key);
    const stays = kept !== undefined && kept.untilMs > now && candidates.mayKeep(kept.member);
    const member = stays ? kept.member : this.#balancer.pick(candidates, metadata);
    this.#kept.delete(key);
    this.#kept.set(key, { member, untilMs: now + ttlMs });
    if (this.#kept.size > maxKeys) this.#kept.delete(this.#kept.keys().next().value!);
    return member;
  }
}
