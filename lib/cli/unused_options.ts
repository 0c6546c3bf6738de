/** Options of the command line that mean nothing to the addresses they stand beside: none is ignored without a word. */
import type { Endpoint, Plan } from "../config/plan.ts";
import type { Fieldset } from "../schema.ts";
import type { Arguments } from "./arguments.ts";

/** Options that stand for one of the addresses, by its name in the document; `calling`: only where the address calls. */
const standFor: Readonly<Record<string, { readonly field: string; readonly calling?: boolean }>> = {
  "-H": { field: "header", calling: true },
  "--via": { field: "via", calling: true },
  "--ping-interval": { field: "ping_interval" },
  "--ping-timeout": { field: "ping_timeout" },
  "--text": { field: "text" },
  "--binary": { field: "binary" },
  // Whatever has such a frame.
  "-n": { field: "close_code" },
};

/** Options of what a pair of addresses does not have: a configuration and its REST API. */
const ofServices: ReadonlySet<string> = new Set(["--admin-token-file", "--strict-config"]);

/** Options about one direction, with that in which they have no effect. */
const notWith: Readonly<Record<string, "ltr" | "rtl">> = { "-r": "rtl", "-R": "ltr" };

const ofLines: ReadonlySet<string> = new Set(["--null", "--strict"]);

/** The first names of those options of `given`, a pair of addresses and nothing else, that `plan` has no use for. */
export function unusedOptions({ used, mode }: Pick<Arguments, "used" | "mode">, plan: Plan): string[] {
  const endpoints = plan.listeners.flatMap(({ endpoint, target }) => [endpoint, target]).flatMap(halves);
  const hasUse = (name: string): boolean => {
    if (name === "--show-secrets") return mode === "plan";
    if (ofLines.has(name)) return hasLines(plan, endpoints);
    const without = notWith[name];
    if (without) return plan.listeners.some(({ session }) => session.direction !== without);
    const option = standFor[name];
    if (!option) return !ofServices.has(name);
    return endpoints.some((endpoint) =>
      !(option.calling && endpoint.role === "listen") && plugins(endpoint).some(({ fields }) => option.field in fields)
    );
  };
  return [...new Set(used)].filter((name) => !hasUse(name));
}

function hasLines({ listeners }: Plan, endpoints: readonly Endpoint[]): boolean {
  const steps = listeners.flatMap(({ ingress, egress }) => [...ingress, ...egress]);
  return steps.some(({ transform }) => transform.name === "LINES") ||
    endpoints.some((endpoint) => plugins(endpoint).some(({ spec }) => spec.lines || spec.null_lines));
}

function halves(endpoint: Endpoint): Endpoint[] {
  const { source } = endpoint;
  return "dual" in source ? [...halves(source.dual.read), ...halves(source.dual.write)] : [endpoint];
}

interface PlugIn {
  readonly fields: Fieldset;
  readonly spec: Readonly<Record<string, unknown>>;
}

function plugins({ source, layers }: Endpoint): PlugIn[] {
  const above = layers.map(({ layer, spec }) => ({ fields: layer.spec.fields, spec }));
  const all = "dual" in source ? above : [...above, { fields: source.protocol.spec.fields, spec: source.spec }];
  return all as PlugIn[];
}
