/**
 * Line ends of one address: newline on our side of it, CR LF (`crnl`) or CR (`cr`) on its own. Transforms without a
 * type name: the planner puts them beside an address that has the option. `forward` is what comes from the address,
 * `backward` what goes to it.
 */
import type { Step, Transform } from "../protocol.ts";
import { object } from "../schema.ts";
import type { StreamKind } from "./stream.ts";

const newline = 10;
const carriageReturn = 13;

/** Reading removes every CR; writing puts one before every newline. */
export const crnl: Transform<Record<string, unknown>> = {
  name: "crnl",
  types: [],
  needs: "any",
  gives: "same",
  spec: object({}),
  forward: (_spec, { input }) => everyByte(carriageReturn, [], input),
  backward: (_spec, { input }) => everyByte(newline, [carriageReturn, newline], input),
};

/** Reading makes every CR a newline; writing makes every newline a CR. */
export const cr: Transform<Record<string, unknown>> = {
  name: "cr",
  types: [],
  needs: "any",
  gives: "same",
  spec: object({}),
  forward: (_spec, { input }) => everyByte(carriageReturn, [newline], input),
  backward: (_spec, { input }) => everyByte(newline, [carriageReturn], input),
};

/** Puts `substitute` in the place of every `byte`. Passes chunks without one as they are. */
function everyByte(byte: number, substitute: readonly number[], input: StreamKind): Step {
  return {
    push(data, emit) {
      const bytes = data.data;
      let count = 0;
      for (let at = bytes.indexOf(byte); at >= 0; at = bytes.indexOf(byte, at + 1)) count++;
      if (count === 0) return emit(data);
      const result = new Uint8Array(bytes.length + count * (substitute.length - 1));
      let end = 0;
      let from = 0;
      for (let at = bytes.indexOf(byte); at >= 0; at = bytes.indexOf(byte, at + 1)) {
        result.set(bytes.subarray(from, at), end);
        end += at - from;
        result.set(substitute, end);
        end += substitute.length;
        from = at + 1;
      }
      result.set(bytes.subarray(from), end);
      // An empty datagram is one; of bytes there is simply nothing left.
      if (result.length > 0 || input === "datagram") emit({ ...data, data: result });
    },
  };
}
