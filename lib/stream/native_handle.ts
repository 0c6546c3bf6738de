/**
 * What `ByteStream.native` offers where the stream is a descriptor of the native driver: reads and writes without a
 * promise, so that a pump between two of them copies nothing it need not. Types, and the test for them.
 *
 * A handle's calls and its stream's are not mixed while one of them is pending, direction by direction.
 */

/** Nothing can be moved now: wait, then try again. */
export const wouldBlock = -1;

export interface NativeByteHandle {
  readonly nativeKind: "byte";
  readonly fd: number;
  /** Size to ask for in the next read, in bytes: grows while reads come back full, shrinks after small ones. */
  readonly readBytes: number;
  /**
   * Reads into the first `bytes` bytes of `buffer`: the count, 0 at the peer's half-close, or `wouldBlock`. Throws what
   * `read` rejects with.
   */
  tryRead(buffer: Uint8Array, bytes: number): number;
  /** Sends `bytes[start..end)`: how many the system took, possibly fewer, or `wouldBlock`. Throws as `write` rejects. */
  trySend(bytes: Uint8Array, start: number, end: number): number;
  /** Resolves when `tryRead` is worth trying, also when it will throw (after an `abort`). At most one call pending. */
  waitReadable(): Promise<void>;
  waitWritable(): Promise<void>;
  /** Lends a buffer of at least `bytes` bytes from the driver's pool; return it with `giveBuffer` when it is empty. */
  takeBuffer(bytes: number): Uint8Array<ArrayBuffer>;
  giveBuffer(buffer: Uint8Array<ArrayBuffer>): void;
}

export function isNativeByteHandle(native: unknown): native is NativeByteHandle {
  return (native as { nativeKind?: unknown } | undefined)?.nativeKind === "byte";
}
