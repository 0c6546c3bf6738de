/** The circle of consistent hashing: points of members, and the owner of a key. */
import { md5 } from "./md5.ts";
import type { Member } from "./member.ts";

/** Points of a member of average weight. */
const averagePoints = 40;

/** Where a text stands on the circle: the first four bytes of its MD5 digest, lowest first. */
function position(text: string): number {
  return md5(text)[0];
}

/**
 * What a member's points are made from: its address; where that is not the only one, `address:port`; where that is not
 * either, its name.
 */
export function ringKeys(members: readonly Member[]): readonly string[] {
  const forms = members.map(({ name, address = name, port }) => [address, `${address}:${port}`, name]);
  const seen = new Map<string, number>();
  for (const key of forms.flatMap(([address, full]) => [`a ${address}`, `f ${full}`])) {
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  const alone = (key: string) => seen.get(key) === 1;
  return forms.map(([address, full, name]) => alone(`a ${address}`) ? address! : alone(`f ${full}`) ? full! : name!);
}

export class Ring {
  readonly #positions: Uint32Array;
  readonly #owners: readonly Member[];

  /**
   * Each of `members` gets `floor(weight / sum of weights * 40 * members)` points, in this order of reckoning since the
   * original's rounding errors decide who owns what, and at least one.
   */
  constructor(members: readonly Member[]) {
    const sum = members.reduce((sum, { weight }) => sum + weight, 0);
    const keys = ringKeys(members);
    const points = members.flatMap((member, i) => {
      const length = Math.max(1, Math.floor(member.weight / sum * averagePoints * members.length));
      return Array.from({ length }, (_, n) => ({ at: position(`${keys[i]}-${n}`), member }));
    });
    points.sort((a, b) => a.at - b.at);
    this.#positions = Uint32Array.from(points, ({ at }) => at);
    this.#owners = points.map(({ member }) => member);
  }

  get size(): number {
    return this.#owners.length;
  }

  /** Points of `member`. */
  pointsOf(member: Member): number {
    return this.#owners.filter((owner) => owner === member).length;
  }

  /**
   * The owner of the first point at or after that of `key` whose member `fits`; so keys move only away from members that
   * do not. Undefined: none fits.
   */
  owner(key: string, fits: (member: Member) => boolean): Member | undefined {
    const first = this.#firstAtOrAfter(position(key));
    for (let i = 0; i < this.size; i++) {
      const member = this.#owners[(first + i) % this.size]!;
      if (fits(member)) return member;
    }
    return undefined;
  }

  #firstAtOrAfter(wanted: number): number {
    let [low, high] = [0, this.size];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#positions[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
