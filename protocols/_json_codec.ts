/** The two directions of JSONENCAP and JSONDECAP, which are each other's inverse. */
import type { Step, StepContext } from "../lib/protocol.ts";

/** Each message becomes `{"metadata": <the session's>, "payload": "<base64>"}`. */
export function encapStep(context: StepContext): Step {
  const encoder = new TextEncoder();
  const metadata = JSON.stringify(context.session.metadata);
  return {
    push({ data }, emit) {
      emit({ data: encoder.encode(`{"metadata":${metadata},"payload":"${data.toBase64()}"}`) });
    },
  };
}

/** The payload of such a message; throws an `Error` that says what is wrong with it. */
function decapPayload(message: Uint8Array): Uint8Array {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(message));
  } catch {
    throw new Error("is not JSON");
  }
  const payload = (value as { payload?: unknown } | null)?.payload;
  if (typeof payload !== "string") throw new Error('has no string "payload"');
  try {
    return Uint8Array.fromBase64(payload);
  } catch {
    throw new Error('has a "payload" that is not base64');
  }
}

/** Each message becomes its payload. One that cannot be read is dropped with a warning that counts. */
export function decapStep(context: StepContext): Step {
  let dropped = 0;
  return {
    push({ data }, emit) {
      let payload: Uint8Array;
      try {
        payload = decapPayload(data);
      } catch (error) {
        dropped++;
        context.drop();
        const why = (error as Error).message;
        const message = `JSONDECAP: message of ${data.length} bytes ${why}, dropped (${dropped} so far)`;
        context.log.warn("datagram.dropped", message, { bytes: data.length, dropped });
        return;
      }
      emit({ data: payload });
    },
  };
}
