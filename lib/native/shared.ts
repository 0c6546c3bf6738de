/** What the sockets of one driver share. */
import type { BacklogQueue } from "../backlog_queue.ts";
import type { BufferPool } from "./buffer_pool.ts";
import type { DatagramArena } from "./datagram_arena.ts";
import type { Reactor } from "./reactor.ts";

/** A descriptor that the reactor does not watch. */
export interface Unwatched {
  /** The driver closes. */
  release(): void;
}

export interface Shared {
  readonly reactor: Reactor;
  readonly pool: BufferPool;
  /** Made when the first datagram socket opens. */
  readonly arena: () => DatagramArena;
  readonly backlogs: BacklogQueue;
  /** Listening sockets that were open before us and stay so, for another listener. */
  readonly keptListeners: Set<number>;
  /** What the driver's `close` releases beside everything that is watched. */
  readonly unwatched: Set<Unwatched>;
}
