/** The rooms of SYNC, and who is in them. */
import { ConnectError, StreamError } from "../lib/errors.ts";
import { getAtPath } from "../lib/metadata/pointer.ts";
import type { Context } from "../lib/protocol.ts";
import { AbortGate } from "../lib/stream/abort_gate.ts";
import type { Datagram, DatagramStream, StreamInfo } from "../lib/stream/stream.ts";
import { MemberQueue } from "./_member_queue.ts";
import { Turns } from "./_turns.ts";
import type { SyncSpec } from "./sync.ts";

/** Enters the room that `spec` names in `rooms`. Throws a `ConnectError` where it names none. */
export function enterRoom(rooms: Rooms, spec: SyncSpec, context: Context): DatagramStream {
  const { label, shown } = labelOf(spec, context);
  return new Member(rooms.room(label), { protocol: "Sync", name: shown }, spec, context);
}

function labelOf({ label, query }: SyncSpec, { metadata }: Context): { label: string; shown: string } {
  if (query === undefined) return { label: label ?? "", shown: label === undefined ? "SYNC" : `SYNC:${label}` };
  const found = getAtPath(metadata ?? {}, query) ?? label;
  if (found === undefined) {
    const message = `SYNC: nothing at ${query} in the session's metadata, which is to be its label (query)`;
    throw new ConnectError(message, { code: "NO_LABEL", status: 400, retryable: false });
  }
  const text = typeof found === "string" ? found : JSON.stringify(found);
  // 1 and "1" are not equal.
  return { label: JSON.stringify(found), shown: `SYNC:${text}` };
}

/** The rooms there are; each removes itself when it is empty. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();

  get size(): number {
    return this.#rooms.size;
  }

  /** The room with this label. Who asks enters it at once, or it stays for ever. */
  room(label: string): Room {
    const there = this.#rooms.get(label);
    if (there) return there;
    const made = new Room(() => this.#rooms.delete(label));
    this.#rooms.set(label, made);
    return made;
  }
}

class Room {
  readonly #members = new Set<Member>();
  readonly #turns = new Turns();
  readonly #onEmpty: () => void;

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  enter(member: Member): void {
    this.#members.add(member);
  }

  leave(member: Member): void {
    if (this.#members.delete(member) && this.#members.size === 0) this.#onEmpty();
  }

  /** Gives `batch` to all but its sender. One sender at a time, so that all hear everything in one order. */
  say(batch: readonly Datagram[], sender: Member): Promise<void> {
    return this.#turns.take(async () => {
      for (const { data, meta } of batch) {
        if (sender.left) return;
        // Once for all of them; its memory is the sender's only until this resolves.
        const message: Datagram = meta === undefined ? { data: data.slice() } : { data: data.slice(), meta };
        for (const member of this.#members) {
          if (member === sender && !sender.hearsItself) continue;
          for (let wait = member.hear(message); wait; wait = member.hear(message)) await sender.whileHere(wait);
        }
      }
    });
  }
}

class Member implements DatagramStream {
  readonly kind = "datagram";
  readonly info: StreamInfo;
  readonly hearsItself: boolean;
  readonly #room: Room;
  readonly #queue: MemberQueue<Datagram>;
  readonly #gate: AbortGate;
  #left = false;

  constructor(room: Room, info: StreamInfo, spec: SyncSpec, { log }: Context) {
    this.info = info;
    this.hearsItself = spec.self === true;
    this.#room = room;
    this.#gate = new AbortGate(info.name);
    const onDrop = () => log.warn("datagram.dropped", `${info.name}: a member reads too slowly and loses messages`);
    this.#queue = new MemberQueue({ ...spec, name: info.name, onDrop }, ({ data }) => data.length);
    room.enter(this);
  }

  get dropped(): number {
    return this.#queue.dropped;
  }

  /** It says no more. */
  get left(): boolean {
    return this.#left;
  }

  /** Settles as `wait` does, or rejects at once when the member is aborted. */
  whileHere(wait: Promise<void>): Promise<void> {
    return this.#gate.race(wait);
  }

  hear(message: Datagram): Promise<void> | undefined {
    return this.#queue.put(message);
  }

  receive(): Promise<readonly Datagram[] | null> {
    return this.#queue.take();
  }

  async send(batch: readonly Datagram[]): Promise<void> {
    this.#gate.check();
    if (this.#left) throw new StreamError(`send(${this.info.name}): Broken pipe`, { code: "EPIPE" });
    await this.#gate.race(this.#room.say(batch, this));
  }

  async closeWrite(): Promise<void> {
    this.#gate.check();
    this.#leave();
    this.#queue.end();
  }

  abort(reason?: unknown): void {
    if (!this.#gate.abort(reason)) return;
    this.#leave();
    this.#queue.fail(reason ?? new StreamError(`receive(${this.info.name}): stream is closed`, { code: "CLOSED" }));
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#room.leave(this);
  }
}
