/**
 * Messages with their length before them: an unsigned integer of 1 to 8 bytes (4), most significant byte first unless
 * `little`, then that many bytes. Nothing stands between messages; a length of 0 is an empty message.
 */
import { LimitError } from "../lib/errors.ts";
import type { Step, StepContext, Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { Accumulator } from "../lib/stream/accumulator.ts";
import { type Codec, cutMessage, type Decoder } from "../lib/stream/framer.ts";
import { printSize } from "./_bytes.ts";
import { framingStep, messageLimit } from "./_framing.ts";

export interface LengthPrefixOptions {
  /** Size of the length, 1 to 8 bytes. */
  readonly prefixBytes: number;
  readonly littleEndian: boolean;
  readonly maxBytes: number;
  /** The option that sets `maxBytes`. */
  readonly maxOption: string;
}

/** Splits bytes into messages. A length beyond `maxBytes` is a `LimitError` before anything of it is stored. */
class LengthPrefixDecoder implements Decoder {
  readonly #options: LengthPrefixOptions;
  /** Bytes from earlier chunks: of the length while `#need` is unknown, then of the message. */
  readonly #pending = new Accumulator();
  #need: number | undefined;
  #chunk = new Uint8Array(0);
  #start = 0;

  constructor(options: LengthPrefixOptions) {
    this.#options = options;
  }

  push(chunk: Uint8Array): void {
    this.#chunk = chunk as Uint8Array<ArrayBuffer>;
    this.#start = 0;
  }

  next(): Uint8Array | null {
    if (this.#need === undefined) {
      const prefix = this.#take(this.#options.prefixBytes);
      if (prefix === null) return null;
      this.#need = this.#length(prefix);
    }
    const message = this.#take(this.#need);
    if (message !== null) this.#need = undefined;
    return message;
  }

  end(): null {
    const { prefixBytes } = this.#options;
    if (this.#need !== undefined) throw cutMessage("LENGTHPREFIX", this.#pending.length, String(this.#need));
    if (this.#pending.length > 0) throw cutMessage("LENGTHPREFIX length", this.#pending.length, String(prefixBytes));
    return null;
  }

  /** The next `count` bytes when all are there; otherwise keeps what is. */
  #take(count: number): Uint8Array | null {
    const missing = count - this.#pending.length;
    const piece = this.#chunk.subarray(this.#start, this.#start + missing);
    this.#start += piece.length;
    if (piece.length === count) return piece;
    this.#pending.append(piece);
    return piece.length === missing ? this.#pending.take() : null;
  }

  #length(prefix: Uint8Array): number {
    const { littleEndian, maxBytes, maxOption } = this.#options;
    const digits = littleEndian ? prefix.toReversed() : prefix;
    // Beyond 2^53 the sum is no longer exact, and far beyond any bound.
    const length = digits.reduce((sum, byte) => sum * 256 + byte, 0);
    if (length > maxBytes) {
      throw new LimitError(
        `LENGTHPREFIX: message of ${length} bytes exceeds ${maxOption}=${printSize(maxBytes)}`,
        { code: "MESSAGE_TOO_BIG" },
      );
    }
    return length;
  }
}

export function lengthPrefixCodec(options: LengthPrefixOptions): Codec {
  const { prefixBytes, littleEndian } = options;
  return {
    decoder: () => new LengthPrefixDecoder(options),
    encode(message) {
      if (message.length >= 256 ** prefixBytes) {
        throw new LimitError(`datagram of ${message.length} bytes does not fit LENGTHPREFIX,bytes=${prefixBytes}`);
      }
      const prefix = new Uint8Array(prefixBytes);
      for (let i = 0, rest = message.length; i < prefixBytes; i++, rest = Math.floor(rest / 256)) {
        prefix[littleEndian ? i : prefixBytes - 1 - i] = rest % 256;
      }
      return [prefix, message];
    },
  };
}

const spec = s.object({
  bytes: s.integer({ min: 1, max: 8, default: 4, help: "Size of the length before each message" }),
  little: s.boolean({ default: false, help: "Least significant byte first" }),
  max: s.size({ min: 1, help: "Largest message (default: -B)" }),
});
type LengthPrefixSpec = s.SpecOf<typeof spec>;

export const lengthPrefix: Transform<LengthPrefixSpec> = {
  name: "LENGTHPREFIX",
  types: [{
    names: ["LENGTHPREFIX"],
    role: "local",
    parameters: { form: "none" },
    help: "Messages with a binary length before each",
  }],
  needs: "any",
  gives: "other",
  spec,
  forward: step,
  backward: step,
};

function step(spec: LengthPrefixSpec, context: StepContext): Step {
  const limit = messageLimit(spec.max, context);
  const codec = lengthPrefixCodec({
    prefixBytes: spec.bytes ?? 4,
    littleEndian: spec.little === true,
    maxBytes: limit.bytes,
    maxOption: limit.option,
  });
  return framingStep(codec, context);
}
