/** The objects of a draft: maps that are copied when first changed, so that snapshots taken before stay as they are. */
import type { AdminDocument } from "../config/document.ts";
import type { ClusterObject, EndPointObject, NamedObject, ObjectKind, Snapshot } from "./objects.ts";

type ObjectOf<K extends ObjectKind> = Snapshot[K] extends ReadonlyMap<string, infer T extends NamedObject> ? T : never;

export class Store {
  #snapshot: Snapshot;
  /** Maps of `#snapshot` that nobody else has seen. */
  readonly #own = new Set<ObjectKind>();
  /** Clusters whose lists of endpoints nobody else has seen. */
  readonly #growing = new Set<ClusterObject>();
  /** The cluster of each endpoint; made when first asked for. */
  #endpoints: Map<string, string> | undefined;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** All objects as they are now. */
  get snapshot(): Snapshot {
    this.#disown();
    return this.#snapshot;
  }

  set snapshot(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.#disown();
    this.#endpoints = undefined;
  }

  setAdmin(admin: AdminDocument): void {
    this.#snapshot = { ...this.#snapshot, admin };
  }

  get<K extends ObjectKind>(kind: K, name: string): ObjectOf<K> | undefined {
    return this.#snapshot[kind].get(name) as ObjectOf<K> | undefined;
  }

  has(kind: ObjectKind, name: string): boolean {
    return this.#snapshot[kind].has(name);
  }

  /** Adds `object`, or puts it in the place of the one of its name. */
  set<K extends ObjectKind>(kind: K, object: ObjectOf<K>): void {
    const map = this.#map(kind);
    if (kind === "clusters") this.#forgetEndPoints(object.name);
    map.set(object.name, object);
    if (!("endpoints" in object)) return;
    for (const { name } of (object as unknown as ClusterObject).endpoints) this.#endpoints?.set(name, object.name);
  }

  /** Adds an endpoint, whose name nobody has, to the cluster of this name. Takes as long for the last of many as for the first. */
  addEndPoint(cluster: string, endpoint: EndPointObject): void {
    const object = this.#snapshot.clusters.get(cluster)!;
    if (this.#growing.has(object)) {
      (object.endpoints as EndPointObject[]).push(endpoint);
    } else {
      const grown = { ...object, endpoints: [...object.endpoints, endpoint] };
      this.#growing.add(grown);
      this.#map("clusters").set(cluster, grown);
    }
    this.#endpoints?.set(endpoint.name, cluster);
  }

  delete(kind: ObjectKind, name: string): void {
    if (kind === "clusters") this.#forgetEndPoints(name);
    this.#map(kind).delete(name);
  }

  /** Name of the cluster that has the endpoint of this name. */
  clusterOf(endpoint: string): string | undefined {
    if (!this.#endpoints) {
      this.#endpoints = new Map();
      for (const { name, endpoints } of this.#snapshot.clusters.values()) {
        for (const endpoint of endpoints) this.#endpoints.set(endpoint.name, name);
      }
    }
    return this.#endpoints.get(endpoint);
  }

  #disown(): void {
    this.#own.clear();
    this.#growing.clear();
  }

  #forgetEndPoints(cluster: string): void {
    for (const { name } of this.#snapshot.clusters.get(cluster)?.endpoints ?? []) this.#endpoints?.delete(name);
  }

  #map<K extends ObjectKind>(kind: K): Map<string, ObjectOf<K>> {
    if (!this.#own.has(kind)) {
      this.#snapshot = { ...this.#snapshot, [kind]: new Map(this.#snapshot[kind] as ReadonlyMap<string, unknown>) };
      this.#own.add(kind);
    }
    return this.#snapshot[kind] as unknown as Map<string, ObjectOf<K>>;
  }
}
