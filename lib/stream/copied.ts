/** A stream that has a copy made of what is written to it (`-r`, `-R`). */
import { delegateBytes, delegateDatagrams } from "./delegate.ts";
import type { Stream } from "./stream.ts";

/** Where a copy goes. */
export interface Copy {
  /** Resolves when all of `data` has been taken or nothing is taken any more; keeps no reference, never rejects. */
  write(data: Uint8Array): Promise<void>;
  /** Takes nothing any more: a `write` that waits is over. May be called twice. */
  close(): void;
}

/**
 * Passes everything on, what is written once `copy` has it: one that is slow slows the writer down. Owns `stream` and
 * `copy`, which it closes when it is aborted.
 */
export function copied(stream: Stream, copy: Copy): Stream {
  const writing = stream.writing && copied(stream.writing, copy);
  const abort = (reason?: unknown) => {
    copy.close();
    stream.abort(reason);
  };
  if (stream.kind === "byte") {
    return delegateBytes(stream, {
      writing,
      abort,
      async write(bytes) {
        await copy.write(bytes);
        await stream.write(bytes);
      },
    });
  }
  return delegateDatagrams(stream, {
    writing,
    abort,
    async send(batch) {
      for (const { data } of batch) await copy.write(data);
      await stream.send(batch);
    },
  });
}
