/** Endpoints of a cluster, and rules of a rule list. */
import { dumpEndPoints, dumpRule } from "../control/dump.ts";
import { Fault, notFound } from "./fault.ts";
import { endPoints, rules } from "./kinds.ts";
import { array, changed, isOn, type Operation, status, Tagged, unwrap, unwrapObject, wrapped } from "./operation.ts";
import { checkIfMatch } from "./precondition.ts";
import { ref } from "./schemas.ts";

export const ofClusters: readonly Operation[] = [
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

export const ofRuleLists: readonly Operation[] = [
  {
    id: "getRuleFromRuleList",
    method: "GET",
    path: "/rulelists/{name}/rules/{position}",
    summary: "Show the rule at a position of a rule list",
    query: ["recursive"],
    answer: ref("Rule"),
    run({ control: { snapshot }, name, position, query, tag }) {
      const list = snapshot.rulelists.get(name);
      if (!list) throw new Fault(400, `No such rule list: ${name}`);
      if (!/^-?\d+$/.test(position)) throw new Fault(400, `Not Found: No position ${position} in RuleList "${name}"`);
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
