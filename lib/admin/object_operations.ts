/** What can be done with the objects of every kind alike. */
import type { Snapshot } from "../control/objects.ts";
import { Fault, notFound } from "./fault.ts";
import { endPoints, type Kind, type ListedKind } from "./kinds.ts";
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
import { named, ref } from "./schemas.ts";

/** Show, replace, patch and delete one. */
export function oneObject<T extends object>(kind: Kind<T>): readonly Operation[] {
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

/** List them, and add one. */
export function allObjects<T extends object>(kind: ListedKind<T>): readonly Operation[] {
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
