/** Opens a listening address that stands where a connector may: as address2, or as a half of a dual address. */
import type { Endpoint } from "../config/plan.ts";
import { ConnectError } from "../errors.ts";
import type { Context } from "../protocol.ts";
import type { Stream } from "../stream/stream.ts";
import { Callers } from "./callers.ts";
import { listen, welcome, withEnds } from "./open.ts";

/**
 * Listens on `endpoint`, waits for the first peer that may be served, and gives up the listener: nobody else gets in.
 * Rejects with a `ConnectError`, or with `context.signal`'s reason; nothing stays open then.
 */
export async function firstPeer(endpoint: Endpoint, context: Context): Promise<Stream> {
  const { signal, log } = context;
  await using listener = await listen(endpoint, context);
  context.onListening?.(endpoint.name.split(":")[0]!, listener.address);
  const sessionEnded = () => new Promise<never>(() => {});
  const callers = new Callers(listener, endpoint, { log, signal, sessionEnded });
  const caller = await callers.next(endpoint.listen?.accept_timeout);
  if (!caller) throw new ConnectError(`${endpoint.name}: the listener closed before anybody came`);
  const welcomed = await welcome(caller, endpoint, context);
  return withEnds(await welcomed.accept(signal), endpoint);
}
