/** The kinds of named objects: one row each of what the API does with all of them alike. */
import type { Draft } from "../control/control.ts";
import {
  dumpCluster,
  dumpEndPoint,
  dumpEndPoints,
  dumpListener,
  type DumpOptions,
  dumpRoute,
  dumpRule,
  dumpRuleList,
} from "../control/dump.ts";
import type { Snapshot } from "../control/objects.ts";

type Json = Record<string, unknown>;

export interface Kind<T extends object = object> {
  /** In paths: `/listeners`. */
  readonly plural: string;
  /** The key that wraps it in a body, and its name in texts. */
  readonly singular: string;
  /** Of its schema, and in names of operations: `getListener`. */
  readonly title: string;
  /** The object of that name as it is held, for its tag. */
  find(snapshot: Snapshot, name: string): T | undefined;
  /** JSON form, as GET shows it. */
  dump(snapshot: Snapshot, object: T, options?: DumpOptions): Json;
  /** JSON form that defines it again, which a patch is applied to. */
  definition(snapshot: Snapshot, object: T): Json;
  replace(draft: Draft, name: string, document: unknown): void;
  remove(draft: Draft, name: string, recursive: boolean): void;
}

/** A kind with a list of its own. */
export interface ListedKind<T extends object = object> extends Kind<T> {
  all(snapshot: Snapshot): Iterable<T>;
  add(draft: Draft, document: unknown): void;
}

/** One whose plain form defines it again. */
function kind<T extends object>(row: Omit<ListedKind<T>, "definition"> & Partial<Kind<T>>): ListedKind<T> {
  return { definition: (snapshot, object) => row.dump(snapshot, object), ...row };
}

// A document comes from the network: the draft checks it.
export const listeners = kind({
  plural: "listeners",
  singular: "listener",
  title: "Listener",
  find: ({ listeners }, name) => listeners.get(name),
  all: ({ listeners }) => listeners.values(),
  dump: dumpListener,
  add: (draft, document) => draft.addListener(document as never),
  replace: (draft, name, document) => draft.replaceListener(name, document as never),
  remove: (draft, name, recursive) => draft.deleteListener(name, recursive),
});

export const clusters = kind({
  plural: "clusters",
  singular: "cluster",
  title: "Cluster",
  find: ({ clusters }, name) => clusters.get(name),
  all: ({ clusters }) => clusters.values(),
  dump: (_, cluster, options) => dumpCluster(cluster, options),
  definition: (_, cluster) =>
    cluster.virtual ? dumpCluster(cluster) : { ...dumpCluster(cluster), endpoints: dumpEndPoints(cluster) },
  add: (draft, document) => draft.addCluster(document as never),
  replace: (draft, name, document) => draft.replaceCluster(name, document as never),
  remove: (draft, name, recursive) => draft.deleteCluster(name, recursive),
});

export const ruleLists = kind({
  plural: "rulelists",
  singular: "rulelist",
  title: "RuleList",
  find: ({ rulelists }, name) => rulelists.get(name),
  all: ({ rulelists }) => rulelists.values(),
  dump: dumpRuleList,
  add: (draft, document) => draft.addRuleList(document as never),
  replace: (draft, name, document) => draft.replaceRuleList(name, document as never),
  remove: (draft, name, recursive) => draft.deleteRuleList(name, recursive),
});

export const rules = kind({
  plural: "rules",
  singular: "rule",
  title: "Rule",
  find: ({ rules }, name) => rules.get(name),
  all: ({ rules }) => rules.values(),
  dump: dumpRule,
  add: (draft, document) => draft.addRule(document as never),
  replace: (draft, name, document) => draft.replaceRule(name, document as never),
  remove: (draft, name, recursive) => draft.deleteRule(name, recursive),
});

export const routes = kind({
  plural: "routes",
  singular: "route",
  title: "Route",
  find: ({ routes }, name) => routes.get(name),
  all: ({ routes }) => routes.values(),
  dump: dumpRoute,
  add: (draft, document) => draft.addRoute(document as never),
  replace: (draft, name, document) => draft.replaceRoute(name, document as never),
  remove: (draft, name, recursive) => draft.deleteRoute(name, recursive),
});

/** Has no list of its own: an endpoint is added to a cluster. */
export const endPoints: Kind<Parameters<typeof dumpEndPoint>[0]> = {
  plural: "endpoints",
  singular: "endpoint",
  title: "EndPoint",
  find({ clusters }, name) {
    for (const { endpoints } of clusters.values()) {
      const found = endpoints.find((endpoint) => endpoint.name === name);
      if (found) return found;
    }
  },
  dump: (_, endpoint) => dumpEndPoint(endpoint),
  definition: (_, endpoint) => dumpEndPoint(endpoint),
  replace: (draft, name, document) => draft.replaceEndPoint(name, document as never),
  remove: (draft, name, recursive) => draft.deleteEndPoint(name, recursive),
};
