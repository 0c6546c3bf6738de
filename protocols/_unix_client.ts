/** Connects to a UNIX socket of either kind, for addresses that find one at a path. */
import { ConnectError, StreamError } from "../lib/errors.ts";
import type { DatagramSocket } from "../lib/driver.ts";
import type { Context } from "../lib/protocol.ts";
import type { DatagramStream, SocketAddress, Stream } from "../lib/stream/stream.ts";

/** A stream connection, or a datagram stream when the socket at `path` is of that kind. Rejects with a `ConnectError`. */
export async function connectUnix(path: string, protocol: string, context: Context): Promise<Stream> {
  const remote: SocketAddress = { family: "unix", path };
  try {
    return await context.driver.connectStream(remote, {}, context.signal);
  } catch (error) {
    if (!(error instanceof ConnectError) || error.code !== "EPROTOTYPE") throw error;
  }
  const socket = await context.driver.openDatagram({ remote }, {});
  return datagramStream(socket, protocol, path);
}

/** A connected datagram socket as a stream. It has no end of its own. */
export function datagramStream(socket: DatagramSocket, protocol: string, name: string): DatagramStream {
  let left: { readonly reason: unknown } | undefined;
  const throwIfLeft = () => {
    if (left) throw left.reason;
  };
  return {
    kind: "datagram",
    info: { protocol, name, local: socket.local, remote: socket.remote },
    get dropped() {
      return socket.dropped;
    },
    async receive() {
      throwIfLeft();
      const batch = await socket.receive();
      throwIfLeft();
      return batch;
    },
    async send(batch) {
      throwIfLeft();
      await socket.send(batch);
    },
    async closeWrite() {},
    abort(reason) {
      left ??= { reason: reason ?? new StreamError(`recv(${name}): stream is closed`, { code: "CLOSED" }) };
      socket.close();
    },
  };
}
