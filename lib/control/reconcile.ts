/** What two snapshots have in common keeps its identity, so that only what differs is opened anew. */
import { keepNames } from "./keep_names.ts";
import type { ClusterObject, EndPointObject, Snapshot } from "./objects.ts";
import { shownSpec } from "./shown_spec.ts";

/**
 * `given`, where every object that is the same in `old` is that very one, and parts that were written inline have the
 * names they have in `old`. What is new comes after what was there.
 */
export function reconcile(old: Snapshot, given: Snapshot): Snapshot {
  const next = keepNames(old, given);
  const result: Snapshot = {
    admin: same(old.admin, next.admin) ? old.admin : next.admin,
    listeners: keep(old.listeners, next.listeners),
    clusters: keep(old.clusters, next.clusters, sameCluster, keepEndPoints),
    rulelists: keep(old.rulelists, next.rulelists),
    rules: keep(old.rules, next.rules),
    routes: keep(old.routes, next.routes),
  };
  const keys = Object.keys(result) as (keyof Snapshot)[];
  return keys.every((key) => result[key] === old[key]) ? old : result;
}

function keep<T>(
  old: ReadonlyMap<string, T>,
  next: ReadonlyMap<string, T>,
  alike: (old: T, next: T) => boolean = same,
  merge = (_old: T, next: T) => next,
): ReadonlyMap<string, T> {
  const result = new Map<string, T>();
  for (const [name, before] of old) {
    const object = next.get(name);
    if (object !== undefined) result.set(name, alike(before, object) ? before : merge(before, object));
  }
  for (const [name, object] of next) if (!result.has(name)) result.set(name, object);
  const unchanged = result.size === old.size && [...result].every(([name, object]) => old.get(name) === object);
  return unchanged ? old : result;
}

/** A dump, loaded again, is the same although it shows a little less, or more, than was given. */
function sameCluster(old: ClusterObject, next: ClusterObject): boolean {
  return same({ ...old, spec: shownSpec(old.spec) }, { ...next, spec: shownSpec(next.spec) });
}

/** Endpoints that are the same stay the same in a cluster that is not. */
function keepEndPoints(old: ClusterObject, next: ClusterObject): ClusterObject {
  const before = new Map(old.endpoints.map((endpoint) => [endpoint.name, endpoint]));
  const kept = (endpoint: EndPointObject) => {
    const other = before.get(endpoint.name);
    return other && same(other, endpoint) ? other : endpoint;
  };
  return { ...next, endpoints: next.endpoints.map(kept) };
}

/** Whether two values of plain data are equal; the order of keys means nothing. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) =>
    Object.hasOwn(b, key) && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])
  );
}
