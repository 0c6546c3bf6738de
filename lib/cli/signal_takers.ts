/** Who takes signals that would end the program (`sigint`, `sighup` and `sigquit` of a program's address). */
import type { Context } from "../protocol.ts";
import type { EndingSignal } from "./signals.ts";

export class SignalTakers {
  readonly #takers = new Map<string, Set<() => void>>();

  /** As `Context.takeSignal`. */
  take: NonNullable<Context["takeSignal"]> = (name, taker) => {
    let takers = this.#takers.get(name);
    if (!takers) this.#takers.set(name, takers = new Set());
    takers.add(taker);
    return () => void takers.delete(taker);
  };

  /** Tells all who take it; false where there are none. */
  pass(name: EndingSignal): boolean {
    const takers = this.#takers.get(name);
    if (!takers?.size) return false;
    for (const taker of takers) taker();
    return true;
  }
}
