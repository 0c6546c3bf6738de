/** A terminal on one side and a pseudo-terminal on the other have windows of the same size. */
import type { StreamInfo } from "../stream/stream.ts";

/** Keeps the windows alike from now on, until the returned function is called. Undefined: there are no two windows. */
export function followWindow(one: StreamInfo, other: StreamInfo): (() => void) | undefined {
  const [from, to] = one.windowSize ? [one, other] : [other, one];
  if (!from.windowSize || !to.resize) return undefined;
  const follow = () => {
    const size = from.windowSize!();
    if (size) to.resize!(size);
  };
  Deno.addSignalListener("SIGWINCH", follow);
  follow();
  return () => Deno.removeSignalListener("SIGWINCH", follow);
}
