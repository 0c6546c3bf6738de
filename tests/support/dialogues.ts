/** Leads handshakes by hand, for tests of their codecs. Bytes are written in hexadecimal; spaces do not count. */
import { L7mpError } from "../../lib/errors.ts";
import type { Dialogue } from "../../protocols/_dialogue.ts";
import { cutAt } from "./cuts.ts";

export interface Played<Result = unknown> {
  /** What the dialogue sent, one entry a message. */
  readonly sent: readonly string[];
  /** What was left over. */
  readonly rest: string;
  readonly result?: Result;
}

const bytesOf = (hex: string): Uint8Array => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** Gives each answer in one piece, after what was sent before it. Throws where the dialogue does not come to its end. */
export function play<Result>(dialogue: Dialogue<Result>, answers: readonly string[]): Played<Result> {
  return lead(dialogue, answers.map((answer) => [bytesOf(answer)]));
}

/** As `play`, each answer cut at these fractions. */
export function splitPlay<Result>(
  dialogue: Dialogue<Result>,
  answers: readonly string[],
  cuts: readonly number[],
): Played<Result> {
  return lead(dialogue, answers.map((answer) => cutAt(bytesOf(answer), cuts)));
}

function lead<Result>(dialogue: Dialogue<Result>, answers: readonly (readonly Uint8Array[])[]): Played<Result> {
  const sent = dialogue.begin ? [dialogue.begin().toHex()] : [];
  let ended: { result: Result; rest: Uint8Array } | undefined;
  const late: Uint8Array[] = [];
  for (const pieces of answers) {
    for (const piece of pieces) {
      if (ended) late.push(piece.slice());
      else ended = feed(dialogue, piece, sent);
    }
  }
  if (!ended) throw new Error(`the dialogue did not end; it sent ${sent.join(" ")}`);
  const rest = ended.rest.toHex() + late.map((piece) => piece.toHex()).join("");
  return ended.result === undefined ? { sent, rest } : { sent, rest, result: ended.result };
}

/** Gives one piece, which is overwritten afterwards, as a lent view would be. */
function feed<Result>(
  dialogue: Dialogue<Result>,
  piece: Uint8Array,
  sent: string[],
): { result: Result; rest: Uint8Array } | undefined {
  const lent = piece.slice();
  dialogue.push(lent);
  try {
    for (let step = dialogue.next(); step !== null; step = dialogue.next()) {
      if ("result" in step) return { ...step, rest: step.rest.slice() };
      sent.push(step.send.toHex());
    }
  } finally {
    lent.fill(0xee);
  }
  return undefined;
}

/** Gives `bytes` whatever is sent; an error must be one of ours. */
export function listen(dialogue: Dialogue<unknown>, bytes: Uint8Array): void {
  dialogue.begin?.();
  try {
    feed(dialogue, bytes, []);
  } catch (error) {
    if (!(error instanceof L7mpError)) throw error;
  }
}
