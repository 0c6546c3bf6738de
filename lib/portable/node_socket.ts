/** Connections that only `node:net` can make: with a local address, or over a descriptor. They can be reset. */
import type { Socket } from "node:net";
import { AbortGate } from "../stream/abort_gate.ts";
import { delegateBytes } from "../stream/delegate.ts";
import { fromDuplex } from "../stream/duplex.ts";
import {
  type ByteStream,
  formatAddress,
  type IpAddress,
  type SocketAddress,
  type StreamInfo,
} from "../stream/stream.ts";
import { connectError } from "./errors.ts";
import type { Owned, OwnedSet } from "./owned.ts";

/** Connects from `local`. Rejects with a `ConnectError`, or the signal's reason. */
export async function connectFrom(
  local: IpAddress,
  remote: IpAddress,
  options: { readonly nodelay?: boolean; readonly keepalive?: boolean },
  signal: AbortSignal,
  owned: OwnedSet,
): Promise<ByteStream> {
  const { connect } = await import("node:net");
  signal.throwIfAborted();
  const socket = connect({
    host: remote.host,
    port: remote.port,
    localAddress: local.host,
    // The system chooses for 0, which node:net takes for an option that is absent.
    ...(local.port !== 0 && { localPort: local.port }),
    allowHalfOpen: true,
    noDelay: options.nodelay ?? true,
    keepAlive: options.keepalive ?? false,
  });
  await new Promise<void>((resolve, reject) => {
    const cancel = () => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", cancel, { once: true });
    socket.once("connect", () => {
      signal.removeEventListener("abort", cancel);
      resolve();
    });
    socket.once("error", (error) => {
      signal.removeEventListener("abort", cancel);
      const call = (error as { syscall?: string }).syscall === "bind" ? "bind" : "connect";
      reject(connectError(call, call === "bind" ? local : remote, describeNodeError(error)));
    });
  });
  const bound: SocketAddress = {
    ...local,
    host: socket.localAddress ?? local.host,
    port: socket.localPort ?? local.port,
  };
  return streamOf(
    socket,
    { protocol: "TCP", name: formatAddress(remote), local: bound, remote, halfCloses: true },
    owned,
  );
}

/** A socket or pipe that was open before us. The descriptor is closed with the stream. */
export async function adoptSocket(fd: number, info: StreamInfo, owned: OwnedSet): Promise<ByteStream> {
  const { Socket } = await import("node:net");
  return streamOf(new Socket({ fd, allowHalfOpen: true, readable: true, writable: true }), info, owned);
}

/** Owns `socket`. An `abort` with a reason resets the connection unless both halves had ended. */
function streamOf(socket: Socket, info: StreamInfo, owned: OwnedSet): ByteStream {
  const stream = fromDuplex(socket, info);
  const owner: Owned = { release: () => socket.destroy() };
  owned.add(owner);
  socket.once("close", () => owned.delete(owner));
  const gate = new AbortGate(info.name);
  const guard = async <T>(call: () => Promise<T>): Promise<T> => {
    gate.check();
    return await gate.race(call());
  };
  return delegateBytes(stream, {
    read: () => guard(() => stream.read()),
    write: (bytes) => guard(() => stream.write(bytes)),
    closeWrite: () => guard(() => stream.closeWrite()),
    abort(reason) {
      // Before node:net rejects what is pending in its own words.
      gate.abort(reason);
      const bothEnded = socket.readableEnded && socket.writableFinished;
      if (reason !== undefined && !bothEnded && !socket.destroyed) socket.resetAndDestroy();
      stream.abort(reason);
    },
  });
}

const texts: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EACCES: "Permission denied",
  ENETUNREACH: "Network is unreachable",
  EHOSTUNREACH: "No route to host",
  ETIMEDOUT: "Connection timed out",
};

/** `connect ECONNREFUSED 127.0.0.1:1` in the system's words. */
function describeNodeError(error: Error): Error {
  const { syscall, code: said } = error as { syscall?: string; code?: string };
  // What node:net does not know it calls EINVAL; with an address that was checked before, bind has only one such error.
  const code = syscall === "bind" && said === "EINVAL" ? "EADDRNOTAVAIL" : said;
  const text = code === undefined ? undefined : texts[code];
  return text === undefined ? error : Object.assign(new Error(text, { cause: error }), { code });
}
