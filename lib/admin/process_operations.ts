/** The configuration as a whole, the settings of the process, its sessions and its health. */
import { configOf, dumpAdmin } from "../control/dump.ts";
import { isPlainObject } from "../schema.ts";
import { ok } from "./answer.ts";
import { Fault } from "./fault.ts";
import { mergePatch } from "./merge_patch.ts";
import {
  array,
  type Call,
  changed,
  isOn,
  type Json,
  type Operation,
  status,
  Tagged,
  unwrapObject,
  wrapped,
} from "./operation.ts";
import { checkIfMatch } from "./precondition.ts";
import { ref } from "./schemas.ts";
import { watchSessions } from "./watch.ts";

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

export const ofProcess: readonly Operation[] = [
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
      // Other keys mean nothing, but a body of nothing else was meant for something else: it would delete everything.
      const keys = Object.keys(body);
      if (keys.length > 0 && !keys.some((key) => sections.includes(key))) {
        throw new Fault(400, `Cannot load configuration: One of ${sections.join(", ")} is expected, not wrapped`);
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

/** What a configuration is made of. */
const sections = ["admin", "listeners", "clusters", "rulelists", "rules", "routes"];

function noSuchSession(): Fault {
  return new Fault(400, "No such session");
}

export const ofSessions: readonly Operation[] = [
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

export const ofHealth: readonly Operation[] = [
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
