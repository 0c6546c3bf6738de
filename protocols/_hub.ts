/** The one connection behind `broadcast:`, and the sessions that share it. */
import { StreamError } from "../lib/errors.ts";
import type { Context } from "../lib/protocol.ts";
import { AbortGate } from "../lib/stream/abort_gate.ts";
import type { Datagram, Ending, Stream } from "../lib/stream/stream.ts";
import type { BroadcastSpec } from "./broadcast.ts";
import { MemberQueue } from "./_member_queue.ts";
import { Turns } from "./_turns.ts";

type Open = (context: Context) => Promise<Stream>;

/** The one connection of an address, when there is one. */
export class Hub {
  #current: Shared | undefined;

  join(open: Open, spec: BroadcastSpec, context: Context): Promise<Stream> {
    context.signal.throwIfAborted();
    const shared = this.#current ??= new Shared(open, context, (gone) => {
      if (this.#current === gone) this.#current = undefined;
    });
    return shared.enter(spec, context);
  }
}

class Shared {
  readonly #members = new Set<MemberQueue<Datagram>>();
  /** Aborted when nobody waits for the connection any more. */
  readonly #unwanted = new AbortController();
  readonly #opened: Promise<Stream>;
  readonly #turns = new Turns();
  readonly #onGone: (gone: Shared) => void;
  #stream: Stream | undefined;
  /** The connection has ended, or nobody uses it any more. */
  #over = false;
  /** Of what the connection could not keep or send: what somebody said to it. The rest is lost to all. */
  #unsaid = 0;

  constructor(open: Open, context: Context, onGone: (gone: Shared) => void) {
    this.#onGone = onGone;
    // It speaks for nobody in particular.
    const own = { ...context, signal: this.#unwanted.signal, downstream: undefined, metadata: undefined };
    this.#opened = this.#open(() => open(own));
    // Who waits for it is told.
    this.#opened.catch(() => {});
  }

  async #open(open: () => Promise<Stream>): Promise<Stream> {
    try {
      const stream = await open();
      this.#stream = stream;
      if (this.#members.size === 0) stream.abort();
      else this.#listen(stream);
      return stream;
    } catch (error) {
      this.#onGone(this);
      throw error;
    }
  }

  /** One more session; what the connection says from now on is kept for it. */
  async enter(spec: BroadcastSpec, { signal, log }: Context): Promise<Stream> {
    const onDrop = () => {
      const name = this.#stream?.info.name ?? "broadcast:";
      log.warn("datagram.dropped", `${name}: a session reads too slowly and loses what comes (queue, slow)`);
    };
    const queue = new MemberQueue<Datagram>({ ...spec, name: "broadcast:", onDrop }, ({ data }) => data.length);
    this.#members.add(queue);
    const gate = new AbortGate("broadcast:");
    const onAbort = () => gate.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal.aborted) onAbort();
      return this.#member(await gate.race(this.#opened), queue);
    } catch (error) {
      this.#leave(queue);
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #leave(queue: MemberQueue<Datagram>): void {
    if (!this.#members.delete(queue) || this.#members.size > 0) return;
    this.#over = true;
    this.#onGone(this);
    this.#unwanted.abort();
    this.#stream?.abort();
  }

  /** Tells all members what comes. */
  async #listen(stream: Stream): Promise<void> {
    let failure: unknown;
    try {
      for (;;) {
        const batch = await next(stream);
        if (batch === null) break;
        for (const item of batch) {
          // Once for all of them.
          const message = { ...item, data: item.data.slice() };
          for (const queue of this.#members) {
            for (let wait = queue.put(message); wait; wait = queue.put(message)) await wait;
          }
        }
      }
    } catch (error) {
      failure = error;
    }
    this.#over = true;
    this.#onGone(this);
    for (const queue of this.#members) queue.end(failure);
  }

  #member(stream: Stream, queue: MemberQueue<Datagram>): Stream {
    const { info } = stream;
    const gate = new AbortGate(info.name);
    let ended = false;
    let unsaid = 0;
    const lostToAll = () => (stream.dropped ?? 0) - this.#unsaid;
    const lostBefore = lostToAll();
    const dropped = () => queue.dropped + unsaid + lostToAll() - lostBefore;
    let droppedAtLast: number | undefined;
    const say = async (give: () => Promise<void>) => {
      gate.check();
      if (ended) throw new StreamError(`write(${info.name}): Broken pipe`, { code: "EPIPE" });
      await gate.race(this.#turns.take(async () => {
        if (gate.aborted) return;
        const before = stream.dropped ?? 0;
        try {
          await give();
        } finally {
          const lost = (stream.dropped ?? 0) - before;
          unsaid += lost;
          this.#unsaid += lost;
        }
      }));
    };
    const common = {
      info,
      finished: async () => {
        if (this.#over) await stream.finished?.();
      },
      async closeWrite(ending?: Ending) {
        gate.check();
        ended = true;
        // One that has closed its connection wants to hear no more.
        if (ending) queue.end();
      },
      abort: (reason?: unknown) => {
        if (!gate.abort(reason)) return;
        this.#leave(queue);
        droppedAtLast = dropped();
        queue.fail(reason ?? new StreamError(`read(${info.name}): stream is closed`, { code: "CLOSED" }));
      },
    };
    if (stream.kind === "datagram") {
      return {
        kind: "datagram",
        ...common,
        maxDatagramBytes: stream.maxDatagramBytes,
        takesText: stream.takesText,
        staysOpen: stream.staysOpen,
        get ending() {
          return stream.ending;
        },
        get dropped() {
          return droppedAtLast ?? dropped();
        },
        receive: () => queue.take(),
        send: (batch) => say(() => stream.send(batch.map(copy))),
      };
    }
    let blocks: readonly Datagram[] = [];
    let at = 0;
    return {
      kind: "byte",
      ...common,
      get ending() {
        return stream.ending;
      },
      get dropped() {
        return droppedAtLast ?? dropped();
      },
      async read() {
        gate.check();
        if (at === blocks.length) {
          blocks = await queue.take() ?? [];
          at = 0;
        }
        return at < blocks.length ? blocks[at++]!.data : null;
      },
      write: (bytes) => say(() => stream.write(bytes.slice())),
    };
  }
}

/** A member that leaves takes its memory back at once, and the connection may still be at it. */
function copy(message: Datagram): Datagram {
  return { ...message, data: message.data.slice() };
}

/** What comes next from a stream of either kind, as messages. */
async function next(stream: Stream): Promise<readonly Datagram[] | null> {
  if (stream.kind === "datagram") return await stream.receive();
  const data = await stream.read();
  return data && [{ data }];
}
