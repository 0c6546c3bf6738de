/** What every session of a process shares, and the context that plug-ins get of it. */
import type { Driver } from "../driver.ts";
import type { Log } from "../log.ts";
import type { Context, HttpDefaults, StepCounter, StepCounterNames } from "../protocol.ts";
import type { Copy } from "../stream/copied.ts";
import type { Session } from "./session.ts";
import type { ServedListener } from "./way.ts";

/** What every session of a process shares. */
export interface SessionEnvironment {
  readonly driver: Driver;
  readonly log: Log;
  readonly program: string;
  /** Version of the program, for the environment of programs it starts. */
  readonly version?: string;
  /** True when the process serves this one listener and nothing else. */
  readonly oneListener?: boolean;
  readonly ipVersion: 4 | 6 | 0;
  readonly http?: HttpDefaults;
  /** Check no certificates of peers where an address does not say (`-k`). */
  readonly insecure?: boolean;
  /** socat's linger of half a second everywhere (`--compat=socat`). */
  readonly compatSocat: boolean;
  /** A listener is bound that stands where a connector may; `type` is the canonical type name. */
  readonly onListening?: Context["onListening"];
  /** Sessions keep a log of what happens to them, to be shown. */
  readonly observe?: boolean;
  readonly shared?: Context["shared"];
  readonly takeSignal?: Context["takeSignal"];
  /** Something about a session is shown otherwise than before. */
  readonly onSessionChange?: (session: Session) => void;
  readonly control?: Context["control"];
  readonly metrics?: Context["metrics"];
  /** Told of the steps that stand for clusters. */
  readonly steps?: StepObserver;
  /** Sees payload in passing (`-v`, `-x`). */
  tap?(dump: "text" | "hex" | "both"): (direction: "ltr" | "rtl", data: Uint8Array) => void;
  /** Opens a raw copy (`-r`, `-R`) under the name as it was given; rejects with a `ConnectError`. */
  openCopy?(name: string, caller: Pick<Context, "downstream" | "sessionName">, log: Log): Promise<Copy>;
}

export interface StepObserver {
  /** A session begins with a step of `cluster`. */
  began(cluster: string): void;
  /** Where it counts what the metrics are to show. */
  counter(session: string, cluster: string, names: StepCounterNames): StepCounter;
}

/** The context for address1; address2 gets the same with its own direction and the caller's facts. */
export function contextOf(
  { endpoint, session }: Pick<ServedListener, "endpoint" | "session">,
  environment: SessionEnvironment,
  sessionName: string | undefined,
  signal: AbortSignal,
  log: Log,
): Context {
  const { driver, ipVersion, program, version, http, insecure, onListening } = environment;
  const { shared, control, metrics } = environment;
  const { maxMessageBytes, blockBytes, noClose } = session;
  const { direction, listen, connect } = endpoint;
  const forks = (listen?.fork && !listen.oneshot) || connect?.fork;
  const onlySession = environment.oneListener && !forks;
  return {
    signal,
    log,
    driver,
    direction,
    ipVersion,
    maxMessageBytes,
    blockBytes,
    sessionName,
    onlySession,
    takeSignal: onlySession ? environment.takeSignal : undefined,
    program,
    version,
    http: noClose ? { headers: [], ...http, noClose } : http,
    insecure,
    onListening,
    shared,
    control,
    metrics,
  };
}
