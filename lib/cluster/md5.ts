/**
 * MD5 (RFC 1321) of short texts, where it serves to spread keys and not to protect anything. Our own because the
 * runtime's is either asynchronous or in a `node:` module, and balancers are made and asked without waiting.
 */

/** RFC 1321 section 3.4: by how much to rotate, four for each round. */
const shifts = Uint8Array.of(7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21);
/** RFC 1321 section 3.4: the table T. */
const sines = Uint32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));
const encoder = new TextEncoder();

/** The four words of the digest, first to last; each stands for four bytes of it, the lowest first. */
export function md5(text: string): [number, number, number, number] {
  const words = padded(encoder.encode(text));
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  for (let block = 0; block < words.length; block += 16) digestBlock(state, words, block);
  const [a, b, c, d] = new Uint32Array(state.buffer);
  return [a!, b!, c!, d!];
}

/** RFC 1321 section 3.4: one block of 16 words into the state. */
function digestBlock(state: Int32Array, words: Int32Array, block: number): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let i = 0; i < 64; i++) {
    const round = i >> 4;
    let mixed: number;
    let index: number;
    if (round === 0) {
      mixed = b & c | ~b & d;
      index = i;
    } else if (round === 1) {
      mixed = b & d | c & ~d;
      index = 5 * i + 1;
    } else if (round === 2) {
      mixed = b ^ c ^ d;
      index = 3 * i + 5;
    } else {
      mixed = c ^ (b | ~d);
      index = 7 * i;
    }
    const sum = (a + mixed + sines[i]! + words[block + (index & 15)]!) | 0;
    const shift = shifts[round << 2 | i & 3]!;
    a = d;
    d = c;
    c = b;
    b = (b + (sum << shift | sum >>> (32 - shift))) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

/** The digest as 32 hex digits, as tools print it. */
export function md5Hex(text: string): string {
  const bytes = new DataView(new ArrayBuffer(16));
  md5(text).forEach((word, i) => bytes.setUint32(4 * i, word, true));
  return [0, 4, 8, 12].map((at) => bytes.getUint32(at).toString(16).padStart(8, "0")).join("");
}

/** The message in words, with a one bit, zeros, and its length in bits behind it (RFC 1321 sections 3.1 and 3.2). */
function padded(message: Uint8Array): Int32Array {
  const words = new Int32Array(16 * Math.ceil((message.length + 9) / 64));
  for (let i = 0; i < message.length; i++) words[i >> 2]! |= message[i]! << (8 * (i & 3));
  words[message.length >> 2]! |= 0x80 << (8 * (message.length & 3));
  words[words.length - 2] = message.length << 3;
  words[words.length - 1] = Math.floor(message.length / 2 ** 29);
  return words;
}
