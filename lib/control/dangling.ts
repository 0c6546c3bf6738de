/** Names that nothing has: legal, for it may come later, and a misspelling more often than not. */
import type { Snapshot } from "./objects.ts";

/** One text for each reference that leads nowhere: `listener "web": unknown rule list "nosuch"`. */
export function danglingNames({ listeners, rulelists, rules, routes, clusters }: Snapshot): string[] {
  const found: string[] = [];
  const need = (
    owner: string,
    what: string,
    names: readonly (string | undefined)[],
    there: ReadonlyMap<string, unknown>,
  ) => {
    for (const name of names) {
      if (name !== undefined && !there.has(name)) found.push(`${owner}: unknown ${what} ${JSON.stringify(name)}`);
    }
  };
  for (const { name, rules: list } of listeners.values()) {
    need(`listener ${quote(name)}`, "rule list", [list], rulelists);
  }
  for (const { name, rules: items } of rulelists.values()) need(`rule list ${quote(name)}`, "rule", items, rules);
  for (const { name, action: { apply, route } } of rules.values()) {
    need(`rule ${quote(name)}`, "rule list", [apply], rulelists);
    if (apply === undefined) need(`rule ${quote(name)}`, "route", [route], routes);
  }
  for (const { name, destination, ingress, egress } of routes.values()) {
    need(`route ${quote(name)}`, "cluster", [destination, ...ingress, ...egress], clusters);
  }
  return found;
}

function quote(name: string): string {
  return JSON.stringify(name);
}
