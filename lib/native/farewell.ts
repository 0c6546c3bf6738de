/**
 * Closing a descriptor without losing what was written to it. A TCP socket that is closed while unread bytes lie in it
 * sends a reset, which destroys what the peer has not received yet; so what still comes in is read and thrown away until
 * our bytes have arrived.
 */
import { after, type Timer } from "../stream/timer.ts";
import type { ByteSocketKind } from "./byte_socket.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_WR, SIOCOUTQ } from "./constants.ts";
import { EAGAIN, EINTR } from "./errno.ts";
import { errno, libc } from "./libc.ts";
import type { Watch, WatchOwner } from "./reactor.ts";
import type { Shared } from "./shared.ts";

/** How long a peer may take to accept the rest unless its kind says otherwise, and how often arrival is looked up. */
const defaultLimitMs = 10_000;
const lookMs = 20;

/** What the system has not taken yet. */
export interface Rest {
  readonly buffer: Uint8Array<ArrayBuffer>;
  start: number;
  readonly end: number;
}

export function releaseDescriptor(fd: number, kind: ByteSocketKind): void {
  if (kind.onRelease) kind.onRelease();
  else libc.close(fd);
}

/** Takes `fd` over: sends `rest`, half-closes, and closes once everything has arrived, or after the kind's `farewellMs`. */
export function sayFarewell(fd: number, kind: ByteSocketKind, rest: Rest | undefined, shared: Shared): void {
  if (!rest) {
    if (kind.type !== "plain") libc.shutdown(fd, SHUT_WR);
    if (kind.type !== "tcp" || unsentBytes(fd) === 0) return releaseDescriptor(fd, kind);
  }
  new Farewell(fd, kind, rest, shared);
}

function unsentBytes(fd: number): number {
  const count = new Int32Array(1);
  return libc.ioctl(fd, SIOCOUTQ, new Uint8Array(count.buffer)) < 0 ? 0 : count[0]!;
}

class Farewell implements WatchOwner {
  #watch: Watch | undefined;
  readonly #limit: Timer;
  readonly #look: ReturnType<typeof setInterval>;

  constructor(
    readonly fd: number,
    readonly kind: ByteSocketKind,
    readonly rest: Rest | undefined,
    readonly shared: Shared,
  ) {
    this.#limit = after(kind.farewellMs ?? defaultLimitMs, () => this.release());
    this.#look = setInterval(() => this.#step(), lookMs);
    this.#watch = shared.reactor.add(fd, this, { drain: true });
    if (rest && this.#watch) shared.reactor.wantSpace(this.#watch);
    if (this.#watch) this.#step();
    else this.release();
  }

  onReadable(): void {
    this.#step();
  }

  onWritable(): void {
    this.#step();
  }

  #step(): void {
    if (!this.#watch) return;
    const { fd, kind, rest } = this;
    if (rest && rest.start < rest.end) {
      const view = rest.buffer.subarray(rest.start, rest.end);
      const sent = kind.type === "plain"
        ? libc.write(fd, view, view.length)
        : libc.send(fd, view, view.length, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && ![EAGAIN, EINTR].includes(errno())) return this.release();
      if (sent > 0) rest.start += sent;
      if (rest.start < rest.end) return this.shared.reactor.wantSpace(this.#watch);
      if (kind.type !== "plain" && !kind.shared) libc.shutdown(fd, SHUT_WR);
    }
    if (kind.type !== "tcp" || kind.shared) return this.release();
    const waste = this.shared.pool.take(64 * 1024);
    let got: number;
    let turns = 0;
    do got = libc.recv(fd, waste, waste.length, MSG_DONTWAIT); while (got > 0 && ++turns < 16);
    const failed = got < 0 && ![EAGAIN, EINTR].includes(errno());
    this.shared.pool.give(waste);
    if (got === 0 || failed || unsentBytes(fd) === 0) this.release();
  }

  release(): void {
    this.#limit.stop();
    clearInterval(this.#look);
    if (this.#watch) this.shared.reactor.remove(this.#watch);
    this.#watch = undefined;
    if (this.rest) this.shared.pool.give(this.rest.buffer);
    releaseDescriptor(this.fd, this.kind);
  }
}
