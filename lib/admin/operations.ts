/** Every operation of the API as a value: its path, what it takes and gives, and what it does. */
import type { Control, Draft } from "../control/control.ts";
import { configOf, dumpAdmin, dumpEndPoints, dumpRule } from "../control/dump.ts";
import { ok } from "./answer.ts";
import { Fault, notFound } from "./fault.ts";
import { clusters, endPoints, type Kind, type ListedKind, listeners, routes, ruleLists, rules } from "./kinds.ts";
import { isPlainObject, mergePatch } from "./merge_patch.ts";
import type { Snapshot } from "../control/objects.ts";
import { checkIfMatch, type Tag } from "./precondition.ts";
import { type JsonSchema, named, ref } from "./schemas.ts";
import { watchSessions } from "./watch.ts";

type Json = Record<string, unknown>;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One request, taken apart. */
export interface Call {
  readonly control: Control;
  readonly request: Request;
  /** Of the path, percent-decoded. */
  readonly name: string;
  readonly position: string;
  readonly query: URLSearchParams;
  /** Parsed; undefined for an operation that takes none. */
  readonly body: unknown;
  readonly tag: Tag;
  /** In strict mode throws 422 for what does not fit; otherwise does nothing. */
  check(schema: JsonSchema, value: unknown): void;
}

/** What GET answers, with the tag that a conditional change refers to. */
export class Tagged {
  constructor(readonly value: unknown, readonly tag: string) {}
}

export interface Operation {
  readonly id: string;
  readonly method: Method;
  /** With `{name}` and `{position}`. */
  readonly path: string;
  readonly summary: string;
  /** Query parameters beside `format`, which every GET has. */
  readonly query?: readonly ("recursive" | "watch")[];
  /** Schema of the body. That of a merge patch says little: what comes of it is checked. */
  readonly body?: JsonSchema;
  /** Schema of a successful answer. */
  readonly answer: JsonSchema;
  /** The value to answer with, or the answer itself. Throws `Fault`, and what `Control.change` rejects with. */
  run(call: Call): unknown;
}

const status = ref("Status");
const wrapped = (kind: { singular: string }, schema: JsonSchema): JsonSchema => ({
  type: "object",
  properties: { [kind.singular]: schema },
  required: [kind.singular],
});
const array = (items: JsonSchema): JsonSchema => ({ type: "array", items });
const isOn = (query: URLSearchParams, parameter: string) => query.get(parameter) === "true";

/** What the body wraps. Whether it is a right definition is for the draft to say. */
function unwrap(body: unknown, key: string, cannot: string): unknown {
  const value = isPlainObject(body) ? body[key] : undefined;
  if (value === undefined) {
    throw new Fault(400, `${cannot}: {"${key}": {...}}: An object (a set of key-value pairs) is expected`);
  }
  return value;
}

function unwrapObject(body: unknown, key: string, cannot: string): Json {
  const value = unwrap(body, key, cannot);
  if (isPlainObject(value)) return value;
  throw new Fault(400, `${cannot}: ${key}: An object (a set of key-value pairs) is expected`);
}

async function changed(control: Control, edit: (draft: Draft) => void): Promise<typeof ok> {
  await control.change(edit);
  return ok;
}

function oneObject<T extends object>(kind: Kind<T>): readonly Operation[] {
  const { plural, singular, title } = kind;
  const path = `/${plural}/{name}`;
  const whole = wrapped(kind, ref(title));
  const cannot = `Cannot update ${singular}`;
  const found = ({ name, control }: Call, snapshot = control.snapshot) => {
    const object = kind.find(snapshot, name);
    if (!object) throw notFound(singular, name);
    return object;
  };
  const replace = (call: Call, document: (before: T, snapshot: Snapshot) => Json) =>
    changed(call.control, (draft) => {
      const before = found(call, draft.snapshot);
      checkIfMatch(call.request, call.tag(before));
      const given = document(before, draft.snapshot);
      if (given.name !== undefined && given.name !== call.name) {
        throw new Fault(400, `${cannot}: "${call.name}" cannot be renamed`);
      }
      kind.replace(draft, call.name, { ...given, name: call.name });
    });
  return [
    {
      id: `get${title}`,
      method: "GET",
      path,
      summary: `Show a ${singular}`,
      query: kind === endPoints as unknown ? undefined : ["recursive"],
      answer: ref(title),
      run(call) {
        const object = found(call);
        const recursive = isOn(call.query, "recursive");
        const view = kind.dump(call.control.snapshot, object, { recursive });
        // With what it refers to it is more than the object: no tag stands for that.
        return recursive ? view : new Tagged(view, call.tag(object));
      },
    },
    {
      id: `replace${title}`,
      method: "PUT",
      path,
      summary: `Put another definition in the place of a ${singular}`,
      body: whole,
      answer: status,
      run: (call) => replace(call, () => unwrapObject(call.body, singular, cannot)),
    },
    {
      id: `patch${title}`,
      method: "PATCH",
      path,
      summary: `Change a ${singular} by a merge patch (RFC 7396)`,
      body: wrapped(kind, { type: "object" }),
      answer: status,
      run: (call) =>
        replace(call, (before, snapshot) => {
          const patch = unwrapObject(call.body, singular, cannot);
          const merged = mergePatch(kind.definition(snapshot, before), patch) as Json;
          call.check(whole, { [singular]: merged });
          return merged;
        }),
    },
    {
      id: `delete${title}`,
      method: "DELETE",
      path,
      summary: `Delete a ${singular}`,
      query: ["recursive"],
      answer: status,
      run: (call) =>
        changed(call.control, (draft) => {
          const object = kind.find(draft.snapshot, call.name);
          if (object) checkIfMatch(call.request, call.tag(object));
          kind.remove(draft, call.name, isOn(call.query, "recursive"));
        }),
    },
  ];
}

function allObjects<T extends object>(kind: ListedKind<T>): readonly Operation[] {
  const { plural, singular, title } = kind;
  return [
    {
      id: `get${title}s`,
      method: "GET",
      path: `/${plural}`,
      summary: `List ${plural}`,
      query: ["recursive"],
      answer: array(ref(title)),
      run({ control: { snapshot }, query }) {
        const recursive = isOn(query, "recursive");
        return [...kind.all(snapshot)].map((object) => kind.dump(snapshot, object, { recursive }));
      },
    },
    {
      id: `add${title}`,
      method: "POST",
      path: `/${plural}`,
      summary: `Add a ${singular}`,
      body: wrapped(kind, named(title)),
      answer: status,
      run({ control, body }) {
        const document = unwrapObject(body, singular, `Cannot add ${title === "RuleList" ? title : singular}`);
        return changed(control, (draft) => kind.add(draft, document));
      },
    },
  ];
}

const objects = <T extends object>(kind: ListedKind<T>) => [...allObjects(kind), ...oneObject(kind)];

const ofClusters: readonly Operation[] = [
  {
    id: "getEndPoints",
    method: "GET",
    path: "/clusters/{name}/endpoints",
    summary: "List the endpoints of a cluster",
    answer: array(ref("EndPoint")),
    run({ control: { snapshot }, name }) {
      const cluster = snapshot.clusters.get(name);
      if (!cluster) throw new Fault(400, `No such cluster: ${name}`);
      return dumpEndPoints(cluster);
    },
  },
  {
    id: "addEndPoint",
    method: "POST",
    path: "/clusters/{name}/endpoints",
    summary: "Add an endpoint to a cluster",
    body: wrapped(endPoints, ref("EndPoint")),
    answer: status,
    run({ control, name, body }) {
      const document = unwrapObject(body, "endpoint", "Cannot add endpoint");
      return changed(control, (draft) => {
        if (!draft.snapshot.clusters.has(name)) throw notFound("cluster", name);
        draft.addEndPoint(name, document as never);
      });
    },
  },
];

/** Digits alone are a position; everything else, `10-block` too, is the name of a rule. */
function positionOf(text: string): number | undefined {
  return /^(0|[1-9]\d*)$/.test(text) ? Number(text) : undefined;
}

const ofRuleLists: readonly Operation[] = [
  {
    id: "getRuleFromRuleList",
    method: "GET",
    path: "/rulelists/{name}/rules/{position}",
    summary: "Show the rule at a position of a rule list",
    query: ["recursive"],
    answer: ref("Rule"),
    run({ control: { snapshot }, name, position, query, tag }) {
      const list = snapshot.rulelists.get(name);
      if (!list) throw notFound("RuleList", name);
      const rule = list.rules[positionOf(position) ?? -1];
      if (rule === undefined) throw new Fault(400, `No rule at position ${position} in RuleList "${name}"`);
      const object = snapshot.rules.get(rule);
      if (!object) throw notFound("rule", rule);
      const recursive = isOn(query, "recursive");
      const view = dumpRule(snapshot, object, { recursive });
      return recursive ? view : new Tagged(view, tag(object));
    },
  },
  {
    id: "addRuleToRuleList",
    method: "POST",
    path: "/rulelists/{name}/rules/{position}",
    summary: "Insert a rule into a rule list, before a position",
    body: wrapped(rules, { anyOf: [{ type: "string" }, ref("Rule")] }),
    answer: status,
    run({ control, name, position, body }) {
      const rule = unwrap(body, "rule", "Cannot add rule");
      const place = positionOf(position);
      return changed(control, (draft) => {
        if (!draft.snapshot.rulelists.has(name)) throw notFound("RuleList", name);
        if (place === undefined) throw new Fault(400, `Cannot insert rule at position ${position} into rulelist`);
        draft.insertRule(name, place, rule as never);
      });
    },
  },
  {
    id: "deleteRuleFromRuleList",
    method: "DELETE",
    path: "/rulelists/{name}/rules/{position}",
    summary: "Take a rule out of a rule list, by position or by name; recursive: delete it too",
    query: ["recursive"],
    answer: status,
    run: (call) =>
      changed(call.control, (draft) => {
        const { name, position, request, tag, query } = call;
        const list = draft.snapshot.rulelists.get(name);
        if (!list) throw notFound("RuleList", name);
        const place = positionOf(position);
        const rule = draft.snapshot.rules.get(place === undefined ? position : list.rules[place] ?? "");
        if (rule) checkIfMatch(request, tag(rule));
        draft.unlinkRule(name, place ?? position, isOn(query, "recursive"));
      }),
  },
];

function noSuchSession(): Fault {
  return new Fault(400, "No such session");
}

const ofSessions: readonly Operation[] = [
  {
    id: "getSessions",
    method: "GET",
    path: "/sessions",
    summary: "List sessions; watch: stream changes of them, one JSON object a line",
    query: ["watch"],
    answer: array(ref("Session")),
    run: ({ control, query, request }) =>
      isOn(query, "watch") && request.method === "GET" ? watchSessions(control) : control.sessions(),
  },
  {
    id: "getSession",
    method: "GET",
    path: "/sessions/{name}",
    summary: "Show a session",
    answer: ref("Session"),
    run({ control, name }) {
      const session = control.session(name);
      if (!session) throw noSuchSession();
      return session;
    },
  },
  {
    id: "deleteSession",
    method: "DELETE",
    path: "/sessions/{name}",
    summary: "End a session",
    answer: status,
    run({ control, name }) {
      if (!control.endSession(name)) throw noSuchSession();
      return ok;
    },
  },
];

const admin = { singular: "admin" };

const wrappedAdmin = wrapped(admin, ref("Admin"));

function updateAdmin(call: Call, edit: (before: Json, given: Json) => unknown) {
  const given = unwrapObject(call.body, "admin", "Cannot update admin");
  return changed(call.control, (draft) => {
    const before = { ...draft.snapshot.admin };
    checkIfMatch(call.request, call.tag(before));
    const settings = edit(before, given) as Json;
    call.check(wrappedAdmin, { admin: settings });
    draft.replaceAdmin(settings);
  });
}

const ofProcess: readonly Operation[] = [
  {
    id: "getConf",
    method: "GET",
    path: "/config",
    summary: "Show everything: the whole configuration, endpoints and sessions; it can be loaded again",
    answer: ref("Config"),
    run: ({ control }) => configOf(control.snapshot, control, control.sessions()),
  },
  {
    id: "setConf",
    method: "POST",
    path: "/config",
    summary: "Load another configuration in place of this one: what is the same stays, with its sessions",
    body: ref("Config"),
    answer: status,
    async run({ control, body }) {
      if (!isPlainObject(body)) {
        throw new Fault(400, "Cannot load configuration: An object (a set of key-value pairs) is expected");
      }
      await control.reload(body);
      return ok;
    },
  },
  {
    id: "getAdmin",
    method: "GET",
    path: "/admin",
    summary: "Show the settings of the process",
    answer: ref("Admin"),
    run: ({ control, tag }) => new Tagged(dumpAdmin(control.snapshot.admin, control), tag(control.snapshot.admin)),
  },
  {
    id: "applyAdmin",
    method: "POST",
    path: "/admin",
    summary: "Change those settings of the process that are given",
    body: wrappedAdmin,
    answer: status,
    run: (call) => updateAdmin(call, (before, given) => ({ ...before, ...given })),
  },
  {
    id: "replaceAdmin",
    method: "PUT",
    path: "/admin",
    summary: "Change all settings of the process: those not given get their defaults",
    body: wrappedAdmin,
    answer: status,
    run: (call) => updateAdmin(call, (_, given) => given),
  },
  {
    id: "patchAdmin",
    method: "PATCH",
    path: "/admin",
    summary: "Change settings of the process by a merge patch (RFC 7396)",
    body: wrapped(admin, { type: "object" }),
    answer: status,
    run: (call) => updateAdmin(call, mergePatch),
  },
];

/** All but the description of the API itself. */
export const operations: readonly Operation[] = [
  ...ofProcess,
  ...objects(listeners),
  ...objects(clusters),
  ...objects(ruleLists),
  ...objects(rules),
  ...objects(routes),
  ...ofClusters,
  ...oneObject(endPoints),
  ...ofRuleLists,
  ...ofSessions,
  {
    id: "getHealth",
    method: "GET",
    path: "/healthz",
    summary: "Whether the process answers",
    answer: status,
    run: () => ok,
  },
  {
    id: "getReadiness",
    method: "GET",
    path: "/readyz",
    summary: "Whether all listeners are open and the process is not ending",
    answer: status,
    run({ control }) {
      if (!control.ready) throw new Fault(503, "Not ready: not all listeners are open, or the process is ending");
      return ok;
    },
  },
];
