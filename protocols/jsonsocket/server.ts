/** The listening side of JSONSocket: reads who calls, and answers when it is known whether anybody is there for them. */
import { type L7mpError, LimitError, ProtocolError } from "../../lib/errors.ts";
import type { Context, Incoming } from "../../lib/protocol.ts";
import { formatAddress, type Stream } from "../../lib/stream/stream.ts";
import { unavailable } from "../http/admission.ts";
import { judgeRequest, response } from "./codec.ts";
import { asConnectError, infoOver, type Received, receiveMessage, sendMessage, within } from "./exchange.ts";
import type { JsonSocketSpec } from "./jsonsocket.ts";
import { after } from "../../lib/stream/timer.ts";

/** How long a refused caller may go on sending before the connection is dropped. */
const drainMs = 1000;

/**
 * Reads the request header on `lower`, which it owns. A bad one is answered here (400, 505) and rejects; the others wait
 * for `accept` (200) or `reject`.
 */
export async function serveJsonSocket(lower: Stream, spec: JsonSocketSpec, context: Context): Promise<Incoming> {
  const { signal } = context;
  const from = lower.info.remote ? formatAddress(lower.info.remote) : lower.info.name;
  const name = `jsonsocket from ${from}`;
  let received: Received;
  try {
    received = await within(
      lower,
      { signal, limitMs: spec.handshake_timeout ?? Infinity },
      () => receiveMessage(lower),
    );
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof LimitError) {
      throw await refused(lower, name, { status: 400, reason: error.message });
    }
    lower.abort();
    signal.throwIfAborted();
    throw atWarn(asConnectError(name, error));
  }
  const { message: header } = received;
  const refusal = judgeRequest(header);
  if (refusal) throw await refused(lower, name, refusal);
  context.log.notice("jsonsocket.request", `${name}: ${JSON.stringify(header)}`);
  const info = infoOver(lower, name, header);
  return {
    info,
    async accept(signal) {
      try {
        await within(lower, { signal, limitMs: Infinity }, () => sendMessage(lower, response(200, "OK")));
      } catch (error) {
        lower.abort();
        throw error;
      }
      return received.stream(info);
    },
    reject: (error) => refuse(lower, reasonOf(error)),
  };
}

interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** What a fault is for the caller: no more than it has to know, unless the fault is meant for it. */
function reasonOf(error: L7mpError): Refusal {
  const { status, reason } = unavailable(error);
  return error.status === undefined ? { status, reason } : { status: error.status, reason: error.message };
}

async function refused(lower: Stream, name: string, refusal: Refusal): Promise<ProtocolError> {
  await refuse(lower, refusal);
  return atWarn(new ProtocolError(`${name}: answered ${refusal.status}: ${refusal.reason}`));
}

/** A bad caller is nothing unusual for a listener. */
function atWarn<T>(error: T): T {
  if (error instanceof Error && "level" in error) error.level = "warn";
  return error;
}

/** Answers and drops the caller. Never rejects: it may be gone already. */
async function refuse(lower: Stream, { status, reason }: Refusal): Promise<void> {
  const timer = after(drainMs, () => lower.abort());
  try {
    await sendMessage(lower, response(status, reason));
    await lower.closeWrite();
  } catch {
    // The error that led here is the one to tell.
  }
  // Closing with bytes unread would reset a connection, and the answer with it. Where there is no connection, what
  // comes next is another call.
  const drained = lower.kind === "byte" || lower.info.protocol === "WebSocket" ? drain(lower) : Promise.resolve();
  drained.finally(() => {
    timer.stop();
    lower.abort();
  });
}

async function drain(lower: Stream): Promise<void> {
  try {
    while (await (lower.kind === "byte" ? lower.read() : lower.receive()) !== null);
  } catch {
    // As above.
  }
}
