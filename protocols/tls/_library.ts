/** The parts of the runtime's `node:tls` in use, and their loading at first use. */
import type * as Crypto from "node:crypto";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";

export type TlsLibrary = typeof import("node:tls");

export async function loadTls(): Promise<TlsLibrary> {
  return await import("node:tls");
}

/** The same for the checks before the start, which do not wait. */
export function tlsAtOnce(): TlsLibrary {
  return globalThis.process.getBuiltinModule("node:tls");
}

/** `node:crypto` for the checks before the start, which do not wait. */
export function crypto(): typeof Crypto {
  return globalThis.process.getBuiltinModule("node:crypto");
}

/** What is not public of a socket's TLS machine. */
export interface TlsMachine {
  /**
   * Code of what is wrong with the chain of the peer's certificate, "" for nothing. The library consults it only for
   * sockets of its own server class, which takes connections but not one connection.
   */
  verifyError(): unknown;
  /** What the peer showed, in DER, its own certificate first; nothing where it showed none. */
  getPeerCertificateChain(): { readonly certificates?: readonly Uint8Array[] } | undefined;
  /** Whether the handshake is over, which is so before the event that tells it. */
  isEstablished(): boolean;
  /** Encrypted bytes that have not been taken yet: after a failed handshake, the alert that tells the peer why. */
  drainEncOut?(): Uint8Array | undefined;
  /** Takes encrypted bytes; without any it finishes what it was doing. */
  readBuffer?(bytes: Uint8Array): void;
}

/**
 * Writes what `machine` has encrypted and the library has not written yet, until nothing is left. The library says that
 * a socket has ended while there still is, and would write it after the end of `duplex`.
 */
export async function flush(machine: TlsMachine, duplex: Duplex): Promise<void> {
  const write = (bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) => duplex.write(bytes, (error) => error ? reject(error) : resolve()));
  for (;;) {
    // When this is through, so are all writes before it, and what they made the library write is in the queue.
    await write(new Uint8Array(0));
    let rest = machine.drainEncOut?.();
    if (!rest?.length) {
      machine.readBuffer?.(new Uint8Array(0));
      rest = machine.drainEncOut?.();
    }
    if (!rest?.length) return;
    await write(rest.slice());
  }
}

/**
 * The library writes a copy of the encrypted bytes it drains; the bytes themselves it would leave to the collector. They
 * are given to `free` when the next are drained.
 */
export function freeDrained(machine: TlsMachine, free: (bytes: Uint8Array) => void): void {
  const { drainEncOut: drain } = machine;
  let drained: Uint8Array | undefined;
  machine.drainEncOut = drain && (() => {
    if (drained) free(drained);
    return drained = drain.call(machine);
  });
}

export function machineOf(socket: TLSSocket): TlsMachine {
  return (socket as unknown as { _handle: TlsMachine })._handle;
}
