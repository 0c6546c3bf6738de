/** A session as the REST API shows it (section a.12 of the configuration's specification). */
import type { EventLog } from "./event_log.ts";
import type { Stage } from "./stage.ts";
import type { Metadata, ServedListener, Way } from "./way.ts";

export type SessionStatus = "INIT" | "CONNECTED" | "FINALIZING" | "DESTROYED";

/** The stages between caller and destination, in the order data flows. */
export interface Chains {
  readonly ingress: readonly Stage[];
  readonly egress: readonly Stage[];
}

export interface SessionFacts {
  readonly name: string;
  readonly listener: ServedListener;
  readonly metadata: Metadata;
  /** Absent until it has been found; so are the stages on it. */
  readonly way?: Way;
  readonly target?: Stage;
  readonly chains?: Chains;
  /** One of the stages is gone, and not yet back. */
  readonly away: boolean;
  readonly status: SessionStatus;
  readonly events?: EventLog;
}

export function shownSession(facts: SessionFacts): Record<string, unknown> {
  const { name, listener, metadata: { name: _, ...metadata }, way, target, chains, away, status, events = [] } = facts;
  const ended = status === "DESTROYED";
  const nowhere = way || ended
    ? { origin: way?.target.name ?? "", endpoint: "<INVALID>", status: "END" }
    : { status: "PENDING" };
  return {
    name,
    metadata,
    source: {
      origin: listener.name,
      listener: listener.shown?.spec ?? "<INVALID>",
      status: ended ? "END" : "READY",
    },
    destination: target?.toJSON() ?? nowhere,
    ingress: shownChain(way?.names?.ingress, chains?.ingress, status),
    egress: shownChain(way?.names?.egress, chains?.egress, status),
    status: status === "CONNECTED" && away ? "DISCONNECTED" : status,
    events,
  };
}

/** The stages of a chain, and its transforms, which connect to nothing. */
function shownChain(names: readonly string[] = [], stages: readonly Stage[] = [], session: SessionStatus): unknown[] {
  const left = [...stages];
  const status = session === "CONNECTED" ? "READY" : session === "INIT" ? "INIT" : "END";
  return names.map((origin) =>
    left[0]?.origin === origin
      ? left.shift()
      : { origin, endpoint: { name: origin, spec: { address: "<VIRTUAL>" } }, status }
  );
}
