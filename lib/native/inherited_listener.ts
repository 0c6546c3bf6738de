/** Listening sockets that were open before us. */
import type { StreamListener } from "../driver.ts";
import { ConnectError } from "../errors.ts";
import { tcpKind, unixSocket } from "./byte_socket.ts";
import * as c from "./constants.ts";
import { descriptorKind, duplicate } from "./descriptor.ts";
import { AF_UNIX } from "./layout.ts";
import { libc } from "./libc.ts";
import { Listener } from "./listener.ts";
import type { Shared } from "./shared.ts";
import { familyOf } from "./sockaddr.ts";
import { localAddress } from "./socket.ts";
import { getInteger, setStreamOptions } from "./socket_options.ts";

/** Lower ones are the standard streams as well. */
const firstOwnDescriptor = 3;

/** As `Driver.listenDescriptor`. */
export function listenDescriptor(
  inherited: number,
  { keepOpen }: { keepOpen: boolean },
  shared: Shared,
): StreamListener {
  // What was kept is closed on exec like our own by now, and no more told from that.
  if (!shared.keptListeners.has(inherited)) checkListening(inherited);
  if (inherited >= firstOwnDescriptor) libc.fcntl(inherited, c.F_SETFD, c.FD_CLOEXEC);
  const fd = keepOpen ? duplicate(inherited) : inherited;
  if (keepOpen) shared.keptListeners.add(inherited);
  try {
    const local = localAddress(fd);
    const family = familyOf(local);
    setStreamOptions(fd, family, {});
    libc.fcntl(fd, c.F_SETFL, libc.fcntl(fd, c.F_GETFL, 0) | c.O_NONBLOCK);
    return new Listener(fd, local, family === AF_UNIX ? unixSocket : tcpKind({}), undefined, shared);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

function checkListening(fd: number): void {
  const kind = descriptorKind(fd);
  if (kind === "stream-socket" && getInteger(fd, c.SOL_SOCKET, c.SO_ACCEPTCONN) === 1) return;
  throw new ConnectError(`accept(descriptor ${fd}): Invalid argument; it is not a listening stream socket`, {
    code: "EINVAL",
    retryable: false,
  });
}
