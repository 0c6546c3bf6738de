/** Who names an object, as the configuration that the REST API shows tells. */
import type { CtlKind } from "./ctl_kinds.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** The names in an object that mean objects of a kind. */
interface Place {
  /** Where such objects are in a configuration, and what one is called. */
  readonly list: string;
  readonly singular: string;
  names(object: Json): readonly unknown[];
}

const listenerRules: Place = { list: "listeners", singular: "listener", names: ({ rules }) => [rules] };
const listRules: Place = { list: "rulelists", singular: "rulelist", names: ({ rules }) => rules ?? [] };
const applied: Place = { list: "rules", singular: "rule", names: ({ action }) => [action?.apply] };
const routed: Place = { list: "rules", singular: "rule", names: ({ action }) => [action?.route] };
const passed: Place = {
  list: "routes",
  singular: "route",
  names: ({ destination, ingress = [], egress = [] }) => [destination, ...ingress, ...egress],
};

const places: Readonly<Record<string, readonly Place[]>> = {
  cluster: [passed],
  rulelist: [listenerRules, applied],
  rule: [listRules],
  route: [routed],
};

/** Whether others refer to objects of this kind. */
export function canBeNamed({ singular }: CtlKind): boolean {
  return Object.hasOwn(places, singular);
}

/** All objects of `config` that name this one: `rule "x"`. */
export function usersOf({ singular }: CtlKind, name: string, config: Json): readonly string[] {
  return (places[singular] ?? []).flatMap((place) =>
    (config[place.list] ?? [] as Json[])
      .filter((object: Json) => place.names(object).includes(name))
      .map((object: Json) => `${place.singular} ${JSON.stringify(object.name)}`)
  );
}
