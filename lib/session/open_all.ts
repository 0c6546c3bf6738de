/** Opens several streams of one session. */
import type { Stream } from "../stream/stream.ts";

/** Opens all at once; the first that fails ends the others, and what is open already is closed. */
export async function openAll(
  openings: readonly ((signal: AbortSignal) => Promise<Stream>)[],
  signal: AbortSignal,
): Promise<Stream[]> {
  const group = new AbortController();
  const both = AbortSignal.any([signal, group.signal]);
  const results = await Promise.allSettled(openings.map(async (open) => {
    try {
      return await open(both);
    } catch (error) {
      group.abort(error);
      throw error;
    }
  }));
  if (!group.signal.aborted) return results.map((result) => (result as PromiseFulfilledResult<Stream>).value);
  for (const result of results) if (result.status === "fulfilled") result.value.abort(group.signal.reason);
  throw group.signal.reason;
}
