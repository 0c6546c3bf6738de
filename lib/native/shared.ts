/** What the sockets of one driver share. */
import type { BufferPool } from "./buffer_pool.ts";
import type { DatagramArena } from "./datagram_arena.ts";
import type { Reactor } from "./reactor.ts";

/** Something that holds a descriptor. */
export interface Owner {
  /** Releases it at once, whatever is pending. */
  release(): void;
}

export interface Shared {
  readonly reactor: Reactor;
  readonly pool: BufferPool;
  /** Made when the first datagram socket opens. */
  readonly arena: () => DatagramArena;
  /** Everything that holds a descriptor, for the driver's `close`. */
  readonly owners: Set<Owner>;
}
