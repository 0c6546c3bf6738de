/** Data frames as they are sent (RFC 6455 section 5.2). */

export const opcodes = { continuation: 0, text: 1, binary: 2 } as const;

/** One frame to be sent. */
export interface DataFrame {
  readonly opcode: number;
  /** The last of its message. */
  readonly fin: boolean;
  readonly payload: Uint8Array;
}

/** The largest header: lengths of 64 bits, and a masking key. */
export const maxHeaderBytes = 14;

/** Masking keys drawn from the system at once. */
const keysDrawn = 256;

/** Writes frames; a client's are masked, each with a key nobody can foresee (section 5.3). */
export class FrameWriter {
  readonly #masked: boolean;
  #keys = new Uint32Array(0);
  #key = 0;

  constructor(masked: boolean) {
    this.#masked = masked;
  }

  /** Writes a frame to `target` at `at`, with `maxHeaderBytes` more room than its payload needs; gives its end. */
  put(target: Uint8Array, at: number, { opcode, fin, payload }: DataFrame): number {
    const { length } = payload;
    target[at++] = opcode | (fin ? 0x80 : 0);
    const mask = this.#masked ? 0x80 : 0;
    if (length < 126) target[at++] = mask | length;
    else {
      const lengthBytes = length < 65_536 ? 2 : 8;
      target[at++] = mask | (lengthBytes === 2 ? 126 : 127);
      for (let byte = lengthBytes - 1; byte >= 0; byte--) target[at++] = length / 2 ** (8 * byte);
    }
    if (!this.#masked) {
      target.set(payload, at);
      return at + length;
    }
    const key = this.#nextKey();
    for (let byte = 0; byte < 4; byte++) target[at++] = key >>> (8 * byte);
    target.set(payload, at);
    maskInPlace(target, at, at + length, key);
    return at + length;
  }

  #nextKey(): number {
    if (this.#key === this.#keys.length) {
      this.#keys = crypto.getRandomValues(new Uint32Array(keysDrawn));
      this.#key = 0;
    }
    return this.#keys[this.#key++]!;
  }
}

/** Masks in place, the key's lowest byte first. */
function maskInPlace(bytes: Uint8Array, from: number, to: number, key: number): void {
  let at = from;
  let turned = key;
  const byByte = (end: number) => {
    for (; at < end; at++) {
      bytes[at]! ^= turned;
      turned = turned >>> 8 | turned << 24;
    }
  };
  if (to - from >= worthWords) {
    // Byte for byte takes five times as long.
    byByte(from + (-(bytes.byteOffset + from) & 3));
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (to - at) >> 2);
    const word = littleEndian ? turned : reversed(turned);
    for (let i = 0; i < words.length; i++) words[i]! ^= word;
    at += words.length * 4;
  }
  byByte(to);
}

/** From here on it pays to mask words of memory. */
const worthWords = 256;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function reversed(word: number): number {
  return word >>> 24 | word >>> 8 & 0xff00 | word << 8 & 0xff0000 | word << 24;
}
