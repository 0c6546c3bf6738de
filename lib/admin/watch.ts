/** `GET /sessions?watch=true`: one JSON object a line, for as long as the caller reads. */
import type { Control } from "../control/control.ts";

/** First the sessions that there are, as added, then every change. Ends when the caller goes or the process ends. */
export function watchSessions(control: Control): Response {
  const stop = new AbortController();
  const encoder = new TextEncoder();
  const line = (change: unknown) => encoder.encode(`${JSON.stringify(change)}\n`);
  // Watching begins before the list is taken, so nothing falls between the two.
  const changes = control.watch(stop.signal)[Symbol.asyncIterator]();
  let next = changes.next();
  next.catch(() => {});
  const present = control.sessions().map((session) => line({ type: "ADDED", session }));
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const known = present.shift();
      if (known) return controller.enqueue(known);
      const { done, value } = await next.catch(() => ({ done: true, value: undefined }) as const);
      if (done) return controller.close();
      controller.enqueue(line(value));
      next = changes.next();
      next.catch(() => {});
    },
    async cancel(reason) {
      stop.abort(reason);
      await changes.return?.();
    },
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: {
      "content-type": "application/x-ndjson",
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
    },
  });
}
