/** What to do about an error that the system has one bare phrase for. */
import type { L7mpError } from "../errors.ts";

/** What to append to the line that tells of `error`; `retries`: trying again has been asked for. */
export function adviceOn(error: L7mpError, { retries }: { readonly retries: boolean }): string {
  if (error.code !== "ECONNREFUSED" || !error.message.endsWith("Connection refused")) return "";
  // Told by a datagram that was sent: what is open is not opened again.
  const isOpen = /^(read|write)\(/.test(error.message);
  const wait = retries || isOpen ? "" : "; retry waits for a server that starts late";
  return `; nobody listens there${wait}`;
}
