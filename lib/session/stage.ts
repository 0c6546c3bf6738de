/** One stage of a session that connects to something: what is known of it while it comes and goes. */
import { ConnectError, messageOf, StreamError } from "../errors.ts";
import type { Stream } from "../stream/stream.ts";
import type { ReconnectEvents } from "./reconnect.ts";
import type { Choice } from "./way.ts";

export type StageStatus = "INIT" | "RETRYING" | "CONNECTED" | "READY" | "DISCONNECTED" | "END";

export interface StageEvents {
  /** A connection that had been there is gone; the stage is being opened again. */
  onDisconnect?(stage: Stage, error: unknown): void;
  onReconnect?(stage: Stage): void;
}

/** Stages that share one connection: all of them are told what becomes of it. */
export class Fellows implements ReconnectEvents {
  readonly #stages = new Set<Stage>();

  add(stage: Stage): void {
    this.#stages.add(stage);
  }

  delete(stage: Stage): void {
    this.#stages.delete(stage);
  }

  lost(error: unknown): void {
    for (const stage of this.#stages) stage.lost(error);
  }

  retrying(): void {
    for (const stage of this.#stages) stage.retrying();
  }

  restored(): void {
    for (const stage of this.#stages) stage.restored();
  }
}

export class Stage implements ReconnectEvents {
  /** Name of the cluster, or the address where there is none. */
  readonly origin: string;
  status: StageStatus = "INIT";
  /** Attempts after the first. */
  retries = 0;
  readonly #events: StageEvents | undefined;
  #choice: Choice | undefined;
  /** It, until it has been released. */
  #held: Choice | undefined;
  #failed: Choice[] | undefined;
  /** The connection itself, below what keeps it alive; of one that others share, our part. */
  #stream: Stream | undefined;
  #fellows: Fellows | undefined;
  /** Gives up the attempt that is running. */
  #cancel: ((reason: unknown) => void) | undefined;
  /** The session uses it. */
  #joined = false;

  constructor(origin: string, events?: StageEvents) {
    this.origin = origin;
    this.#events = events;
  }

  /** The endpoint in use, or the last one tried. */
  get choice(): Choice | undefined {
    return this.#choice;
  }

  /** What the attempts since the last success had picked. */
  get failed(): readonly Choice[] {
    return this.#failed ?? [];
  }

  /** An attempt begins, which `cancel` makes fail with its argument. The choice before is released. */
  connecting(choice: Choice, cancel: (reason: unknown) => void): void {
    this.#release();
    this.#choice = this.#held = choice;
    this.#cancel = cancel;
    if (this.status === "END") this.#release();
  }

  attemptFailed(choice: Choice, error: unknown): void {
    this.#cancel = undefined;
    choice.failed?.(error);
    this.#failed = [...this.failed.slice(-15), choice];
  }

  /** `fellows` share what `stream` is over, and its fate. */
  connected(stream: Stream, fellows?: Fellows): void {
    this.#cancel = undefined;
    if (this.status === "END") return;
    this.#stream = stream;
    this.#fellows = fellows;
    fellows?.add(this);
    this.#failed = undefined;
    this.status = this.#joined ? "READY" : "CONNECTED";
  }

  /** All stages are connected: data flows. */
  join(): void {
    this.#joined = true;
    this.status = "READY";
  }

  /** The connection that data was to flow through is gone, and not yet back. */
  get away(): boolean {
    return this.#joined && (this.status === "DISCONNECTED" || this.status === "RETRYING");
  }

  /** An attempt failed and another follows. */
  retrying(): void {
    this.retries++;
    this.status = "RETRYING";
  }

  lost(error: unknown): void {
    if (this.status === "END") return;
    this.status = "DISCONNECTED";
    if (!this.#fellows) this.#stream = undefined;
    this.#choice?.failed?.(error ?? new StreamError("closed by peer", { code: "ECONNRESET" }));
    this.#events?.onDisconnect?.(this, error);
  }

  restored(): void {
    if (this.status === "END") return;
    this.status = "READY";
    this.#events?.onReconnect?.(this);
  }

  /** Takes the connection away, or the attempt, as if the peer had: what follows is the retry policy's. */
  disconnect(reason: unknown): void {
    if (this.status === "END") return;
    this.#cancel?.(new ConnectError(messageOf(reason), { code: "CANCELLED", side: "upstream", cause: reason }));
    this.#stream?.abort(reason);
  }

  end(): void {
    if (this.status === "END") return;
    this.status = "END";
    this.#fellows?.delete(this);
    this.#stream = this.#cancel = this.#fellows = undefined;
    this.#release();
  }

  #release(): void {
    this.#held?.release?.();
    this.#held = undefined;
  }

  toJSON(): Record<string, unknown> {
    return { origin: this.origin, endpoint: this.#choice?.shown ?? "<INVALID>", status: this.status };
  }
}
