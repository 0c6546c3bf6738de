/**
 * Lines as messages. Splitting: a message is what stands before a separator (newline by default), and what follows
 * the last one when the bytes end. Joining: a message, then the separator, unless the message already ends in it; one
 * that contains it elsewhere is not changed. An empty line is an empty message.
 */
import { ConfigError, LimitError } from "../lib/errors.ts";
import type { Step, StepContext, Transform } from "../lib/protocol.ts";
import * as s from "../lib/schema.ts";
import { Accumulator } from "../lib/stream/accumulator.ts";
import type { Codec, Decoder } from "../lib/stream/framer.ts";
import { printSize } from "./_bytes.ts";
import { framingStep, messageLimit } from "./_framing.ts";

export interface LineOptions {
  readonly separator: Uint8Array;
  /** Messages come without their separator (and without the CR of CR LF). Off: with it. */
  readonly strip: boolean;
  /** A line that is too long, or unfinished at the end, is dropped with a warning. Off: an error; a message. */
  readonly strict: boolean;
  readonly maxBytes: number;
  /** The option that sets `maxBytes`. */
  readonly maxOption: string;
}

const newline = 10;
const carriageReturn = 13;

/** Splits bytes at a separator. `onDrop` hears of lines that `strict` leaves out. */
class LineDecoder implements Decoder {
  readonly #options: LineOptions;
  readonly #onDrop: (why: string) => void;
  /** The line's bytes from earlier chunks; while skipping, only as many as may begin a separator. */
  readonly #pending = new Accumulator();
  #chunk = new Uint8Array(0);
  #start = 0;
  /** Inside a line that is too long: bytes are dropped until its separator. */
  #skipping = false;

  constructor(options: LineOptions, onDrop: (why: string) => void = () => {}) {
    this.#options = options;
    this.#onDrop = onDrop;
  }

  push(chunk: Uint8Array): void {
    this.#chunk = chunk as Uint8Array<ArrayBuffer>;
    this.#start = 0;
  }

  next(): Uint8Array | null {
    for (let after = this.#findSeparator(); after >= 0; after = this.#findSeparator()) {
      const line = this.#takeLine(after);
      if (line !== null) return line;
    }
    this.#keepRest();
    return null;
  }

  end(): Uint8Array | null {
    if (this.#skipping || this.#pending.length === 0) return null;
    const rest = this.#pending.take();
    if (rest.length > this.#options.maxBytes) return this.#tooLong();
    if (!this.#options.strict) return rest;
    this.#onDrop(`unfinished line of ${rest.length} bytes`);
    return null;
  }

  /** Index in the chunk just after the next separator that ends in it, or -1. */
  #findSeparator(): number {
    const { separator } = this.#options;
    const last = separator[separator.length - 1]!;
    for (let i = this.#chunk.indexOf(last, this.#start); i >= 0; i = this.#chunk.indexOf(last, i + 1)) {
      if (separator.length === 1 || this.#endsWithSeparator(i)) return i + 1;
    }
    return -1;
  }

  /** Whether the line's bytes up to the chunk's index `last` end with the separator. */
  #endsWithSeparator(last: number): boolean {
    const { separator } = this.#options;
    for (let k = separator.length - 2, at = last - 1; k >= 0; k--, at--) {
      const kept = this.#pending.length + at - this.#start;
      if (kept < 0) return false;
      const byte = at >= this.#start ? this.#chunk[at] : this.#pending.at(kept);
      if (byte !== separator[k]) return false;
    }
    return true;
  }

  /** The line whose separator ends before `after`; `null` when it is dropped. */
  #takeLine(after: number): Uint8Array | null {
    const { separator, strip, maxBytes } = this.#options;
    const piece = this.#chunk.subarray(this.#start, after);
    this.#start = after;
    const length = this.#pending.length + piece.length - separator.length;
    if (this.#skipping || length > maxBytes) {
      if (!this.#skipping) this.#tooLong();
      this.#skipping = false;
      this.#pending.clear();
      return null;
    }
    let line: Uint8Array = piece;
    if (this.#pending.length > 0) {
      this.#pending.append(piece);
      line = this.#pending.take();
    }
    if (!strip) return line;
    const isNewline = separator.length === 1 && separator[0] === newline;
    return line.subarray(0, isNewline && line[length - 1] === carriageReturn ? length - 1 : length);
  }

  #keepRest(): void {
    const { maxBytes, separator } = this.#options;
    this.#pending.append(this.#chunk.subarray(this.#start));
    this.#chunk = new Uint8Array(0);
    this.#start = 0;
    // A line that just fits may be followed by the beginning of its separator.
    if (!this.#skipping && this.#pending.length > maxBytes + separator.length - 1) this.#tooLong();
    if (this.#skipping) this.#pending.keepLast(separator.length - 1);
  }

  #tooLong(): null {
    const { maxBytes, maxOption, strict } = this.#options;
    const what = `line of more than ${maxBytes} bytes exceeds ${maxOption}=${printSize(maxBytes)}`;
    if (!strict) throw new LimitError(`LINES: ${what}`, { code: "MESSAGE_TOO_BIG" });
    this.#onDrop(what);
    this.#skipping = true;
    return null;
  }
}

export function lineCodec(options: LineOptions, onDrop?: (why: string) => void): Codec {
  const { separator } = options;
  return {
    decoder: () => new LineDecoder(options, onDrop),
    encode: (message) => endsWith(message, separator) ? [message] : [message, separator],
  };
}

function endsWith(bytes: Uint8Array, tail: Uint8Array): boolean {
  const from = bytes.length - tail.length;
  return from >= 0 && tail.every((byte, i) => bytes[from + i] === byte);
}

const spec = s.object({
  sep: s.string({ default: "\n", help: "What separates the lines" }),
  strip: s.boolean({ default: true, help: "Messages come without newline and CR LF; strip=0 keeps them" }),
  strict: s.boolean({ default: false, help: "Drop lines that are too long or unfinished, with a warning" }),
  max: s.size({ min: 1, help: "Longest line (default: -B)" }),
});
type LinesSpec = s.SpecOf<typeof spec>;

export const lines: Transform<LinesSpec> = {
  name: "LINES",
  types: [{
    names: ["LINES"],
    role: "local",
    parameters: { form: "none" },
    help: "Lines to messages, and messages to lines",
  }],
  needs: "any",
  gives: "other",
  spec,
  check(spec) {
    if (spec.sep === "") throw new ConfigError('LINES: option "sep" must not be empty');
  },
  forward: step,
  backward: step,
};

function step(spec: LinesSpec, context: StepContext): Step {
  const limit = messageLimit(spec.max, context);
  const options: LineOptions = {
    separator: new TextEncoder().encode(spec.sep),
    strip: spec.strip !== false,
    strict: spec.strict === true,
    maxBytes: limit.bytes,
    maxOption: limit.option,
  };
  const onDrop = (why: string) => {
    context.drop();
    context.log.warn("datagram.dropped", `LINES: ${why}, dropped`);
  };
  return framingStep(lineCodec(options, onDrop), context);
}
