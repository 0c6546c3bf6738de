/** What has happened to a session, for the REST API: bounded, oldest first. */

export type SessionEvent = "INIT" | "LOOKUP SUCCESS" | "CONNECT" | "DISCONNECT" | "ERROR" | "END" | "DESTROY";

interface Entry {
  readonly event: SessionEvent;
  readonly at: number;
  readonly message: string;
  readonly content: string | number;
}

/** A session that loses its connection again and again keeps its first events and the newest. */
const mostEvents = 64;

export class EventLog {
  readonly #entries: Entry[] = [];

  constructor(message: string) {
    this.add("INIT", message);
  }

  add(event: SessionEvent, message: string, content: string | number = ""): void {
    if (this.#entries.length === mostEvents) this.#entries.splice(mostEvents / 2, 1);
    this.#entries.push({ event, at: Date.now(), message, content });
  }

  toJSON(): Record<string, unknown>[] {
    return this.#entries.map(({ event, at, message, content }) => {
      return { event, timestamp: new Date(at).toISOString(), message, content };
    });
  }
}
