/** Bytes as blocks that end between characters of UTF-8 (RFC 3629 section 3): for a target that takes only text. */
import type { Step } from "../protocol.ts";

export const longestCharacterBytes = 4;

/**
 * Cuts to blocks of at most `limit` bytes, `longestCharacterBytes` at least. The beginning of a character waits for the
 * rest of it; what is no UTF-8 passes as it is.
 */
export function wholeCharacters(limit: number): Step {
  let kept = new Uint8Array(0);
  return {
    push({ data }, emit) {
      let rest = data;
      if (kept.length > 0) {
        rest = new Uint8Array(kept.length + data.length);
        rest.set(kept);
        rest.set(data, kept.length);
      }
      while (rest.length > 0) {
        const block = rest.subarray(0, limit);
        const length = block.length - unfinished(block);
        if (length === 0) break;
        emit({ data: rest.subarray(0, length) });
        rest = rest.subarray(length);
      }
      kept = rest.slice();
    },
    end(emit) {
      if (kept.length > 0) emit({ data: kept });
    },
  };
}

/** How many bytes at the end of `bytes` are the beginning of a character. */
function unfinished(bytes: Uint8Array): number {
  for (let count = 1; count < longestCharacterBytes && count <= bytes.length; count++) {
    const byte = bytes[bytes.length - count]!;
    if (byte >= 0x80 && byte < 0xc0) continue;
    const length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf8 ? 4 : 1;
    return length > count ? count : 0;
  }
  return 0;
}
