/**
 * MD5 (RFC 1321) of short texts, where it serves to spread keys and not to protect anything. Our own because the
 * runtime's is either asynchronous or in a `node:` module, and balancers are made and asked without waiting.
 */

const shifts = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]] as const;
/** RFC 1321 section 3.4: the table T. */
const sines = Uint32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));
const encoder = new TextEncoder();

/** The four words of the digest, first to last; each stands for four bytes of it, the lowest first. */
export function md5(text: string): [number, number, number, number] {
  const words = padded(encoder.encode(text));
  let [a, b, c, d] = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
  for (let block = 0; block < words.length; block += 16) {
    const [a0, b0, c0, d0] = [a, b, c, d];
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const [mixed, index] = step(round, i, b, c, d);
      const sum = (a + mixed + sines[i]! + words[block + index]!) | 0;
      const by = shifts[round]![i & 3]!;
      [a, d, c] = [d, c, b];
      b = (b + (sum << by | sum >>> (32 - by))) | 0;
    }
    a = (a + a0) | 0;
    b = (b + b0) | 0;
    c = (c + c0) | 0;
    d = (d + d0) | 0;
  }
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
}

/** The digest as 32 hex digits, as tools print it. */
export function md5Hex(text: string): string {
  const bytes = new DataView(new ArrayBuffer(16));
  md5(text).forEach((word, i) => bytes.setUint32(4 * i, word, true));
  return [0, 4, 8, 12].map((at) => bytes.getUint32(at).toString(16).padStart(8, "0")).join("");
}

/** What a step of a round mixes, and the word of the block that it adds. */
function step(round: number, i: number, b: number, c: number, d: number): [number, number] {
  switch (round) {
    case 0:
      return [b & c | ~b & d, i];
    case 1:
      return [b & d | c & ~d, (5 * i + 1) & 15];
    case 2:
      return [b ^ c ^ d, (3 * i + 5) & 15];
    default:
      return [c ^ (b | ~d), (7 * i) & 15];
  }
}

/** The message in words, with a one bit, zeros, and its length in bits behind it (RFC 1321 sections 3.1 and 3.2). */
function padded(message: Uint8Array): Int32Array {
  const bytes = new DataView(new ArrayBuffer(64 * Math.ceil((message.length + 9) / 64)));
  new Uint8Array(bytes.buffer).set(message);
  bytes.setUint8(message.length, 0x80);
  bytes.setUint32(bytes.byteLength - 8, message.length << 3, true);
  bytes.setUint32(bytes.byteLength - 4, Math.floor(message.length / 2 ** 29), true);
  return Int32Array.from({ length: bytes.byteLength / 4 }, (_, i) => bytes.getInt32(4 * i, true));
}
