/** The portable driver: what the runtime alone can do, on every system it runs on. */
import { BacklogQueue } from "../backlog_queue.ts";
import type { Driver } from "../driver.ts";
import { resolve } from "../resolve.ts";
import { accountNumber } from "./account.ts";
import { openDatagram } from "./datagram_socket.ts";
import { adoptDescriptor, descriptorAccess, descriptorKind, mkfifo } from "./descriptor.ts";
import { listenStream } from "./listener.ts";
import type { OwnedSet } from "./owned.ts";
import { refuse, unavailable } from "./refusals.ts";
import { connectStream } from "./stream_connect.ts";

/**
 * A driver without state of its own but what is open. It differs from the native one in what the runtime cannot do: a
 * TCP connection without a local address cannot be reset, a refused datagram is not reported, an idle connection costs
 * more memory, and standard output ends for its reader only with the process. Options it cannot honour are
 * `ConfigError`s.
 */
export function openPortableDriver(): Driver {
  const owned: OwnedSet = new Set();
  const backlogs = new BacklogQueue();
  return {
    name: "portable",
    refuse,
    connectStream: (remote, options, signal) => connectStream(remote, options, signal, owned, backlogs),
    listenStream: (local, options) => listenStream(local, options, owned),
    openDatagram: (target, options) => openDatagram(target, options, owned),
    resolve,
    descriptorKind,
    descriptorAccess,
    adoptDescriptor: (fd, options) => adoptDescriptor(fd, options, owned),
    async listenDescriptor() {
      throw unavailable("a descriptor that listens");
    },
    accountNumber,
    mkfifo,
    async openTerminal() {
      throw unavailable("a pseudo-terminal");
    },
    closeStdout() {},
    close() {
      for (const one of [...owned]) one.release();
    },
  };
}
