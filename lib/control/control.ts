/** What the REST API, and reloading, can do to a running proxy: types only. */
import type {
  AdminDocument,
  ClusterDocument,
  ConfigDocument,
  EndPointDocument,
  ListenerDocument,
  RouteDocument,
  RuleDocument,
  RuleListDocument,
} from "../config/document.ts";
import type { Snapshot } from "./objects.ts";

/**
 * An edit in progress: every call checks what it is given and throws a `ConfigError` whose message is the `content` of
 * the API's error answer (`Cannot add cluster: Cluster "x" already defined`); a draft that has thrown is thrown away, so
 * no half-done edit is ever seen. Inline definitions become objects of their own with names as in section (b) of the
 * configuration's specification.
 */
export interface Draft {
  /** The objects as edited so far. */
  readonly snapshot: Snapshot;
  readonly effects: Effects;
  addListener(document: ListenerDocument): void;
  addCluster(document: ClusterDocument): void;
  addEndPoint(cluster: string, document: EndPointDocument): void;
  addRuleList(document: RuleListDocument): void;
  addRule(document: RuleDocument): void;
  addRoute(document: RouteDocument): void;
  /** Before `position`, 0 to the length of the list. */
  insertRule(ruleList: string, position: number, rule: string | RuleDocument): void;
  deleteListener(name: string, recursive: boolean): void;
  deleteCluster(name: string, recursive: boolean): void;
  deleteEndPoint(name: string, recursive: boolean): void;
  deleteRuleList(name: string, recursive: boolean): void;
  deleteRule(name: string, recursive: boolean): void;
  deleteRoute(name: string, recursive: boolean): void;
  /** By position, or by the name of a rule in the list. */
  unlinkRule(ruleList: string, rule: number | string, recursive: boolean): void;
  /** Puts another definition in the place of the object of that name, which stays; so do its references. */
  replaceListener(name: string, document: ListenerDocument): void;
  replaceCluster(name: string, document: ClusterDocument): void;
  replaceEndPoint(name: string, document: EndPointDocument): void;
  replaceRuleList(name: string, document: RuleListDocument): void;
  replaceRule(name: string, document: RuleDocument): void;
  replaceRoute(name: string, document: RouteDocument): void;
  replaceAdmin(document: AdminDocument): void;
}

/** What an edit does to sessions that are running. */
export interface Effects {
  /** Whose sessions end. */
  readonly listeners: ReadonlySet<string>;
  /** All sessions with a stage in one of them end. */
  readonly clusters: ReadonlySet<string>;
  /** Stages that use one of them lose their connection; the retry policy decides what comes of it. */
  readonly endpoints: ReadonlySet<string>;
}

/** A session as the API shows it (section a.12 of the configuration's specification). */
export interface SessionView {
  readonly name: string;
  toJSON(): Record<string, unknown>;
}

export interface SessionChange {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly session: SessionView;
}

/** A running proxy, for those who may change it. */
export interface Control {
  readonly snapshot: Snapshot;
  /** Grows with every change of `snapshot`. */
  readonly version: number;
  /** `<version>[+<commit>]`, for `GET /admin`. */
  readonly programVersion: string;
  /**
   * One change: `edit` is called with a draft of the newest snapshot, then everything is checked, listeners are opened,
   * and the change takes effect; if anything fails nothing has changed. Changes run one after another. Rejects with what
   * `edit` threw, with `ConfigError` for what cannot work, `ConnectError` for what cannot be opened.
   */
  change(edit: (draft: Draft) => void): Promise<void>;
  /** Makes the objects those of `document`; what is the same stays, with its sessions. Rejects as `change` does. */
  reload(document: ConfigDocument): Promise<void>;
  /** Running sessions and ended ones that are still tracked, in order of creation. */
  sessions(): readonly SessionView[];
  session(name: string): SessionView | undefined;
  /** Ends it; false: there is none of that name. */
  endSession(name: string): boolean;
  /** Changes from now on; ends with `signal`. A reader that is too slow loses the oldest. */
  watch(signal: AbortSignal): AsyncIterable<SessionChange>;
  /** Whether all listeners of the configuration are open and the process is not ending. */
  readonly ready: boolean;
}
