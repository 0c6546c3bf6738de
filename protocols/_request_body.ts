/** What a caller writes, as the body of a `Request`: a slow reader holds the caller back. */
import type { RequestBody } from "./_web_answer.ts";

/** Bytes that may wait; a larger block waits alone. */
const bufferBytes = 65_536;

/** `write` resolves when there is room for more; what nobody reads any more is thrown away. */
export function requestBody(): {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly sink: RequestBody;
} {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  let room = Promise.withResolvers<void>();
  /** Nobody reads it, or it has ended. */
  let closed = false;
  const stop = () => {
    closed = true;
    room.resolve();
  };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (own) => void (controller = own),
    pull: () => room.resolve(),
    cancel: stop,
  }, new ByteLengthQueuingStrategy({ highWaterMark: bufferBytes }));
  return {
    stream,
    sink: {
      async write(bytes) {
        if (closed || bytes.length === 0) return;
        // Its memory is the caller's again once this resolves.
        controller.enqueue(bytes.slice());
        if (controller.desiredSize! > 0) return;
        room = Promise.withResolvers();
        await room.promise;
      },
      end() {
        if (closed) return;
        stop();
        controller.close();
      },
      fail(error) {
        if (closed) return;
        stop();
        controller.error(error);
      },
    },
  };
}
