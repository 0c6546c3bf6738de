/** Which stream a fault of an HTTP message belongs to. */
import { L7mpError, LimitError, messageOf, ProtocolError, StreamError } from "../../lib/errors.ts";

/** A fault of the message with the stream's name in front; those of the connection name it themselves. */
export function named(name: string, error: unknown): unknown {
  if (!(error instanceof L7mpError)) return error;
  const { code } = error;
  const message = `${name}: ${messageOf(error)}`;
  if (error instanceof ProtocolError) return new ProtocolError(message, { code, cause: error });
  if (error instanceof LimitError) return new LimitError(message, { code, cause: error });
  return code === "CUT" ? new StreamError(message, { code, cause: error }) : error;
}
