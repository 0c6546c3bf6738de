/** A proxy that opens nothing: real drafts over snapshots, and sessions that tests make up. */
import type { ConfigDocument } from "../config/document.ts";
import type { Control, Draft, SessionChange, SessionView } from "../control/control.ts";
import { EditableDraft } from "../control/draft.ts";
import { Naming } from "../control/naming.ts";
import { emptySnapshot, type Snapshot } from "../control/objects.ts";
import { snapshotOf } from "../control/snapshot_of.ts";
import { makeSpecCheck, type SpecCheck } from "../control/spec_check.ts";
import { silentLog } from "../log.ts";
import { loadRegex } from "../metadata/predicate.ts";
import type { Registry } from "../protocol.ts";
import type { StreamInfo } from "../stream/stream.ts";
import { adminRegistry } from "./_test_registry.ts";
import { type AdminOptions, createAdmin } from "./app.ts";

export class FakeControl implements Control {
  snapshot: Snapshot = emptySnapshot;
  version = 0;
  programVersion = "0.0.0";
  ready = true;
  /** What taking a change into effect does: a listener that cannot be opened rejects. */
  apply: (snapshot: Snapshot) => Promise<void> = async () => {};
  /** Effects of the last change. */
  effects: Draft["effects"] | undefined;
  readonly #sessions = new Map<string, SessionView>();
  readonly #watchers = new Set<(change: SessionChange) => void>();
  readonly #naming = new Naming();
  readonly #check: SpecCheck;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(registry: Registry = adminRegistry) {
    this.#check = makeSpecCheck(registry, "ignore");
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  change(edit: (draft: Draft) => void): Promise<void> {
    return this.#inTurn(async () => {
      const draft = new EditableDraft(this.snapshot, this.#naming, this.#check);
      edit(draft);
      await this.#take(draft.snapshot);
      this.effects = draft.effects;
    });
  }

  reload(document: ConfigDocument): Promise<void> {
    return this.#inTurn(() => this.#take(snapshotOf(document, this.snapshot, this.#naming, this.#check)));
  }

  async #inTurn(action: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(loadRegex).then(action);
    this.#turn = mine.catch(() => {});
    await mine;
  }

  async #take(snapshot: Snapshot): Promise<void> {
    await this.apply(snapshot);
    this.snapshot = snapshot;
    this.version++;
  }

  /** A session as the proxy would show it. */
  addSession(name: string, rest: Record<string, unknown> = {}): void {
    const session = { name, toJSON: () => ({ name, metadata: {}, status: "CONNECTED", ...rest }) };
    this.#sessions.set(name, session);
    this.#tell({ type: "ADDED", session });
  }

  sessions(): readonly SessionView[] {
    return [...this.#sessions.values()];
  }

  session(name: string): SessionView | undefined {
    return this.#sessions.get(name);
  }

  endSession(name: string): boolean {
    const session = this.#sessions.get(name);
    if (!session) return false;
    this.#sessions.delete(name);
    this.#tell({ type: "DELETED", session });
    return true;
  }

  #tell(change: SessionChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  async *watch(signal: AbortSignal): AsyncIterable<SessionChange> {
    const queue: SessionChange[] = [];
    let wake = () => {};
    const watcher = (change: SessionChange) => {
      queue.push(change);
      wake();
    };
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => wake());
    try {
      while (!signal.aborted) {
        const change = queue.shift();
        if (change) yield change;
        else await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

/** A caller on this machine, or at `host`. */
export function callerAt(host = "127.0.0.1", facts: StreamInfo["facts"] = {}): StreamInfo {
  const remote = host.startsWith("/")
    ? { family: "unix", path: host } as const
    : { family: host.includes(":") ? "inet6" : "inet", host, port: 40_000 } as const;
  return { protocol: "HTTP", name: host, remote, facts };
}

export interface Reply {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly text: string;
  // deno-lint-ignore no-explicit-any
  readonly json: any;
}

export interface Ask {
  /** Data is sent as JSON; text as it is. */
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly caller?: StreamInfo;
}

export type Client = (method: string, path: string, ask?: Ask) => Promise<Reply>;

/** Sends requests to an API in front of `control`. */
export function client(control: Control, options: Partial<AdminOptions> = {}): Client {
  const admin = createAdmin(control, { registry: adminRegistry, log: silentLog(), ...options });
  return async (method, path, { body, type = "application/json", headers = {}, caller = callerAt() } = {}) => {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const url = `http://localhost:1234${path.startsWith("/") ? path : `/api/v1/${path}`}`;
    const contentType: Record<string, string> = body === undefined || type === "" ? {} : { "content-type": type };
    const request = new Request(url, { method, body: text, headers: { ...contentType, ...headers } });
    // A text brings a content type of its own.
    if (type === "") request.headers.delete("content-type");
    const answer = await admin(request, caller);
    const answered = await answer.text();
    const isJson = answer.headers.get("content-type") === "application/json" && answered !== "";
    const { status, statusText } = answer;
    return {
      status,
      statusText,
      headers: answer.headers,
      text: answered,
      json: isJson ? JSON.parse(answered) : undefined,
    };
  };
}

/** A configuration as the original's API tests start from. */
export const controllerConfig: ConfigDocument = {
  admin: { log_level: "info" },
  listeners: [{
    name: "controller-listener",
    spec: { protocol: "HTTP", port: 1234 },
    rules: [{
      action: { route: { destination: { name: "L7mpControllerCluster", spec: { protocol: "L7mpController" } } } },
    }],
  }],
};

/** A fake proxy with that configuration, and a client of its API. */
export async function started(options: Partial<AdminOptions> = {}): Promise<{ control: FakeControl; ask: Client }> {
  const control = new FakeControl();
  await control.reload(controllerConfig);
  return { control, ask: client(control, options) };
}
