/** Judging by the clock on a machine that may stand still for seconds. */

/**
 * The shortest that `run` has taken, in ms, of up to ten times, and of no more once it took less than `limitMs`: what is
 * slow by itself is slow every time, what had to wait for a busy machine hardly is.
 */
export async function leastTime(limitMs: number, run: () => void | Promise<void>): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 10 && least >= limitMs; i++) {
    const start = performance.now();
    await run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}
