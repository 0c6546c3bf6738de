/** The native driver: Linux's own sockets through libc. */
import { BacklogQueue } from "../backlog_queue.ts";
import type { Driver } from "../driver.ts";
import { ConfigError } from "../errors.ts";
import { resolve } from "../resolve.ts";
import { accountNumber } from "./account.ts";
import { BufferPool } from "./buffer_pool.ts";
import { DatagramArena } from "./datagram_arena.ts";
import { openDatagram } from "./datagram_socket.ts";
import { adoptDescriptor, closeStdout, descriptorAccess, descriptorKind, mkfifo } from "./descriptor.ts";
import { libcFailure } from "./libc.ts";
import { listenStream } from "./listener.ts";
import { Reactor } from "./reactor.ts";
import type { Shared, Unwatched } from "./shared.ts";
import { connectStream } from "./stream_connect.ts";

/**
 * A driver with a reactor of its own. Throws `ConfigError` (code `UNSUPPORTED`) where libc or the permission to call it
 * is absent: the caller may use the portable driver then.
 */
export function openNativeDriver(): Driver {
  if (libcFailure !== undefined) {
    throw new ConfigError(`the native driver cannot be used: ${libcFailure}; use --driver=portable`, {
      code: "UNSUPPORTED",
    });
  }
  const unwatched = new Set<Unwatched>();
  let arena: DatagramArena | undefined;
  const shared: Shared = {
    reactor: new Reactor(),
    pool: new BufferPool(),
    arena: () => arena ??= new DatagramArena(),
    backlogs: new BacklogQueue(),
    keptListeners: new Set(),
    unwatched,
  };
  return {
    name: "native",
    connectStream: (remote, options, signal) => connectStream(remote, options, signal, shared),
    listenStream: async (local, options) => listenStream(local, options, shared),
    openDatagram: async (target, options) => openDatagram(target, options, shared),
    resolve,
    descriptorKind,
    descriptorAccess,
    adoptDescriptor: (fd, options) => adoptDescriptor(fd, options, shared),
    listenDescriptor: async (fd, options) =>
      (await import("./inherited_listener.ts")).listenDescriptor(fd, options, shared),
    accountNumber,
    mkfifo,
    openTerminal: async (onClose) => (await import("./pseudo_terminal.ts")).openTerminal(shared, onClose),
    closeStdout,
    close() {
      for (const owner of [...unwatched]) owner.release();
      return shared.reactor.close();
    },
  };
}
