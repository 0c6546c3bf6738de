/** Faults of the program itself: what to tell somebody who should report one. */
import { messageOf } from "../errors.ts";

/** One line with an id that is the same wherever the same fault happens, and the stack for those who debug. */
export function internalError(error: unknown): { message: string; stack: string } {
  const stack = error instanceof Error && error.stack ? error.stack : String(error);
  const name = error instanceof Error ? `${error.name}: ` : "";
  const message = `internal error: ${name}${messageOf(error)}; please report it with the id ${idOf(stack)}` +
    ", what you ran, and what -d4 says";
  return { message, stack };
}

/** FNV-1a over the stack without its folders, which differ between machines. */
function idOf(stack: string): string {
  let hash = 0x811c9dc5;
  for (const character of stack.replace(/\b\w+:\/\/\S*\//g, "")) {
    hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
