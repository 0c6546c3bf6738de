/**
 * fast-check, with properties that are asked the same questions in every run: whether a change may land does not hang
 * on luck. The search for what they miss is a run of its own, with `L7MP_PROPERTY_RUNS=50`: fifty times as many
 * questions, other ones each time; what fails there prints the seed and the path that ask it again.
 */
import * as fc from "fast-check";

export * from "fast-check";

const times = Number(Deno.env.get("L7MP_PROPERTY_RUNS") ?? 0);

// The overloads are fast-check's own: a promise for asynchronous properties, nothing for the others.
export const assert = ((property: fc.IAsyncProperty<unknown>, params?: fc.Parameters<unknown>) =>
  fc.assert(
    property,
    times > 0 ? { ...params, numRuns: (params?.numRuns ?? 100) * times } : { seed: 1, ...params },
  )) as typeof fc.assert;
