/** Making, naming and binding sockets: what streams and datagrams have in common. */
import type { PathOptions } from "../driver.ts";
import type { BoundPath } from "../portable/unix_path.ts";
import { formatAddress, type SocketAddress } from "../stream/stream.ts";
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from "./constants.ts";
import { connectError } from "./errno.ts";
import { sockaddrStorageBytes } from "./layout.ts";
import { errno, libc } from "./libc.ts";
import { decodeSockaddr, encodeSockaddr } from "./sockaddr.ts";
import { bindPath } from "./unix_path.ts";

/** A new non-blocking socket; the caller owns it. `type` is SOCK_STREAM or SOCK_DGRAM. */
export function openSocket(family: number, type: number): number {
  const fd = libc.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw connectError("socket", `AF=${family}`, errno());
  return fd;
}

/**
 * Binds `fd` and returns the path it now owns, if it is one (the caller removes it when it closes). A path accepts
 * nobody but its owner before it has the wanted permissions.
 */
export function bindSocket(
  fd: number,
  address: SocketAddress,
  options: PathOptions,
): BoundPath | undefined {
  const bytes = encodeSockaddr(address);
  if (address.family === "unix" && address.path !== "" && !address.path.startsWith("@")) {
    return bindPath(fd, address, bytes, options);
  }
  if (libc.bind(fd, bytes, bytes.length) === 0) return undefined;
  throw connectError("bind", formatAddress(address), errno());
}

const scratch = new Uint8Array(sockaddrStorageBytes);
const scratchLength = new Uint32Array(1);
const scratchLengthBytes = new Uint8Array(scratchLength.buffer);

/** Our end's address. */
export function localAddress(fd: number): SocketAddress {
  scratchLength[0] = scratch.length;
  if (libc.getsockname(fd, scratch, scratchLengthBytes) < 0) {
    throw connectError("getsockname", `descriptor ${fd}`, errno());
  }
  return decodeSockaddr(scratch, scratchLength[0]);
}

/** The peer's address, or undefined where there is none. */
export function peerAddress(fd: number): SocketAddress | undefined {
  scratchLength[0] = scratch.length;
  if (libc.getpeername(fd, scratch, scratchLengthBytes) < 0) return undefined;
  return decodeSockaddr(scratch, scratchLength[0]);
}

/** `accept4` into `remote`: the descriptor and the caller's address, or minus errno. */
export function acceptSocket(listener: number): number | { fd: number; remote: SocketAddress } {
  scratchLength[0] = scratch.length;
  const fd = libc.accept4(listener, scratch, scratchLengthBytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? -errno() : { fd, remote: decodeSockaddr(scratch, scratchLength[0]) };
}

/** Whether `address` stands for every address of the host. */
export function isWildcard(address: SocketAddress): boolean {
  return address.family !== "unix" && encodeSockaddr(address).subarray(4, 24).every((byte) => byte === 0);
}
