/**
 * What METRIC counts, for each session: as many series as there are sessions, so there is a bound. The series of a
 * session stays for a while after its end; beyond the bound those that have ended leave first, and where none has, what
 * further sessions move is counted under the one name `other`.
 */
import type { StepCounter, StepCounterNames } from "../protocol.ts";
import type { Family } from "./family.ts";

const defaults = { bytes: "session_byte_counter_total", messages: "session_packet_counter_total" };
const other = "other";

interface Entry {
  readonly session: string;
  readonly cluster: string;
  readonly names: typeof defaults;
  readonly counter: StepCounter;
  /** When its session ended. */
  endedAt?: number;
}

export class StepCounters {
  readonly #now: () => number;
  readonly #keepMs: number;
  readonly #max: number;
  readonly #entries = new Map<string, Entry>();
  /** Of sessions that run. */
  readonly #running = new Map<string, Entry[]>();

  constructor({ now = () => performance.now(), keepMs = 300_000, max = 1000 } = {}) {
    this.#now = now;
    this.#keepMs = keepMs;
    this.#max = max;
  }

  /** Where a step of `session` counts; the same for all steps of it with these names. */
  counter(session: string, cluster: string, { bytes, messages }: StepCounterNames): StepCounter {
    const names = { bytes: bytes ?? defaults.bytes, messages: messages ?? defaults.messages };
    const entry = this.#entries.get(keyOf(session, cluster, names));
    if (entry) {
      if (entry.endedAt !== undefined) this.#run(entry);
      entry.endedAt = undefined;
      return entry.counter;
    }
    if (this.#entries.size >= this.#max) this.#makeRoom();
    return this.#add(this.#entries.size < this.#max ? session : other, cluster, names);
  }

  ended(session: string): void {
    for (const entry of this.#running.get(session) ?? []) entry.endedAt = this.#now();
    this.#running.delete(session);
  }

  families(): Iterable<Family> {
    const found = new Map<string, { family: Family; samples: Family["samples"][number][] }>();
    for (const [key, { session, cluster, names, counter, endedAt }] of this.#entries) {
      if (endedAt !== undefined && this.#now() - endedAt > this.#keepMs) {
        this.#entries.delete(key);
        continue;
      }
      for (const what of ["bytes", "messages"] as const) {
        const name = names[what];
        let of = found.get(name);
        if (!of) {
          const samples: Family["samples"][number][] = [];
          of = { family: { name, help: helps[what], type: "counter", samples }, samples };
          found.set(name, of);
        }
        of.samples.push({ labels: { sessionName: session, clusterName: cluster }, value: counter[what] });
      }
    }
    return [...found.values()].map(({ family }) => family);
  }

  #add(session: string, cluster: string, names: typeof defaults): StepCounter {
    const key = keyOf(session, cluster, names);
    const before = this.#entries.get(key);
    if (before) return before.counter;
    const entry: Entry = { session, cluster, names, counter: { bytes: 0, messages: 0 } };
    this.#entries.set(key, entry);
    if (session !== other) this.#run(entry);
    return entry.counter;
  }

  #run(entry: Entry): void {
    const entries = this.#running.get(entry.session);
    if (entries) entries.push(entry);
    else this.#running.set(entry.session, [entry]);
  }

  /** The map is in order of creation: the oldest that have ended leave, a tenth of all. */
  #makeRoom(): void {
    let surplus = Math.ceil(this.#max / 10);
    for (const [key, { endedAt }] of this.#entries) {
      if (endedAt === undefined) continue;
      this.#entries.delete(key);
      if (--surplus === 0) return;
    }
  }
}

const helps = { bytes: "Bytes through a Metric cluster", messages: "Messages through a Metric cluster" };

function keyOf(session: string, cluster: string, { bytes, messages }: typeof defaults): string {
  return [session, cluster, bytes, messages].join("\0");
}
