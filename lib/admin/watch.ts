/** `GET /sessions?watch=true`: one JSON object a line, for as long as the caller reads. */
import type { Control, SessionChange } from "../control/control.ts";

/**
 * Said once all sessions that there were have been told, and again whenever there was nothing to say for a while: so
 * that the answer begins at once, is not taken for dead on its way, and a reader that has gone is noticed.
 */
const bookmark = { type: "BOOKMARK" };

/** Less than what listeners and proxies on the way wait for an answer in silence. */
const bookmarkMs = 20_000;

/** First the sessions that there are, as added, then every change. Ends when the caller goes or the process ends. */
export function watchSessions(control: Control): Response {
  const stop = new AbortController();
  const encoder = new TextEncoder();
  const line = (change: unknown) => encoder.encode(`${JSON.stringify(change)}\n`);
  // Watching begins before the list is taken, so nothing falls between the two.
  const changes = control.watch(stop.signal)[Symbol.asyncIterator]();
  let next = nextOf(changes);
  const first = [...control.sessions().map((session) => line({ type: "ADDED", session })), line(bookmark)];
  let endWait = () => {};
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const known = first.shift();
      if (known) return controller.enqueue(known);
      const change = await Promise.race([next, silence((end) => endWait = end)]);
      endWait();
      if (change === "silence") return controller.enqueue(line(bookmark));
      if (change === "end") return controller.close();
      controller.enqueue(line(change));
      next = nextOf(changes);
    },
    async cancel(reason) {
      stop.abort(reason);
      endWait();
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

/** Never rejects: a watch that fails ends. */
async function nextOf(changes: AsyncIterator<SessionChange>): Promise<SessionChange | "end"> {
  try {
    const { done, value } = await changes.next();
    return done ? "end" : value;
  } catch {
    return "end";
  }
}

/** Resolves after a while, or when `end` is called, whichever is first. */
function silence(give: (end: () => void) => void): Promise<"silence"> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      resolve("silence");
    };
    const timer = setTimeout(end, bookmarkMs);
    give(end);
  });
}
