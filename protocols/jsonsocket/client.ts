/** The connecting side of JSONSocket: says who calls, and waits for a 2xx. */
import { ConnectError } from "../../lib/errors.ts";
import type { Context } from "../../lib/protocol.ts";
import type { Stream } from "../../lib/stream/stream.ts";
import { judgeResponse } from "./codec.ts";
import { asConnectError, infoOver, receiveMessage, sendMessage, within } from "./exchange.ts";
import { makeHeader } from "./make_header.ts";
import type { JsonSocketSpec } from "./jsonsocket.ts";

/**
 * Sends the request header over `lower`, which it owns, and gives what follows the response. Rejects with a
 * `ConnectError`, or the signal's reason.
 */
export async function connectJsonSocket(lower: Stream, spec: JsonSocketSpec, context: Context): Promise<Stream> {
  const { signal, log, metadata = {} } = context;
  const name = `jsonsocket ${lower.info.name}`;
  try {
    const header = makeHeader(spec.header ?? [], metadata, (path) => {
      log.warn("jsonsocket.header", `${name}: nothing at ${path} in the session's metadata; left out of the header`);
    });
    const { message, stream } = await within(
      lower,
      { signal, limitMs: spec.handshake_timeout ?? Infinity },
      async () => {
        await sendMessage(lower, header);
        return await receiveMessage(lower);
      },
    );
    const refusal = judgeResponse(message);
    if (refusal) throw new ConnectError(refusal.reason, { code: `JSONSOCKET_${refusal.status ?? "RESPONSE"}` });
    return stream(infoOver(lower, name, message));
  } catch (error) {
    lower.abort();
    signal.throwIfAborted();
    throw asConnectError(name, error);
  }
}
