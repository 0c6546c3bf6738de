/** One session: open both ends in order, relay, and tell how it went. */
import type { Endpoint } from "../config/plan.ts";
import { L7mpError, messageOf } from "../errors.ts";
import type { Fields, Log } from "../log.ts";
import type { Context, Incoming } from "../protocol.ts";
import { copied } from "../stream/copied.ts";
import { type Flows, noFlows, type RelaySummary } from "../stream/relay.ts";
import { formatAddress, type Stream, type StreamInfo } from "../stream/stream.ts";
import type { Timer } from "../stream/timer.ts";
import { adviceOn } from "./advice.ts";
import { carry, type Opened } from "./carry.ts";
import { openConnector, sendFirst } from "./connector.ts";
import { endAtAge, maxAgeMs } from "./age.ts";
import { contextOf, type SessionEnvironment } from "./environment.ts";
import { EventLog, type SessionEvent } from "./event_log.ts";
import { levelOf, mayCut } from "./loudness.ts";
import { sessionMetadata } from "./metadata.ts";
import { welcome, withEnds } from "./open.ts";
import { openAll } from "./open_all.ts";
import { asL7mpError, endOf, type SessionRecord } from "./record.ts";
import { retryOf, withRetry } from "./retry.ts";
import { type Chains, type SessionStatus, shownSession } from "./shown.ts";
import { Stage } from "./stage.ts";
import { type Chain, fixedUpstream, type Metadata, type ServedListener, type Upstream, type Way } from "./way.ts";

/** What a session is made of. */
export interface SessionParts {
  readonly name: string;
  readonly listener: ServedListener;
  readonly environment: SessionEnvironment;
  /** The caller where address1 listens; without it address1 is opened first. */
  readonly incoming?: Incoming;
  /** Present where those who call after it on the same connection are served too. */
  readonly sequence?: Sequence;
  /** Called once a caller is all there; throws a `LimitError`, which it is told, where there is no room for it. */
  admit?(): void;
}

/** The callers of one connection, one after another. */
export interface Sequence {
  /** The caller came from another's `next`. */
  readonly again: boolean;
  /** The caller behind all layers, who knows of the next: set once it is known. */
  caller?: Incoming;
}

/** Holds no more than it needs while it stands idle: what opening took is gone by then. */
export class Session {
  readonly name: string;
  readonly listener: ServedListener;
  /** Counted as data moves. */
  readonly flows: Flows = noFlows();
  /** When it began, in milliseconds of `performance.now()`. */
  readonly start = performance.now();
  readonly #environment: SessionEnvironment;
  readonly #abort = new AbortController();
  readonly #log: Log;
  readonly #startedAt = Date.now();
  #incoming: Incoming | undefined;
  #sequence: Sequence | undefined;
  readonly #admit: (() => void) | undefined;
  readonly #called: boolean;
  #source: string;
  #info: StreamInfo | undefined;
  #metadata: Metadata | undefined;
  #way: Way | undefined;
  #target: Stage | undefined;
  #chains: Chains | undefined;
  #openedMs: number | undefined;
  #answered: number | undefined;
  /** Messages that transforms left out, and that stages could not keep. */
  #dropped = 0;
  readonly #events: EventLog | undefined;
  #status: SessionStatus = "INIT";

  constructor({ name, listener, environment, incoming, sequence, admit }: SessionParts) {
    this.name = name;
    this.listener = listener;
    this.#environment = environment;
    this.#log = environment.log.child({ session: name }, environment.observe ? () => this.#traceFields() : undefined);
    this.#incoming = incoming;
    this.#sequence = sequence;
    this.#admit = admit;
    this.#called = incoming !== undefined;
    this.#info = incoming?.info;
    this.#source = incoming ? printPeer(incoming.info) : listener.endpoint.name;
    if (environment.observe) this.#events = new EventLog(`session ${name} created by listener ${listener.name}`);
  }

  /** Runs to the end and never rejects; its one error line is written here. */
  async run(): Promise<SessionRecord> {
    const timers = [this.#limitAge(this.listener.endpoint)];
    try {
      let opened = await this.#open();
      timers.push(this.#limitAge(this.#destination));
      const { ingress, egress } = opened;
      const stages = [...ingress.streams, ...egress.streams];
      let summary: RelaySummary;
      try {
        opened = await this.#withCopies(opened);
        await this.#greet(opened);
        this.#connected();
        summary = await this.#carry(opened);
      } catch (error) {
        for (const stream of [opened.downstream, opened.upstream, ...stages]) stream.abort(error);
        throw error;
      }
      const { downstream, upstream } = opened;
      this.#status = "FINALIZING";
      // Now only what lies behind the streams may still be there: a child that was told to end, or had failed by itself.
      const faults = await Promise.all([downstream, upstream, ...stages].map(childFault));
      for (const stream of stages) if (stream.kind === "datagram") this.#dropped += stream.dropped;
      const error = faults.find((fault) => fault !== undefined);
      if (summary.end === "error" || !error) return this.#record(summary);
      error.side ??= error === faults[0] ? "downstream" : "upstream";
      return this.#record({ ...summary, end: "error", error });
    } catch (error) {
      return this.#record({ end: "error", error, dropped: 0 });
    } finally {
      for (const timer of timers) timer?.stop();
    }
  }

  #limitAge(endpoint: Endpoint | undefined): Timer | undefined {
    const ageMs = maxAgeMs(endpoint);
    return ageMs === Infinity ? undefined : endAtAge(ageMs, this.start, (reason) => this.end(reason));
  }

  /** Ends it with `reason`, an error whose code is `stopped` or `deleted` where it is none of the session's. */
  end(reason: L7mpError): void {
    this.#abort.abort(reason);
  }

  /** The endpoint that was picked, once one has been. */
  get #destination(): Endpoint | undefined {
    return this.#target?.choice?.endpoint;
  }

  /** Whether all of it has been connected. */
  get connected(): boolean {
    return this.#openedMs !== undefined;
  }

  /** Its stages in clusters, in no order. */
  get stages(): readonly Stage[] {
    const { ingress = [], egress = [] } = this.#chains ?? {};
    return this.#target ? [this.#target, ...ingress, ...egress] : [...ingress, ...egress];
  }

  /** The session as the REST API shows it. */
  toJSON(): Record<string, unknown> {
    return shownSession({
      name: this.name,
      listener: this.listener,
      metadata: this.metadata,
      way: this.#way,
      target: this.#target,
      chains: this.#chains,
      away: this.stages.some(({ away }) => away),
      status: this.#status,
      events: this.#events,
    });
  }

  /** Whether a stage or a transform of it is the cluster of that name. */
  uses(cluster: string): boolean {
    const { ingress = [], egress = [] } = this.#way?.names ?? {};
    return this.#target?.origin === cluster || ingress.includes(cluster) || egress.includes(cluster);
  }

  /** What is known of it so far. */
  get metadata(): Metadata {
    return this.#metadata ??= this.#info ? sessionMetadata(this.name, this.#info) : { name: this.name };
  }

  #record({ end, error: cause, dropped: droppedByStreams }: RelaySummary): SessionRecord {
    const dropped = droppedByStreams + this.#dropped;
    const { ltr, rtl } = this.flows;
    const { listener } = this;
    const cut = end === "error" ? asL7mpError(cause) : undefined;
    const reason = endOf(end, cut);
    // What never came about is no connection that was cut off.
    const cool = reason === "reset" && this.connected &&
      mayCut(cut?.side === "downstream" ? listener.endpoint : this.#destination);
    const error = reason === "error" || reason === "reset" && !cool ? cut : undefined;
    const target = this.#destination?.name ?? listener.target ?? this.#way?.target.name ?? "";
    if (cut && (error || cool)) {
      const to = target === "" ? "" : ` to ${target}`;
      const from = this.#called ? `; session ${this.name} from ${this.#source}${to}` : "";
      const { code, side } = cut;
      const level = levelOf(cut, listener.endpoint, cool);
      const retry = this.#way?.retry ?? retryOf(listener.endpoint.connect);
      const message = cut.message + adviceOn(cut, { retries: retry.count > 0 });
      this.#log[level]("session.error", `${message} (${side ?? "local"}${from})`, { code, side });
    }
    const durationMs = performance.now() - this.start;
    this.#log.info("session.close", `session ${this.name} ended: ${reason}`, { ltr, rtl, dropped, durationMs });
    const retries = this.stages.reduce((sum, stage) => sum + stage.retries, 0);
    if (error && this.connected && !this.stages.some(({ away }) => away)) {
      const stage = error.side === "downstream" ? listener.name : this.#target?.origin ?? "";
      this.#events?.add("DISCONNECT", `${stage}: ${error.message}`, error.code);
    }
    for (const stage of this.stages) stage.end();
    if (error) this.#events?.add("ERROR", error.message, error.status ?? error.code);
    else this.#events?.add("END", reason === "eof" ? "Normal end" : cut?.message ?? reason);
    this.#events?.add("DESTROY", "all streams closed");
    this.#status = "DESTROYED";
    if (listener.shown?.trackMs) {
      // It is still shown for a while: nothing of the connection stays with it.
      void this.metadata;
      this.#info = this.#sequence = undefined;
    }
    return {
      name: this.name,
      listener: listener.name,
      startedAt: new Date(this.#startedAt),
      durationMs,
      source: this.#source,
      target,
      ltr,
      rtl,
      dropped,
      reason,
      error,
      retries,
      openedMs: this.#openedMs,
      metadata: this.#metadata,
      route: this.#way?.route,
      status: this.#answered,
    };
  }

  /** Its place in a trace, once it has one. */
  #traceFields(): Fields | undefined {
    const { trace_id, span_id } = (this.#metadata?.trace ?? {}) as { trace_id?: unknown; span_id?: unknown };
    return typeof trace_id === "string" ? { trace_id, span_id } : undefined;
  }

  /** What is called learns of the caller as `info` says; the status it answers with is noted in passing. */
  #noting(info: StreamInfo): StreamInfo {
    if (!this.#environment.observe || !info.respond) return info;
    return {
      ...info,
      respond: (head) => {
        info.respond!(head);
        this.#answered ??= head.status;
      },
    };
  }

  #connected(): void {
    this.#openedMs = performance.now() - this.start;
    this.#status = "CONNECTED";
    for (const stage of this.stages) stage.join();
    this.#tell("CONNECT", "all stages connected");
  }

  async #open(): Promise<Opened> {
    const { listener } = this;
    const { endpoint } = listener;
    const context = contextOf(listener, this.#environment, this.name, this.#abort.signal, this.#log);
    const incoming = this.#incoming;
    this.#incoming = undefined;
    if (!incoming) {
      const own = fixedUpstream(endpoint);
      const downstream = await onSide("downstream", () => openConnector(own, retryOf(endpoint.connect), context));
      this.#source = downstream.info.name;
      this.#info = downstream.info;
      try {
        return { downstream, ...await this.#openWay(context, downstream.info) };
      } catch (error) {
        downstream.abort(error);
        throw error;
      }
    }
    const sequence = this.#sequence;
    const own = sequence ? { ...context, followUps: true } : context;
    const caller = await onSide("downstream", () => welcome(incoming, endpoint, own, sequence?.again));
    if (sequence) sequence.caller = caller;
    // A layer may have found out who it really is.
    this.#source = printPeer(caller.info);
    this.#info = caller.info;
    this.#metadata = undefined;
    let opened: Omit<Opened, "downstream">;
    try {
      this.#admit?.();
      listener.admit?.(() => this.metadata);
      opened = await this.#openWay(context, caller.info);
    } catch (error) {
      this.#dropped += caller.dropped ?? 0;
      await caller.reject(asL7mpError(error)).catch(() => {});
      throw error;
    }
    try {
      const downstream = await onSide("downstream", () => caller.accept(this.#abort.signal));
      return { downstream: withEnds(downstream, endpoint), ...opened };
    } catch (error) {
      for (const stream of [opened.upstream, ...opened.ingress.streams, ...opened.egress.streams]) stream.abort(error);
      throw error;
    }
  }

  /** Finds the way and connects all of it. Rejects with the first stage that cannot be had; nothing stays open then. */
  async #openWay(context: Context, downstream: StreamInfo): Promise<Omit<Opened, "downstream">> {
    const way = this.listener.route(() => this.metadata, downstream);
    this.#way = way;
    if (way.metadata) this.#metadata = way.metadata;
    if (way.found) this.#events?.add("LOOKUP SUCCESS", way.found);
    const { target, retry } = way;
    this.#target = this.#stageOf(target);
    const { ingress, egress } = await onSide(
      "upstream",
      () => withRetry(async () => way.chains(), retry, context.signal, this.#log, this.#target),
    );
    const transformed = ingress.steps.length + ingress.stages.length + egress.steps.length + egress.stages.length > 0;
    const metadata = way.metadata ?? sessionMetadata(this.name, downstream);
    const caller = this.#noting(transformed ? withoutLength(downstream) : downstream);
    const own = { ...context, downstream: caller, metadata, transformed };
    const open = (upstream: Upstream, stage: Stage, signal: AbortSignal) => {
      const direction = upstream.shape?.direction ?? "both";
      return onSide("upstream", () => openConnector(upstream, retry, { ...own, direction, signal }, stage));
    };
    if (ingress.stages.length + egress.stages.length === 0) {
      const upstream = await open(target, this.#target, context.signal);
      return { upstream, ingress: { chain: ingress, streams: [] }, egress: { chain: egress, streams: [] } };
    }
    const stagesOf = ({ stages }: Chain) => stages.map(({ upstream }) => this.#stageOf(upstream));
    this.#chains = { ingress: stagesOf(ingress), egress: stagesOf(egress) };
    const upstreams = [target, ...[...ingress.stages, ...egress.stages].map(({ upstream }) => upstream)];
    const [upstream, ...others] = await openAll(
      upstreams.map((upstream, i) => (signal) => open(upstream, this.stages[i]!, signal)),
      context.signal,
    );
    return {
      upstream: upstream!,
      ingress: { chain: ingress, streams: others.slice(0, ingress.stages.length) },
      egress: { chain: egress, streams: others.slice(ingress.stages.length) },
    };
  }

  #stageOf({ name }: Upstream): Stage {
    if (!this.#events) return new Stage(name);
    return new Stage(name, {
      onDisconnect: ({ origin }, error) => {
        const fault = error === undefined ? "closed by peer" : messageOf(error);
        this.#tell("DISCONNECT", `${origin}: ${fault}`, error instanceof L7mpError ? error.code : "");
      },
      onReconnect: ({ origin }) => this.#tell("CONNECT", `${origin} connected again`),
    });
  }

  #tell(event: SessionEvent, message: string, content?: string): void {
    this.#events?.add(event, message, content);
    this.#environment.onSessionChange?.(this);
  }

  /** With copies made of what the session moves (`-r`, `-R`). Rejects with a `ConnectError`; the streams stay open. */
  async #withCopies(opened: Opened): Promise<Opened> {
    const { copyUpstream, copyDownstream, direction } = this.listener.session;
    const { openCopy } = this.#environment;
    if (!openCopy || copyUpstream === undefined && copyDownstream === undefined) return opened;
    let { downstream, upstream } = opened;
    const caller = { downstream: this.#called ? this.#info : undefined, sessionName: this.name };
    const open = async (name: string | undefined, without: "ltr" | "rtl") =>
      name === undefined || direction === without ? undefined : await openCopy(name, caller, this.#log);
    const out = await open(copyUpstream, "rtl");
    if (out) upstream = copied(upstream, out);
    try {
      const back = await open(copyDownstream, "ltr");
      if (back) downstream = copied(downstream, back);
    } catch (error) {
      out?.close();
      throw error;
    }
    return { ...opened, downstream, upstream };
  }

  /** Sends what the session is to begin with (`-p`, `-P`). */
  async #greet({ downstream, upstream }: Opened): Promise<void> {
    const { preambleUpstream, preambleDownstream } = this.listener.session;
    const give = (side: "downstream" | "upstream", stream: Stream, text: string) =>
      onSide(side, () => sendFirst(stream, new TextEncoder().encode(text), this.#abort.signal));
    if (preambleUpstream !== undefined) await give("upstream", upstream, preambleUpstream);
    if (preambleDownstream !== undefined) await give("downstream", downstream, preambleDownstream);
  }

  #carry(opened: Opened): Promise<RelaySummary> {
    return carry(opened, {
      name: this.name,
      listener: this.listener,
      way: this.#way!,
      target: this.#destination,
      metadata: () => this.metadata,
      environment: this.#environment,
      log: this.#log,
      abort: this.#abort,
      flows: this.flows,
      drop: () => void (this.#dropped += 1),
    });
  }
}

/** What stands between may change the length of an answer: it is not told. */
function withoutLength(downstream: StreamInfo): StreamInfo {
  if (!downstream.respond) return downstream;
  const isLength = ([name]: readonly [string, string]) => name.toLowerCase() === "content-length";
  return {
    ...downstream,
    respond: (head) => downstream.respond!({ ...head, headers: head.headers.filter((line) => !isLength(line)) }),
  };
}

async function onSide<T>(side: "downstream" | "upstream", open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof L7mpError) error.side ??= side;
    throw error;
  }
}

/** The error of a program behind `stream` that had failed by itself. Waits until what lies behind the stream is gone. */
async function childFault(stream: Stream): Promise<L7mpError | undefined> {
  try {
    await stream.finished?.();
  } catch (error) {
    // Everything else is the reason of the abort again, or has been told.
    if (error instanceof L7mpError && error.code === "CHILD") return error;
  }
}

function printPeer(info: StreamInfo): string {
  return info.remote ? formatAddress(info.remote) : info.name;
}
