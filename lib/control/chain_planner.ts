/** The chains of a route: transforms become steps, everything else streams that data is sent through. */
import type { InlineTransform } from "../config/document.ts";
import { half } from "../config/document_reader.ts";
import type { ParsedAddress } from "../config/endpoint_parser.ts";
import { withLines } from "../config/framers.ts";
import type { PlannedStep } from "../config/plan.ts";
import { pluginOf, type Stack } from "../config/stack.ts";
import { losesBoundaries, planSteps } from "../config/step_planner.ts";
import { ConfigError } from "../errors.ts";
import type { Registry } from "../protocol.ts";
import type { Chain } from "../session/way.ts";
import type { RouteObject } from "./objects.ts";
import { ClusterUpstream, type RunningCluster, unknownCluster } from "./running_cluster.ts";

export interface ChainsUse {
  /** Of the listener. */
  readonly source: ParsedAddress;
  readonly direction: "both" | "ltr" | "rtl";
  readonly registry: Registry;
  lookup(name: string): RunningCluster | undefined;
}

export interface PlannedChains {
  readonly ingress: Chain;
  readonly egress: Chain;
  /** Message boundaries are lost somewhere. */
  readonly lost: boolean;
}

/**
 * Plans the chains of `route`. Throws a retryable `ConnectError` for a cluster that does not exist, `ConfigError` for
 * what does not fit together.
 */
export function planChains(route: RouteObject, use: ChainsUse): PlannedChains {
  const target = need(route.destination, use);
  if (!target.address) {
    throw new ConfigError(
      `route "${route.name}": destination "${route.destination}" is a transform, which leads nowhere`,
    );
  }
  const ingress = use.direction === "rtl"
    ? nothing
    : planChain(route, "ingress", half(use.source, "read"), half(target.address, "write"), use);
  const egress = use.direction === "ltr"
    ? nothing
    : planChain(route, "egress", half(target.address, "read"), half(use.source, "write"), use);
  return {
    ingress: {
      steps: ingress.steps[0]!,
      stages: ingress.stages.map((one, i) => ({ ...one, steps: ingress.steps[i + 1]! })),
    },
    egress: {
      steps: egress.steps.at(-1)!,
      stages: egress.stages.map((one, i) => ({ ...one, steps: egress.steps[i]! })),
    },
    lost: ingress.lost || egress.lost,
  };
}

const nothing: PlannedLegs = { steps: [[]], stages: [], lost: false };

interface PlannedLegs {
  /** One list more than there are stages. */
  readonly steps: readonly (readonly PlannedStep[])[];
  readonly stages: readonly { readonly upstream: ClusterUpstream }[];
  readonly lost: boolean;
}

function planChain(
  route: RouteObject,
  key: "ingress" | "egress",
  first: Stack,
  last: Stack,
  use: ChainsUse,
): PlannedLegs {
  const { registry } = use;
  const steps: (readonly PlannedStep[])[] = [];
  const stages: { readonly upstream: ClusterUpstream }[] = [];
  let lost = false;
  let from = first;
  let chain: InlineTransform[] = [];
  const end = (to: Stack) => {
    const flow = { from, to, registry, at: `route "${route.name}".${key}` };
    checkOutput(chain, from, to);
    const planned = planSteps({ ...flow, chain: withLines({ ...flow, chain, reverse: key === "egress" }) });
    lost ||= losesBoundaries({ ...flow, chain }, planned);
    steps.push(planned.steps);
    chain = [];
  };
  for (const name of route[key]) {
    const cluster = need(name, use);
    if (cluster.transform) {
      chain.push(cluster.transform);
      continue;
    }
    end(half(cluster.address!, "write"));
    from = half(cluster.address!, "read");
    // A stage is written to and read from, whatever the session's direction.
    stages.push({ upstream: new ClusterUpstream(name, use.lookup, "both") });
  }
  end(last);
  return { steps, stages, lost };
}

function need(name: string, { lookup }: ChainsUse): RunningCluster {
  const cluster = lookup(name);
  if (!cluster) throw unknownCluster(name);
  return cluster;
}

/** LOGGER's default in files is standard output, which belongs to the payload where an address uses it. */
function checkOutput(chain: readonly InlineTransform[], ...ends: readonly Stack[]): void {
  if (!ends.some(({ levels }) => pluginOf(levels[0]).name === "Stdio")) return;
  if (!chain.some(({ spec }) => spec.protocol === "Logger" && (spec.log_file ?? "-") === "-")) return;
  throw new ConfigError("LOGGER: cannot write to standard output, which an address uses; give it a file, or stderr");
}
