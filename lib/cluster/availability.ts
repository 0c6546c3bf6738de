/** Which members of a cluster may be picked just now. */
import type { Member } from "./member.ts";

/** What a balancer picks from. */
export interface Candidates {
  /** Never empty: the available members of the first priority that has any. */
  readonly available: readonly Member[];
  /** Never empty: those that this session has not failed with, of another priority if need be; all when it has with all. */
  readonly untried: readonly Member[];
  /** Whether a caller that has had `member` before may have it again, whatever its priority. */
  mayKeep(member: Member): boolean;
}

/** Neither unhealthy nor ejected. */
export function isAvailable(member: Member, nowMs: number): boolean {
  return member.healthy && member.ejectedUntilMs <= nowMs;
}

/**
 * The candidates among `members`, which are not empty. Only the first priority with an available member counts; where no
 * member of any priority is available, health is ignored and all members of the first priority count: to try what may
 * fail is better than to fail for certain. `tried`: those that this session has failed with.
 */
export function candidates(members: readonly Member[], nowMs: number, tried: ReadonlySet<Member>): Candidates {
  const fit = members.filter((member) => isAvailable(member, nowMs));
  const usable = fit.length > 0 ? fit : firstPriority(members);
  const available = firstPriority(usable);
  const rest = tried.size === 0 ? available : firstPriority(usable.filter((member) => !tried.has(member)));
  return {
    available,
    untried: rest.length > 0 ? rest : available,
    mayKeep: (member) => usable.includes(member) && !tried.has(member),
  };
}

function firstPriority(members: readonly Member[]): readonly Member[] {
  const first = members.reduce((least, { priority }) => Math.min(least, priority), Infinity);
  return members.filter(({ priority }) => priority === first);
}
