/**
 * Waits for the driver's sockets with one epoll on the main loop. While there is traffic it polls without blocking; when
 * there is none it hands the wait to one thread of the runtime's pool. It runs exactly as long as it watches something,
 * so that the process can end by itself.
 *
 * Registration is edge-triggered, once per descriptor: a `Watch` remembers what is ready, and its owner clears the flag
 * when the system says "not now". No call is spent on asking for readiness again.
 */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
} from "./constants.ts";
import { nextTask } from "../stream/timer.ts";
import { EINTR, EPERM, streamError } from "./errno.ts";
import { epollEvent } from "./layout.ts";
import { errno, libc } from "./libc.ts";

/** Events taken from one wait. */
const maxEvents = 256;

/** Operations one descriptor may do in one turn before the others get theirs. */
const turnBudget = 16;

/** Busy turns after which timers, signals and the runtime's own I/O get a turn. */
const busyTurnsPerTask = 16;

/** Microtask rounds given to what was just woken, before the next poll and before going to sleep. */
const settleRounds = 4;
const idleRounds = 12;

/** Who reads and writes a registered descriptor. Both are called on suspicion: nothing may be ready after all. */
export interface WatchOwner {
  onReadable(): void;
  onWritable(): void;
  /** The driver closes: removes its watch and releases its descriptor, whatever is pending. */
  release(): void;
}

/** What is known about one registered descriptor. */
export class Watch {
  /** A read may succeed. Cleared by the owner after EAGAIN, or after a short read of a TCP socket. */
  readable = true;
  /** A write may succeed. Cleared by `wantSpace` after EAGAIN or a partial write. */
  writable = true;
  /** The peer has ended, failed or sent urgent data: a short read no longer means that nothing is left. */
  drain = false;
  turn = 0;
  spent = 0;
  waitsForSpace = false;

  constructor(readonly fd: number, readonly owner: WatchOwner) {}
}

/** One epoll and the loop that serves it; owned by one driver. */
export class Reactor {
  readonly #watches: (Watch | undefined)[] = [];
  readonly #events = new Int32Array(maxEvents * epollEvent.words);
  #deferred: Watch[] = [];
  #count = 0;
  #turn = 1;
  #activity = 0;
  #epoll = -1;
  #wakeup = -1;
  #running = false;
  #ended: Promise<void> | undefined;
  #sleeping = false;
  #closed = false;

  /**
   * Registers `fd`. Returns undefined where it cannot be waited for (a regular file). With `connecting` the watch starts
   * as not ready; with `drain` a short read never means that nothing is left (anything but TCP).
   */
  add(fd: number, owner: WatchOwner, options: { connecting?: boolean; drain?: boolean } = {}): Watch | undefined {
    this.#open();
    const watch = new Watch(fd, owner);
    watch.drain = options.drain ?? false;
    if (options.connecting) watch.readable = watch.writable = false;
    watch.waitsForSpace = options.connecting ?? false;
    if (this.#control(EPOLL_CTL_ADD, fd, watch.waitsForSpace) < 0) {
      const error = errno();
      if (error === EPERM) return undefined;
      throw streamError("epoll_ctl", `descriptor ${fd}`, error);
    }
    this.#watches[fd] = watch;
    this.#count++;
    if (!this.#running) this.#ended = this.#run();
    return watch;
  }

  /** Forgets `watch`; to be called before its descriptor is closed, and once. */
  remove(watch: Watch): void {
    if (this.#watches[watch.fd] !== watch) return;
    this.#control(EPOLL_CTL_DEL, watch.fd, false);
    this.#watches[watch.fd] = undefined;
    if (--this.#count === 0) this.#wake();
  }

  /**
   * Whether `watch` may do one more operation in this turn. After `false` its owner waits with `defer`: otherwise two
   * sockets that are always ready would keep everybody else from running.
   */
  spend(watch: Watch): boolean {
    this.#activity++;
    if (watch.turn !== this.#turn) {
      watch.turn = this.#turn;
      watch.spent = 0;
    }
    return watch.spent++ < turnBudget;
  }

  /** Calls the owner of `watch` in the next turn, as if something had happened. */
  defer(watch: Watch): void {
    this.#deferred.push(watch);
    this.#wake();
  }

  /** Asks to be told when `watch` can be written. Kernels report free space often, so it is asked only on demand. */
  wantSpace(watch: Watch): void {
    watch.writable = false;
    if (watch.waitsForSpace) return;
    watch.waitsForSpace = true;
    this.#control(EPOLL_CTL_MOD, watch.fd, true);
  }

  /** Has every owner release its descriptor, then ends the loop; resolves when nothing runs any more. */
  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch?.owner.release();
    this.#closed = true;
    if (!this.#running) return this.#release();
    this.#wake();
    await this.#ended;
  }

  #open(): void {
    if (this.#epoll >= 0) return;
    this.#epoll = libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw streamError("epoll_create1", "", errno());
    this.#wakeup = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (this.#wakeup < 0) {
      const error = errno();
      libc.close(this.#epoll);
      this.#epoll = -1;
      throw streamError("eventfd", "", error);
    }
    const event = new Int32Array(epollEvent.words);
    event[epollEvent.events] = EPOLLIN;
    event[epollEvent.data] = this.#wakeup;
    libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, this.#wakeup, event);
  }

  #release(): void {
    if (this.#epoll < 0) return;
    libc.close(this.#epoll);
    libc.close(this.#wakeup);
    this.#epoll = this.#wakeup = -1;
  }

  #control(operation: number, fd: number, space: boolean): number {
    const event = new Int32Array(epollEvent.words);
    event[epollEvent.events] = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET | (space ? EPOLLOUT : 0);
    event[epollEvent.data] = fd;
    return libc.epoll_ctl(this.#epoll, operation, fd, event);
  }

  /** Makes a pending asynchronous wait return. */
  #wake(): void {
    if (!this.#sleeping) return;
    this.#sleeping = false;
    libc.write(this.#wakeup, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  }

  async #run(): Promise<void> {
    this.#running = true;
    let busy = 0;
    await null; // who registers a descriptor has its watch before the first event comes
    while (this.#count > 0) {
      const ready = this.#poll();
      if (ready > 0) this.#dispatch(ready);
      else await this.#idle();
      if (++busy % busyTurnsPerTask === 0) await nextTask();
      else await rounds(settleRounds);
    }
    this.#running = false;
    if (this.#closed) this.#release();
  }

  /** Starts a turn: serves who was put off in the last one, then takes what is ready without waiting. */
  #poll(): number {
    this.#turn++;
    const deferred = this.#deferred;
    if (deferred.length > 0) {
      this.#deferred = [];
      for (const watch of deferred) {
        if (this.#watches[watch.fd] === watch) watch.owner.onReadable();
        if (this.#watches[watch.fd] === watch) watch.owner.onWritable();
      }
    }
    const count = libc.epoll_wait(this.#epoll, this.#events, maxEvents, 0);
    if (count >= 0) return count;
    const error = errno();
    if (error !== EINTR) throw streamError("epoll_wait", "", error);
    return 0;
  }

  async #idle(): Promise<void> {
    // What was woken may be in the middle of its work; sleeping now would cost it two thread switches.
    const seen = this.#activity;
    await rounds(idleRounds);
    if (this.#activity !== seen || this.#deferred.length > 0 || this.#count === 0) return;
    this.#sleeping = true;
    const ready = await libc.epollWaitAsync(this.#epoll, this.#events, maxEvents, -1);
    this.#sleeping = false;
    this.#turn++;
    if (ready > 0) this.#dispatch(ready);
  }

  #dispatch(count: number): void {
    const events = this.#events;
    for (let i = 0, at = 0; i < count; i++, at += epollEvent.words) {
      const fd = events[at + epollEvent.data]!;
      const what = events[at + epollEvent.events]!;
      const watch = this.#watches[fd];
      if (watch === undefined) {
        if (fd === this.#wakeup) libc.read(this.#wakeup, new Uint8Array(8), 8);
        continue;
      }
      if (what & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) watch.drain = true;
      // Events of a descriptor that was closed and opened again in this turn say too much, which costs one EAGAIN.
      if (what & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        watch.readable = true;
        watch.owner.onReadable();
      }
      if (what & (EPOLLOUT | EPOLLHUP | EPOLLERR) && this.#watches[fd] === watch) {
        watch.writable = true;
        if (watch.waitsForSpace) {
          watch.waitsForSpace = false;
          this.#control(EPOLL_CTL_MOD, fd, false);
        }
        watch.owner.onWritable();
      }
    }
  }
}

async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await null;
}
