/** Judging what something costs on a machine that is busy with other things, or stands still for seconds. */

/**
 * Milliseconds that the processor has spent on this thread so far (the other test files have threads of their own),
 * exact to some: the first field of its schedstat, in nanoseconds. Where the system does not tell, those that have gone by.
 */
export function processorMs(): number {
  try {
    return Number(Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ")[0]) / 1e6;
  } catch {
    return performance.now();
  }
}
