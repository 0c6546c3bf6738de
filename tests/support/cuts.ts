/** Cutting bytes in pieces, for properties: any splitting has to give the same. */
import * as fc from "fast-check";

/** Where to cut, as `cutAt` takes it: all places alike, for `fc.double` gives little but numbers next to zero. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.nat(999).map((n) => n / 1000), { size: "max", maxLength: 8 });

/** Cuts `data` at the given fractions. */
export function cutAt(data: Uint8Array, fractions: readonly number[]): Uint8Array[] {
  const places = fractions.map((f) => Math.floor(f * (data.length + 1))).toSorted((a, b) => a - b);
  const edges = [0, ...places, data.length];
  return edges.slice(1).map((end, i) => data.subarray(edges[i], end)).filter((piece) => piece.length > 0);
}
