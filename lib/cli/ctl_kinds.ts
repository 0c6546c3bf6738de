/** What `l7mp ctl` can speak of, and how it lists it. */
import { ConfigError } from "../errors.ts";
import { nearest } from "../schema.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

export interface CtlKind {
  readonly plural: string;
  readonly singular: string;
  /** Heading and cell of each column after the name. */
  readonly columns: Readonly<Record<string, (object: Json) => unknown>>;
}

const protocol = ({ spec }: Json) => spec?.protocol;

/** In the order in which objects of a file are added. */
export const kinds: readonly CtlKind[] = [
  {
    plural: "clusters",
    singular: "cluster",
    columns: {
      PROTOCOL: protocol,
      ENDPOINTS: ({ endpoints }) => Array.isArray(endpoints) ? endpoints.length : endpoints,
      BALANCER: ({ loadbalancer }) => [loadbalancer?.policy, loadbalancer?.key].filter(Boolean).join(" "),
    },
  },
  {
    plural: "listeners",
    singular: "listener",
    columns: {
      PROTOCOL: protocol,
      ADDRESS: ({ spec }) => {
        const { address = "", port, filename } = { ...spec?.transport, ...spec };
        return filename ?? (port === undefined ? address : `${address}:${port}`);
      },
      RULES: ({ rules }) => Array.isArray(rules) ? rules.map(({ name }) => name).join(" ") : rules,
    },
  },
  {
    plural: "rulelists",
    singular: "rulelist",
    columns: { RULES: ({ rules }) => rules.map((rule: Json) => rule.name ?? rule).join(" ") },
  },
  {
    plural: "rules",
    singular: "rule",
    columns: {
      MATCH: ({ match }) => match?.match ?? JSON.stringify(match),
      ACTION: ({ action: { route, apply, deny } }) => {
        if (deny) return `deny ${deny.status ?? ""}`;
        return apply === undefined ? `route ${route?.name ?? route ?? "-"}` : `apply ${apply}`;
      },
    },
  },
  {
    plural: "routes",
    singular: "route",
    columns: {
      DESTINATION: ({ destination }) => destination?.name ?? destination,
      INGRESS: ({ ingress }) => ingress.map((stage: Json) => stage.name ?? stage).join(" "),
      EGRESS: ({ egress }) => egress.map((stage: Json) => stage.name ?? stage).join(" "),
      RETRY: ({ retry }) => `${retry.retry_on} ${retry.num_retries}`,
    },
  },
  {
    plural: "endpoints",
    singular: "endpoint",
    columns: {
      CLUSTER: ({ cluster }) => cluster,
      ADDRESS: ({ spec }) => spec.port === undefined ? spec.address : `${spec.address}:${spec.port}`,
      WEIGHT: ({ weight }) => weight,
    },
  },
  {
    plural: "sessions",
    singular: "session",
    columns: {
      STATUS: ({ status }) => status,
      LISTENER: ({ source }) => source?.origin,
      CLUSTER: ({ destination }) => destination?.origin,
      ENDPOINT: ({ destination }) => destination?.endpoint?.spec?.address,
    },
  },
];

interface Allowed {
  readonly kinds?: readonly CtlKind[];
  /** Further words, which the caller has looked for. */
  readonly others?: readonly string[];
}

/** The kind that a word means, in singular or plural. Throws `ConfigError`. */
export function kindOf(
  word: string | undefined,
  command: string,
  { kinds: allowed = kinds, others = [] }: Allowed = {},
): CtlKind {
  const names = [...allowed.flatMap(({ plural, singular }) => [plural, singular]), ...others];
  const found = allowed.find(({ plural, singular }) => word === plural || word === singular);
  if (found) return found;
  const all = [...allowed.map(({ plural }) => plural), ...others].join(", ");
  if (word === undefined) throw new ConfigError(`${command} what? Say one of ${all}`);
  const near = nearest(word, names);
  throw new ConfigError(
    `${command}: "${word}" is not one of ${all}${near === undefined ? "" : `; did you mean ${near}?`}`,
  );
}

/** A table with a heading; cells without a value are `-`. */
export function tableOf({ columns }: CtlKind, objects: readonly Json[]): string {
  const rows = [
    ["NAME", ...Object.keys(columns)],
    ...objects.map((object) => [object.name, ...Object.values(columns).map((cell) => cell(object))]),
  ].map((row) => row.map((cell) => String(cell ?? "").trim() || "-"));
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()).join("\n") + "\n";
}
